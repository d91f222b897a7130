"""Cohorts with their programs, each kind compiled once and in the background."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from jax.sharding import Mesh
from jax.stages import Compiled

from jaxrnn.configuration.hyperparameters import PackedHyperparameters
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.packing import Packing
from jaxrnn.population.background import Background, Programs
from jaxrnn.population.choices import Choice, Choices
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.devices import enable_x64
from jaxrnn.population.input_pipeline import TrainingData
from jaxrnn.population.lanes import LanePlan
from jaxrnn.population.layout import Layout
from jaxrnn.population.options import Options, Precision
from jaxrnn.population.programs import compile_evaluate, compile_train
from jaxrnn.tasks.task import Task
from jaxrnn.training.batches import Batches, Piece, Samples
from jaxrnn.training.member import Member, MemberState
from jaxrnn.training.step import Step
from jaxrnn.training.update import Update

Key: TypeAlias = tuple[Architecture, Layout, Options]
"""What programs are compiled for."""


class Draft(NamedTuple):
    """A cohort on the host; attributes as in `Cohort`, and `values`, setting and state of each."""

    architecture: Architecture
    members: np.ndarray
    values: Sequence[tuple[PackedHyperparameters, MemberState]]


class Building(NamedTuple):
    """How programs are built.

    Attributes:
        precision: Of matrix products.
        options: Of programs for which nothing else was chosen.
        choices: What an autotuner chose, now or in an earlier process; None where nothing is
            to be chosen.
        loop: Time steps of the loops over time.
    """

    precision: Precision
    options: Options
    choices: Choices | None
    loop: int


class Compiler:
    """Keeps what it compiled.

    Attributes:
        validation: An evaluation split as it lies on the devices.
        mesh: The devices.
    """

    def __init__(
        self,
        task: Task,
        training_data: TrainingData,
        batches: Batches,
        mesh: Mesh,
        lanes: LanePlan,
        building: Building,
    ) -> None:
        """Compile for a task and its data.

        Args:
            task: What is learned.
            training_data: Of training data.
            batches: An evaluation split as it lies on the devices.
            mesh: The devices.
            lanes: Says how many members run side by side on each.
            building: How programs are built.
        """
        self.validation = batches
        self.mesh = mesh
        self._task, self._training_data, self._lanes = task, training_data, lanes
        self._building = building
        self._options: dict[Architecture, Options] = {}
        self._least, self._epoch_window = 0, 1
        self._examples: dict[int, tuple[Samples, Piece]] = {}
        self._background = Background()
        self._runs: dict[Architecture, Member] = {}
        self._known: dict[Key, Programs] = {}
        self._trials: dict[Key, Programs] = {}

    @property
    def programs(self) -> int:
        """How many programs there are, or will be soon."""
        return 2 * len(self._known)

    @property
    def seconds(self) -> float:
        """For which somebody waited for them."""
        return self._background.seconds

    @property
    def choices(self) -> Choices | None:
        """What an autotuner chose; None where nothing is to be chosen."""
        return self._building.choices

    @property
    def plain(self) -> Options:
        """Of programs for which nothing else was chosen."""
        return self._building.options

    @property
    def loop(self) -> int:
        """Time steps of the loops over time."""
        return self._building.loop

    def options(self, architecture: Architecture) -> Options:
        """Of the programs of a cohort."""
        return self._options.get(architecture, self.plain)

    def member(self, architecture: Architecture) -> Member:
        """The run that the programs of an architecture are made of."""
        if architecture not in self._runs:
            update = Update(architecture.optimizers, Packing(architecture.shapes()))
            step = Step(architecture, self._task, update)
            self._runs[architecture] = Member(
                step, self._training_data.microbatch, self._training_data.in_pieces
            )
        return self._runs[architecture]

    def reserve(self, members: int, epochs: int) -> None:
        """Compile for at least so many `members` of each architecture from now on.

        They may be spread over so many `epochs`; over one where all are equally far.
        """
        self._least, self._epoch_window = members, self._training_data.epoch_window(epochs)

    def example(self, layout: Layout) -> tuple[Samples, Batches, Piece]:
        """What members read who live there, of the shapes that they will read."""
        if layout.epoch_window not in self._examples:
            self._examples[layout.epoch_window] = self._training_data.example(layout.epoch_window)
        samples, piece = self._examples[layout.epoch_window]
        return samples, self.validation, piece

    def layout(
        self, architecture: Architecture, members: int, epoch_window: int | None = None
    ) -> Layout:
        """The smallest layout with programs that holds so many members.

        Where there is none, the next to be compiled: just as large as it must be, or, if smaller
        ones turned out too small, at least twice as large as those, so that there are never many.
        """
        epoch_window = self._epoch_window if epoch_window is None else epoch_window
        same = architecture, self.options(architecture), epoch_window
        known = [one for of, one, how in self._known if (of, how, one.epoch_window) == same]
        fitting = [layout for layout in known if layout.capacity >= members]
        if fitting:
            return min(fitting, key=lambda layout: layout.capacity)
        members = max(members, self._least)
        lanes = max([layout.lanes for layout in known] or [self._planned(architecture, members)])
        new = Layout.for_members(members, self.mesh, lanes, epoch_window)
        return replace(new, waves=max([new.waves, *(2 * layout.waves for layout in known)]))

    def __call__(self, drafts: Iterable[Draft]) -> tuple[Cohort, ...]:
        """The cohorts of `drafts` on the devices, before all their programs are compiled."""
        return tuple(self._cohort(draft) for draft in drafts)

    def ready(self, cohorts: Sequence[Cohort]) -> Iterator[list[int]]:
        """Positions of `cohorts` whose programs are compiled, until all were named once."""
        waiting = [*range(len(cohorts))]
        while waiting:
            came = Programs.ready_of([cohorts[k].programs for k in waiting])
            now = [waiting[position] for position in came]
            yield now
            waiting = [k for k in waiting if k not in now]

    def narrowed(
        self,
        cohort: Cohort,
        lanes: int,
        values: Sequence[tuple[PackedHyperparameters, MemberState]] = (),
    ) -> Cohort:
        """The cohort with fewer lanes, as all later ones of its architecture will have.

        Args:
            cohort: Where it did not fit.
            lanes: Of each device.
            values: Setting and state of each member on the host, if the devices lost them.
        """
        architecture = cohort.architecture
        values = values or cohort.members_on_host()
        self._lanes.narrow(architecture, lanes)
        self._known = {
            (one, layout, options): programs
            for (one, layout, options), programs in self._known.items()
            if one != architecture or layout.lanes <= lanes
        }
        return self._moved(cohort, values)

    def begin(self, cohort: Cohort, choice: Choice) -> None:
        """Start to compile what `trial` needs for the same choice."""
        (member,) = cohort.layout.each((cohort.packed, cohort.state), [0])
        key = cohort.architecture, _chosen(cohort, choice), choice.options
        if key not in self._known:
            self._programs(key, member, self._trials)

    def trial(
        self,
        cohort: Cohort,
        choice: Choice,
        values: Sequence[tuple[PackedHyperparameters, MemberState]],
    ) -> Cohort:
        """Copies of some members of a cohort, in programs as they would be after a choice."""
        architecture, layout = cohort.architecture, _chosen(cohort, choice)
        key = architecture, layout, choice.options
        kept = self._known if key in self._known else self._trials
        programs = self._programs(key, values[0], kept)
        setting, state = layout.to_device(values)
        return Cohort(architecture, layout, np.arange(len(values)), setting, state, programs)

    def adopted(self, cohort: Cohort, choice: Choice) -> Cohort:
        """The cohort after a choice, as all later ones of its architecture will be."""
        architecture = cohort.architecture
        self._lanes.narrow(architecture, choice.lanes)
        self._options[architecture] = choice.options
        self._known = {
            (one, layout, options): programs
            for (one, layout, options), programs in self._known.items()
            if one != architecture or (options == choice.options and layout.lanes <= choice.lanes)
        }
        tried = architecture, _chosen(cohort, choice), choice.options
        if tried in self._trials:
            self._known[tried] = self._trials[tried]
        self._trials.clear()
        if self._known.get((architecture, cohort.layout, choice.options)) is cohort.programs:
            return cohort
        return self._moved(cohort, cohort.members_on_host())

    def description(self) -> list[dict[str, Any]]:
        """How the programs of every cohort are compiled, in plain words and numbers."""
        return [
            {
                "cell": architecture.cell,
                "layers": len(architecture.sizes.layers),
                "bucket": max(architecture.sizes.layers),
                "lanes": layout.lanes,
                **options._asdict(),
                "seconds": choice.seconds if choice else {},
            }
            for architecture, layout, options in self._known
            for choice in [self.choices and self.choices.get(architecture, layout.lanes)]
        ]

    def _planned(self, architecture: Architecture, members: int) -> int:
        """Lanes of a cohort that has none yet, fewer where an earlier choice says so."""
        lanes = self._lanes.lanes(architecture, members)
        choice = self.choices and self.choices.get(architecture, lanes)
        if choice is None:
            return lanes
        self._options[architecture] = choice.options
        return min(lanes, choice.lanes)

    def _moved(
        self, cohort: Cohort, values: Sequence[tuple[PackedHyperparameters, MemberState]]
    ) -> Cohort:
        """The cohort in programs as they are compiled now, from its members on the host."""
        for leaf in jax.tree.leaves((cohort.packed, cohort.state)):
            leaf.delete()  # or they would lie there twice while it trains
        draft = Draft(cohort.architecture, cohort.members, values)
        return self._cohort(draft, cohort.layout.epoch_window)

    def _cohort(self, draft: Draft, epoch_window: int | None = None) -> Cohort:
        layout = self.layout(draft.architecture, len(draft.members), epoch_window)
        options = self.options(draft.architecture)
        key = draft.architecture, layout, options
        programs = self._programs(key, draft.values[0], self._known)
        setting, state = layout.to_device(draft.values)
        return Cohort(draft.architecture, layout, draft.members, setting, state, programs)

    def _programs(
        self, key: Key, member: tuple[PackedHyperparameters, MemberState], kept: dict[Key, Programs]
    ) -> Programs:
        """Those of a cohort of members like one, compiled in the background if not `kept`."""
        if key not in kept or kept[key].lost:
            architecture, layout, options = key
            own = self.member(architecture), layout, options, *layout.shapes(member)
            train = partial(compile_train, *own, *self.example(layout))
            evaluate = partial(compile_evaluate, *own, self.validation)
            both = (partial(self._decided, one) for one in (train, evaluate))
            kept[key] = Programs(self._background, *both)
        return kept[key]

    def _decided(self, compile: partial[Compiled]) -> Compiled:
        # Whatever the process asks for: arrays of 32 bits, and products as precise as was decided.
        precision = self._building.precision
        with enable_x64(False), jax.default_matmul_precision(precision):
            return compile()


def _chosen(cohort: Cohort, choice: Choice) -> Layout:
    """Where the members of a cohort would live after a choice."""
    layout = cohort.layout
    waves = -(-layout.waves * layout.lanes // choice.lanes)
    return replace(layout, waves=waves, lanes=choice.lanes)
