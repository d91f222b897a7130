"""Members that share an architecture: their states, and the programs that run them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxrnn import configuration, initial
from jaxrnn.layout import Layout
from jaxrnn.member import Batches, Samples, State
from jaxrnn.network import Architecture
from jaxrnn.optimizer import Hyperparameters
from jaxrnn.population import Programs
from jaxrnn.types import Array


@dataclass(frozen=True)
class Cohort:
    """The members of one architecture, somewhere in a population.

    Attributes:
        layout: Where they live on the devices.
        programs: What runs them.
        members: Their positions in the population, ascending, `(members,)`.
        state: Their states, `(rows, lanes, ...)`.
    """

    layout: Layout
    programs: Programs
    members: np.ndarray
    state: State

    @property
    def waves(self) -> int:
        """Rows that the busiest device has in use."""
        return int(self.layout.rows_in_use(len(self.members)).max())

    def train(
        self, first: int, last: int, samples: Samples, seed: Array, behind: Array, ahead: Array
    ) -> "Cohort":
        """Waves `first` to before `last` `ahead` epochs later, as soon as the devices are done.

        Consumes this cohort: its buffers become those of the one returned.
        """
        rows = self.layout.rows(len(self.members), first, last)
        state = self.programs.train(self.state, rows, samples, seed, behind, ahead)
        return replace(self, state=state)

    def evaluate(self, batches: Batches) -> Array:
        """Metrics on the device, `(rows, lanes, metrics)`; `of_members` sorts them out."""
        rows = self.layout.rows(len(self.members), 0, self.waves)
        return self.programs.evaluate(self.state, rows, batches)

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
        rank = np.searchsorted(self.members, chosen[members])
        source[self.layout.slots(len(members))] = old[rank]
        state = self.programs.gather(self.state, self.layout.shard(source.reshape(rows, lanes)))
        return replace(self, members=members, state=state)

    def parameters(self, position: int) -> initial.Layers:
        """Padded parameters of the member at `position` of the population, on the host."""
        rank = int(np.searchsorted(self.members, position))
        row, lane = divmod(int(self.layout.slots(len(self.members))[rank]), self.layout.lanes)
        return jax.tree.map(lambda leaf: np.asarray(leaf[row, lane]), self.state.parameters)


class Draft(NamedTuple):
    """A cohort before its programs are compiled.

    Attributes:
        architecture: What its members share.
        layout: Where they will live.
        members: Their positions in the population.
        values: What `Programs.start` takes: parameters, hyperparameters and seeds.
    """

    architecture: Architecture
    layout: Layout
    members: np.ndarray
    values: tuple[Any, Hyperparameters, Array]

    def start(self, programs: Programs) -> Cohort:
        """The cohort before its first epoch."""
        return Cohort(self.layout, programs, self.members, programs.start(*self.values))


def draft(
    entries: Sequence[dict[str, Any]],
    seeds: Sequence[int],
    inputs: int,
    outputs: int,
    mesh: Mesh,
    lanes: int,
) -> list[Draft]:
    """Group complete configurations by architecture.

    Args:
        entries: One complete configuration per member of the population.
        seeds: One per member.
        inputs: Features per time step.
        outputs: Numbers the head puts out.
        mesh: Devices to train on.
        lanes: Members side by side on each.
    """
    groups: dict[Architecture, list[int]] = {}
    for position, one in enumerate(entries):
        architecture = configuration.architecture(one, inputs, outputs)
        groups.setdefault(architecture, []).append(position)
    drafts = []
    for architecture, members in groups.items():
        layout = Layout.for_members(len(members), mesh, lanes)
        values = [_first_values(architecture, entries[m], seeds[m]) for m in members]
        drafts.append(Draft(architecture, layout, np.array(members), layout.place(values)))
    return drafts


def _first_values(
    architecture: Architecture, entries: dict[str, Any], seed: int
) -> tuple[initial.Layers, Hyperparameters, np.uint32]:
    drawn = initial.draw(architecture, entries["hidden_size"], seed)
    numbers = Hyperparameters(*map(np.float32, configuration.hyperparameters(entries)))
    return initial.pad(drawn, architecture.shapes()), numbers, np.uint32(seed)
