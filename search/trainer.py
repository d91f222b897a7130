"""What a search asks of a trainer; `jaxrnn.Trainer` is one, and others can be written."""

from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

Population = TypeVar("Population", bound=Sized)
Snapshot = TypeVar("Snapshot")


class Trainer(Protocol[Population, Snapshot]):
    """Trains many configurations side by side.

    A population lies on the devices and knows its members by position. A snapshot is one member
    off the devices; it does not change when the population trains on, and may be put on the devices
    any number of times, alone or among others: its future is the same to the bit.
    """

    def plan_for(
        self,
        configurations: Sequence[dict[str, Any]],
        max_epochs: int,
        max_concurrent: int = 0,
        synchronous: bool = True,
    ) -> None:
        """Prepare for configurations like these; others may come, but cost time.

        Everything that comes later is fitted into what these need, so that a search whose
        configurations are not known in advance compiles as little as one whose are.

        Args:
            configurations: Configurations like those that will come, or these very ones.
            max_epochs: Epochs of the members that are never pruned.
            max_concurrent: Most members that train together; 0 where all do.
            synchronous: Whether members that train together are mostly at the same epoch.
        """
        ...

    def init(
        self, configurations: Sequence[dict[str, Any]], seeds: Sequence[int], max_epochs: int
    ) -> list[Snapshot]:
        """Return untrained members off the devices.

        Args:
            configurations: Configuration of every member.
            seeds: Seed of every member.
            max_epochs: Epochs of the members that are never pruned; schedules may run over them.
        """
        ...

    def to_device(self, snapshots: Sequence[Snapshot]) -> Population:
        """Return a population of these members, in this order, each as far as it was."""
        ...

    def to_host(
        self, population: Population, positions: Sequence[int] | None = None
    ) -> list[Snapshot]:
        """Return snapshots of the members at `positions`, by default of all; they can train on."""
        ...

    def next_part(self, population: Population, positions: Sequence[int]) -> Sequence[int]:
        """Return which members should train first, so that the first scores come early.

        All of them, where parts that train one after the other take longer than all at once.

        Args:
            population: Population; members that have trained before are not waited for.
            positions: Positions of the members to choose from, at least one.

        Returns:
            Some of the positions, at least one.
        """
        ...

    def train(
        self,
        population: Population,
        epochs: Sequence[int],
        on_progress: Callable[[float], None],
    ) -> Population:
        """Train every member on, until it has seen its number of epochs.

        Args:
            population: Population, which must not be used afterwards.
            epochs: Total for every member; one that has seen them already rests.
            on_progress: Called now and then with the member-epochs trained since the last call;
                fractions are fine.

        Returns:
            The population after training.
        """
        ...

    def evaluate(
        self, population: Population, *, positions: Sequence[int] | None = None
    ) -> Mapping[str, np.ndarray]:
        """Return validation metrics by name, each `(population,)`.

        They are not finite where a member diverged.

        Args:
            population: Population to evaluate.
            positions: Positions of the members to evaluate, all by default; others are NaN.
        """
        ...

    def history(self, population: Population) -> Mapping[str, np.ndarray]:
        """Return what training reported of every epoch so far, such as the training loss.

        Values are given by name, each `(epochs, population)`; NaN where a member did not run.
        """
        ...

    def can_change(self, name: str) -> bool:
        """Return whether the hyperparameter `name` may change in the middle of training."""
        ...

    def fork(self, snapshot: Snapshot, configuration: dict[str, Any], seed: int) -> Snapshot:
        """Return a member that goes on from `snapshot` with another configuration and seed.

        Weights, optimizer and epochs are those of the snapshot; only hyperparameters for which
        `can_change` holds may differ.
        """
        ...

    def save(self, snapshots: Sequence[Snapshot], folder: Path) -> None:
        """Write snapshots into a new folder."""
        ...

    def restore(self, folder: Path) -> list[Snapshot]:
        """Return the snapshots that `save` wrote, to the bit; `plan_for` got the same arguments."""
        ...
