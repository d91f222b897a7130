"""Members that share an architecture: their states, and the programs that run them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxrnn import configuration, initial
from jaxrnn.member import Batches, Samples, State
from jaxrnn.network import Architecture
from jaxrnn.optimizer import Hyperparameters
from jaxrnn.population import Layout, Programs
from jaxrnn.types import Array


@dataclass(frozen=True)
class Cohort:
    """The members of one architecture, somewhere in a population.

    Attributes:
        layout: Where they live on the devices.
        programs: What runs them.
        members: Their positions in the population, ascending, `(members,)`.
        state: Their states, `(rows, lanes, ...)`.
        losses: Training loss of the last epoch, `(rows, lanes)`; None before the first.
    """

    layout: Layout
    programs: Programs
    members: np.ndarray
    state: State
    losses: Array | None = None

    def train(self, samples: Samples, seed: Array, epoch: Array, epochs: Array) -> "Cohort":
        """This cohort `epochs` epochs later, as soon as the devices are done; consumes this one."""
        state, losses = self.programs.train(self.state, self._rows(), samples, seed, epoch, epochs)
        return replace(self, state=state, losses=losses)

    def evaluate(self, batches: Batches) -> Array:
        """Metrics on the device, `(rows, lanes, metrics)`; `of_members` sorts them out."""
        return self.programs.evaluate(self.state, self._rows(), batches)

    def of_members(self, values: Array) -> np.ndarray:
        """The `(rows, lanes, ...)` of the device as `(members, ...)` on the host."""
        return self.layout.collect(values, len(self.members))

    def select(self, chosen: np.ndarray) -> "Cohort | None":
        """What is left of this cohort in the population of the old positions `chosen`."""
        members = np.flatnonzero(np.isin(chosen, self.members))
        if len(members) == 0:
            return None
        rows, lanes = self.layout.shape
        if len(members) > rows * lanes:
            raise ValueError(
                f"`indices` ask for {len(members)} members of one architecture, but its program "
                f"has {rows * lanes} lanes."
            )
        old = self.layout.slots(len(self.members))
        source = np.zeros(rows * lanes, np.int32)
        source[self.layout.slots(len(members))] = old[
            np.searchsorted(self.members, chosen[members])
        ]
        state = self.programs.gather(self.state, self.layout.split(source.reshape(rows, lanes)))
        return replace(self, members=members, state=state, losses=None)

    def parameters(self, position: int) -> initial.Layers:
        """Padded parameters of the member at `position` of the population, on the host."""
        rank = int(np.searchsorted(self.members, position))
        row, lane = divmod(int(self.layout.slots(len(self.members))[rank]), self.layout.lanes)
        return jax.tree.map(lambda leaf: np.asarray(leaf[row, lane]), self.state.parameters)

    def _rows(self) -> Array:
        return self.layout.split(self.layout.rows_in_use(len(self.members)))


def first_values(
    architecture: Architecture,
    layout: Layout,
    entries: Sequence[dict[str, Any]],
    seeds: Sequence[int],
) -> tuple[Any, Hyperparameters, Array]:
    """What `Programs.start` takes: parameters, hyperparameters and seeds, on the devices."""
    shapes = architecture.shapes()
    parameters = [
        initial.pad(initial.draw(architecture, one["hidden_size"], seed), shapes)
        for one, seed in zip(entries, seeds, strict=True)
    ]
    numbers = [
        Hyperparameters(*map(np.float32, configuration.hyperparameters(one))) for one in entries
    ]
    return layout.place(list(zip(parameters, numbers, map(np.uint32, seeds), strict=True)))
