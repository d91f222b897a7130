"""What a search asks of a trainer; `jaxrnn.Trainer` keeps it, and so can anybody's."""

from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

Population = TypeVar("Population", bound=Sized)
Snapshot = TypeVar("Snapshot")


class Trainer(Protocol[Population, Snapshot]):
    """Trains many configurations side by side.

    A population lies on the devices and knows its members by position. A snapshot is one member
    off the devices; it does not change when the population trains on, and may be placed any number
    of times, alone or among others: its future is the same to the bit.
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
        """Untrained members, one per configuration and seed.

        `max_epochs` are those of the members that are never pruned; schedules may run over them.
        """
        ...

    def to_device(self, snapshots: Sequence[Snapshot]) -> Population:
        """A population of these members, in this order, each where it was."""
        ...

    def to_host(
        self, population: Population, positions: Sequence[int] | None = None
    ) -> list[Snapshot]:
        """Snapshots of the members at `positions`, by default of all; they can train on."""
        ...

    def train(
        self,
        population: Population,
        epochs: Sequence[int],
        on_progress: Callable[[float], None],
    ) -> Population:
        """Every member trained until it has seen its own `epochs` in all, going on where it was.

        `epochs` has one total per member; a member that is there already rests. Calls `on_progress`
        now and then with the member-epochs trained since the last call; fractions are fine.
        """
        ...

    def evaluate(
        self, population: Population, *, positions: Sequence[int] | None = None
    ) -> Mapping[str, np.ndarray]:
        """Validation metrics by name, each `(population,)`; not finite where a member diverged.

        Of the members at `positions` alone if these are given; others are NaN.
        """
        ...

    def history(self, population: Population) -> Mapping[str, np.ndarray]:
        """What training itself saw in every epoch so far, such as the training loss.

        By name, each `(epochs, population)`; NaN where a member did not run.
        """
        ...

    def can_change(self, name: str) -> bool:
        """Whether the entry `name` of a configuration may change in the middle of training."""
        ...

    def fork(self, snapshot: Snapshot, configuration: dict[str, Any], seed: int) -> Snapshot:
        """A member that goes on from `snapshot` with another configuration and seed.

        Weights, optimizer and epochs are those of the snapshot; only entries that are
        `can_change` may differ.
        """
        ...

    def save(self, snapshots: Sequence[Snapshot], folder: Path) -> None:
        """Write snapshots into a new folder."""
        ...

    def restore(self, folder: Path) -> list[Snapshot]:
        """The snapshots that `save` wrote, to the bit, in order; `plan_for` was told the same."""
        ...
