"""Members that share an architecture: their states, and the programs that run them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.network import initial, structure
from jaxrnn.network.packing import Packing
from jaxrnn.population.layout import Layout
from jaxrnn.population.planner import Group
from jaxrnn.population.programs import Programs
from jaxrnn.tasks.problem import Problem
from jaxrnn.tasks.task import Task
from jaxrnn.training.member import Member, State, chosen
from jaxrnn.training.progress import Report
from jaxrnn.training.samples import Batches, Piece, Samples
from jaxrnn.training.step import Setting, Step
from jaxrnn.training.update import Update
from jaxrnn.types import Array


@dataclass(frozen=True)
class Cohort:
    """The members of one architecture, somewhere in a population.

    Attributes:
        group: How it was planned.
        layout: Where its members live on the devices.
        members: Their positions in the population, ascending, `(members,)`.
        setting: Their numbers and seeds, `(rows, lanes)`.
        state: Their states, `(rows, lanes, ...)`.
        programs: What runs them.
    """

    group: Group
    layout: Layout
    members: np.ndarray
    setting: Setting
    state: State
    programs: Programs

    @property
    def waves(self) -> int:
        """Rows that the busiest device has in use."""
        return int(self.layout.rows_in_use(len(self.members)).max())

    def train(
        self,
        first: int,
        last: int,
        samples: Samples,
        validation: Batches,
        piece: Piece,
    ) -> "Cohort":
        """Waves `first` to before `last` a piece later, as soon as the devices are done.

        Consumes this cohort: its buffers become those of the one returned.
        """
        rows = self.layout.rows(len(self.members), first, last)
        state = self.programs.train(self.state, self.setting, rows, samples, validation, piece)
        return replace(self, state=state)

    def evaluate(self, batches: Batches) -> Array:
        """Metrics on the device, `(rows, lanes, metrics)`; `of_members` sorts them out."""
        rows = self.layout.rows(len(self.members), 0, self.waves)
        return self.programs.evaluate(self.state, self.setting, rows, batches)

    def of_members(self, values: Any) -> Any:
        """The `(rows, lanes, ...)` of the device as `(members, ...)` on the host."""
        return self.layout.collect(values, len(self.members))

    def reports(self, epochs: int) -> Report:
        """What the last epoch, number `epochs`, told: `(members,)`, NaN for those at rest."""
        report, ran = self.of_members((self.state.report, self.state.epochs))
        return jax.tree.map(lambda leaf: np.where(ran == epochs, leaf, np.nan), report)

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
        rank = np.searchsorted(self.members, chosen[members])
        old = self.of_members((self.setting, self.state))
        left = jax.tree.map(lambda leaf: leaf[rank], old)
        setting, state = self.layout.place(left)
        return replace(self, members=members, setting=setting, state=state)

    def parameters(self, position: int) -> initial.Layers:
        """Padded parameters of the member at `position` of the population, on the host."""
        rank = int(np.searchsorted(self.members, position))
        row, lane = divmod(int(self.layout.slots(len(self.members))[rank]), self.layout.lanes)
        one = jax.tree.map(lambda leaf: leaf[row, lane], (self.setting, self.state))
        packed = jax.device_get(chosen(*one))
        return Packing(self.group.architecture.shapes()).unpack(packed)


class Draft(NamedTuple):
    """A cohort before its programs are compiled.

    Attributes:
        group: How it was planned.
        layout: Where its members will live.
        member: The run to compile.
        setting: As in `Cohort`.
        state: As in `Cohort`.
    """

    group: Group
    layout: Layout
    member: Member
    setting: Setting
    state: State

    def cohort(self, programs: Programs) -> Cohort:
        """The cohort before its first epoch."""
        members = np.array(self.group.members)
        return Cohort(self.group, self.layout, members, self.setting, self.state, programs)


def draft(
    group: Group,
    entries: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    task: Task,
    problem: Problem,
    microbatch: int,
    layout: Layout,
    in_pieces: bool,
) -> Draft:
    """Draw the first weights of a group's members, and put them on the devices.

    Args:
        group: The cohort to be.
        entries: Complete configurations of the whole population.
        seeds: Of the whole population.
        task: What they learn.
        problem: What task and data ask.
        microbatch: Sequences of a step.
        layout: Room for all members of the group.
        in_pieces: Whether an epoch comes in several pieces.
    """
    shapes = group.architecture.shapes()
    packing = Packing(shapes)
    update = Update(group.architecture.optimizers, packing)
    member = Member(Step(group.architecture, task, update), microbatch, in_pieces)
    values = []
    for position in group.members:
        own = entries[position]
        drawn = initial.draw(structure.alone(own, problem), own, seeds[position])
        setting = Setting(
            hyperparameters(own, group.architecture.optimizers), np.uint32(seeds[position])
        )
        first = packing.pack(initial.pad(drawn, shapes))
        values.append((setting, member.start(first, own["optimizer"])))
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *values)
    return Draft(group, layout, member, *layout.place(stacked))
