"""Snapshots: members on the host, before their first epoch or between two."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxrnn.configuration.hyperparameters import PackedHyperparameters, hyperparameters
from jaxrnn.configuration.rules import can_change
from jaxrnn.data.arrays import check_seed
from jaxrnn.network import initial
from jaxrnn.network.architecture import Architecture, architecture_of
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.planner import CohortPlanner
from jaxrnn.training.epoch_metrics import EpochMetrics
from jaxrnn.training.member import Member, MemberState
from jaxrnn.types import Configuration


@dataclass(frozen=True)
class Snapshot:
    """A member between two epochs, on the host.

    Attributes:
        configuration: Complete configuration.
        max_epochs: Most epochs that it may train.
        architecture: Architecture of the cohort that it belongs to.
        packed: Hyperparameters and seed, as programs take them.
        state: Weights and optimizer, padded as the architecture says.
        metrics: Metrics of every epoch trained, `(epochs, fields of EpochMetrics)` float32.
    """

    configuration: dict[str, Any]
    max_epochs: int
    architecture: Architecture
    packed: PackedHyperparameters
    state: MemberState
    metrics: np.ndarray

    @property
    def seed(self) -> int:
        """Seed of first weights and dropout."""
        return int(self.packed.seed)

    @property
    def epochs(self) -> int:
        """Number of epochs that it has trained."""
        return len(self.metrics)


def pack_hyperparameters(
    configuration: Mapping[str, Any], seed: int, architecture: Architecture
) -> PackedHyperparameters:
    """Return what the programs of an architecture take as arguments, on the host."""
    return PackedHyperparameters.of(
        hyperparameters(configuration, architecture.optimizers), np.uint32(seed)
    )


def forked(
    snapshot: Snapshot, configuration: dict[str, Any], seed: int, microbatch: int
) -> Snapshot:
    """Return a member with weights, optimizer and metrics of another, and its own future.

    Args:
        snapshot: Snapshot of the other member.
        configuration: Complete configuration of the new member.
        seed: Seed of the new member.
        microbatch: Sequences of a step.

    Raises:
        ValueError: `configuration` differs where it can't change in the middle of training.
    """
    for name, value in snapshot.configuration.items():
        if configuration.get(name) != value and not can_change(name):
            raise ValueError(
                f"`{name}` is {configuration.get(name)!r}, but must be {value!r} as in the "
                "snapshot: it can't change in the middle of training."
            )
    # What may change never shapes an array, so the same weights live where more code is compiled.
    needed = architecture_of(configuration, snapshot.architecture.spec, microbatch)
    architecture = snapshot.architecture.with_code_for(needed)
    packed = pack_hyperparameters(configuration, seed, architecture)
    return replace(snapshot, configuration=configuration, architecture=architecture, packed=packed)


def init(
    configurations: Sequence[Configuration],
    seeds: Sequence[int],
    max_epochs: int,
    planner: CohortPlanner,
    compiler: Compiler,
) -> list[Snapshot]:
    """Draw the first weights of some members, each for the cohort that is planned for it.

    Args:
        configurations: Configurations of the members.
        seeds: Seeds of the members.
        max_epochs: Most epochs that any member trains.
        planner: Planner of the cohorts.
        compiler: Compiler that knows the training run of every architecture.

    Raises:
        ValueError: An unknown, bad or inactive hyperparameter, or not one good seed per
            configuration.
    """
    if not configurations or len(configurations) != len(seeds):
        raise ValueError(
            f"`seeds` are {len(seeds)}, but must be one for each of the "
            f"{len(configurations)} configurations, of which there must be at least 1."
        )
    for seed in seeds:
        check_seed(seed)
    complete = planner.complete(configurations, max_epochs)
    snapshots: dict[int, Snapshot] = {}
    for group in planner.groups(complete, max_epochs):
        member = compiler.member(group.architecture)
        for position in group.members:
            snapshots[position] = _first(member, complete[position], seeds[position], max_epochs)
    return [snapshots[position] for position in range(len(complete))]


def _first(member: Member, configuration: dict[str, Any], seed: int, max_epochs: int) -> Snapshot:
    architecture, packing = member.step.architecture, member.step.update.packing
    weights = initial.init(architecture_of(configuration, architecture.spec), configuration, seed)
    parameters = packing.pack(initial.pad(weights, packing.shapes))
    return Snapshot(
        configuration=configuration,
        max_epochs=max_epochs,
        architecture=architecture,
        packed=pack_hyperparameters(configuration, seed, architecture),
        state=member.start(parameters, configuration["optimizer"]),
        metrics=np.zeros((0, len(EpochMetrics._fields)), np.float32),
    )
