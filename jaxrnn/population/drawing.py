"""Members before their first epoch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrnn.data.arrays import check_seed
from jaxrnn.network import initial, structure
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.plans import Plans
from jaxrnn.population.snapshot import Snapshot, setting_of
from jaxrnn.training.member import Member
from jaxrnn.training.progress import Report
from jaxrnn.types import Configuration


def draw(
    configurations: Sequence[Configuration],
    seeds: Sequence[int],
    max_epochs: int,
    plans: Plans,
    compiler: Compiler,
) -> list[Snapshot]:
    """Draw the first weights of some members, each for the cohort that is planned for it.

    Args:
        configurations: One per member.
        seeds: One per member.
        max_epochs: The most that any member trains.
        plans: Know the cohorts.
        compiler: Knows the run of every architecture.

    Raises:
        ValueError: An unknown, bad or inactive entry, or not one good seed per configuration.
    """
    if not configurations or len(configurations) != len(seeds):
        raise ValueError(
            f"`seeds` are {len(seeds)}, but must be one for each of the "
            f"{len(configurations)} configurations, of which there must be at least 1."
        )
    for one in seeds:
        check_seed(one)
    entries = plans.complete(configurations, max_epochs)
    snapshots: dict[int, Snapshot] = {}
    for group in plans.groups(entries, max_epochs):
        member = compiler.member(group.architecture)
        for position in group.members:
            snapshots[position] = _first(member, entries[position], seeds[position], max_epochs)
    return [snapshots[position] for position in range(len(entries))]


def _first(member: Member, entries: dict[str, Any], seed: int, max_epochs: int) -> Snapshot:
    architecture, packing = member.step.architecture, member.step.update.packing
    weights = initial.draw(structure.alone(entries, architecture.problem), entries, seed)
    parameters = packing.pack(initial.pad(weights, packing.shapes))
    return Snapshot(
        configuration=entries,
        max_epochs=max_epochs,
        architecture=architecture,
        setting=setting_of(entries, seed, architecture),
        state=member.start(parameters, entries["optimizer"]),
        reports=np.zeros((0, len(Report._fields)), np.float32),
    )
