"""Compiles the programs of cohorts side by side, each kind once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxrnn.network.architecture import Architecture
from jaxrnn.network.packing import Packing
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.devices import cpu_cores
from jaxrnn.population.feed import Feed
from jaxrnn.population.layout import Layout
from jaxrnn.population.programs import Programs, compile_programs
from jaxrnn.tasks.task import Task
from jaxrnn.training.member import Member, State
from jaxrnn.training.samples import Batches
from jaxrnn.training.step import Setting, Step
from jaxrnn.training.update import Update


class Draft(NamedTuple):
    """A cohort before its programs are compiled; attributes as in `Cohort`."""

    architecture: Architecture
    layout: Layout
    members: np.ndarray
    setting: Setting
    state: State


class Compiler:
    """Keeps what it compiled.

    Attributes:
        programs: How many programs there are.
        seconds: Wall time spent on compiling them.
    """

    def __init__(self, task: Task, feed: Feed, batches: Batches, mesh: Mesh, lanes: int) -> None:
        """Compile for a task and its data.

        Args:
            task: What is learned.
            feed: Of training data.
            batches: An evaluation split as it lies on the devices.
            mesh: The devices.
            lanes: Members that run side by side on each.
        """
        samples, piece = feed.example()
        self.seconds = 0.0
        self._task, self._feed = task, feed
        self._fixed = samples, batches, piece
        self._mesh, self._lanes = mesh, lanes
        self._least = 0
        self._runs: dict[Architecture, Member] = {}
        self._known: dict[tuple[Architecture, Layout], Programs] = {}

    @property
    def programs(self) -> int:
        """How many programs there are."""
        return len(self._known) * len(Programs._fields)

    def member(self, architecture: Architecture) -> Member:
        """The run that the programs of an architecture are made of."""
        if architecture not in self._runs:
            update = Update(architecture.optimizers, Packing(architecture.shapes()))
            step = Step(architecture, self._task, update)
            self._runs[architecture] = Member(step, self._feed.microbatch, self._feed.in_pieces)
        return self._runs[architecture]

    def make_room(self, members: int) -> None:
        """Compile for at least so many members of each architecture from now on."""
        self._least = Layout.for_members(members, self._mesh, self._lanes).waves

    def layout(self, architecture: Architecture, members: int) -> Layout:
        """The smallest layout with compiled programs that holds so many members.

        Where there is none, the next to be compiled: just as large as it must be, or, if smaller
        ones turned out too small, at least twice as large as those, so that there are never many.
        """
        needed = Layout.for_members(members, self._mesh, self._lanes)
        known = [layout.waves for one, layout in self._known if one == architecture]
        new = max(needed.waves, self._least, 2 * max(known, default=0))
        return replace(needed, waves=min((w for w in known if w >= needed.waves), default=new))

    def __call__(self, drafts: Sequence[Draft]) -> tuple[Cohort, ...]:
        """The cohorts of `drafts`, with their programs."""
        begin = time.perf_counter()
        keys = [(one.architecture, one.layout) for one in drafts]
        missing = dict(zip(keys, drafts, strict=True))
        missing = {key: one for key, one in missing.items() if key not in self._known}
        pool = ThreadPoolExecutor(cpu_cores())
        try:
            for key, programs in zip(missing, pool.map(self._one, missing.values()), strict=True):
                self._known[key] = programs
        finally:  # on Ctrl-C, nobody waits for a compiler that can't be stopped
            pool.shutdown(wait=False, cancel_futures=True)
            self.seconds += time.perf_counter() - begin
        return tuple(
            Cohort(*one, programs=self._known[key]) for one, key in zip(drafts, keys, strict=True)
        )

    def _one(self, one: Draft) -> Programs:
        with jax.enable_x64(False):  # whatever the process asks for: arrays are of 32 bits
            member = self.member(one.architecture)
            return compile_programs(member, one.layout, one.state, one.setting, *self._fixed)
