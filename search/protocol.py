"""What a search asks of a trainer; `jaxrnn.Trainer` keeps it, and so can anybody's."""

from collections.abc import Callable, Mapping, Sequence, Sized
from typing import Any, Protocol, TypeVar

import numpy as np

Population = TypeVar("Population", bound=Sized)


class Trainer(Protocol[Population]):
    """Trains many configurations side by side.

    A population is whatever the trainer makes of it; it knows its members by position.
    """

    def start(
        self, configurations: Sequence[dict[str, Any]], seeds: Sequence[int], max_epochs: int
    ) -> Population:
        """A population of untrained members, one per configuration and seed.

        `max_epochs` are those of the members that are never pruned; schedules may run over them.
        """
        ...

    def train(
        self, population: Population, epochs: int, tell: Callable[[float], None]
    ) -> Population:
        """Every member trained until it has seen `epochs` epochs in all, going on where it was.

        Calls `tell` now and then with the share that is done, from 0 to 1, and at the end with 1.
        """
        ...

    def evaluate(self, population: Population) -> Mapping[str, np.ndarray]:
        """Validation metrics by name, each `(population,)`; not finite where a member diverged."""
        ...

    def history(self, population: Population) -> Mapping[str, np.ndarray]:
        """What training itself saw in every epoch so far, such as the training loss.

        By name, each `(epochs, population)`; NaN where a member did not run.
        """
        ...

    def select(self, population: Population, indices: Sequence[int]) -> Population:
        """The members at `indices`, in that order."""
        ...
