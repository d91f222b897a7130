"""Cohorts are let onto the devices with as many lanes as memory holds."""

import warnings
from collections.abc import Sequence
from weakref import WeakSet

import jax
import numpy as np

from jaxrnn.configuration.hyperparameters import PackedHyperparameters
from jaxrnn.population.background import Programs
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.lanes import LADDER, halved
from jaxrnn.population.memory import (
    GIB,
    Budget,
    budget,
    check_room,
    is_out_of_memory,
    lane_bytes,
    member_bytes,
)
from jaxrnn.population.programs import compiled
from jaxrnn.population.snapshot import Snapshot
from jaxrnn.training.member import MemberState


class MemoryCheck:
    """Looks after memory: by what the compiler says of the programs, then by trying them.

    XLA takes all memory that a program will need when it begins, so that a turn in which nobody
    is due shows whether it is there.
    """

    def __init__(self, compiler: Compiler, limit: float | None) -> None:
        """Admit what `compiler` compiles.

        Args:
            compiler: Of the cohorts.
            limit: In GiB, see `jaxrnn.population.memory.budget`.

        Raises:
            ValueError: `limit` is not above 0.
        """
        if limit is not None and not limit > 0:
            raise ValueError(f"`memory_limit` is {limit}, but must be above 0, in GiB.")
        self._compiler, self._limit = compiler, limit
        self._checked: WeakSet[Programs] = WeakSet()

    def check(self, like: Sequence[Snapshot], members: int) -> None:
        """Accept so many members at once, however few run side by side.

        Args:
            like: One of each architecture; all are taken for as large as the largest.
            members: How many there will be.

        Raises:
            ValueError: They do not fit.
        """
        bytes = max(member_bytes((one.packed, one.state), axes=0) for one in like)
        check_room(members, bytes, self._there())

    def __call__(self, cohort: Cohort) -> Cohort:
        """The cohort, with fewer lanes if it must be.

        Raises:
            MemoryError: There is no room for a single lane.
        """
        if cohort.programs not in self._checked:
            cohort = self._planned(cohort)
            if cohort.layout.lanes > 1:
                cohort = self._tried(cohort)
            self._checked.add(cohort.programs)
        return cohort

    def _planned(self, cohort: Cohort) -> Cohort:
        """The cohort with as many lanes as the compiler says that memory holds."""
        lanes, there = cohort.layout.lanes, self._there().bytes
        try:
            each = lane_bytes([cohort.programs.train, cohort.programs.evaluate], lanes)
        except Exception as error:  # the compiler for a TPU knows its memory
            if not is_out_of_memory(error):
                raise
            fewer, needed = halved(lanes), "more than the compiler finds"
        else:
            if each * lanes <= there:
                return cohort
            fitting = [count for count in LADDER if count < lanes and each * count <= there]
            fewer, needed = max(fitting, default=None), f"{each / GIB:.3g} GiB"
        if fewer is None:
            limit = "" if self._limit is None else f"`memory_limit` is {self._limit:g} GiB, but "
            raise MemoryError(
                f"{limit}training a single member takes {needed} besides what lies there, "
                f"and only {there / GIB:.3g} GiB are free on each device."
            )
        warnings.warn(_fewer(lanes, fewer), RuntimeWarning, stacklevel=2)
        return self._planned(self._narrowed(cohort, fewer))

    def _tried(self, cohort: Cohort) -> Cohort:
        """The cohort after a turn of both programs in which nobody is due."""
        kept = cohort.members_on_host()  # a program that fails may take its arguments along
        turn = cohort.active_waves(np.zeros(cohort.members.max() + 1, bool))
        try:
            tried = cohort.train(turn, *self._compiler.example(cohort.layout))
            metrics = tried.evaluate(turn, self._compiler.validation)
            jax.block_until_ready((tried.state, metrics))
            return tried
        except Exception as error:
            lanes = halved(cohort.layout.lanes)
            if not is_out_of_memory(error) or lanes is None:
                raise
            warnings.warn(_fewer(cohort.layout.lanes, lanes), RuntimeWarning, stacklevel=2)
        return self._tried(self._narrowed(cohort, lanes, kept))

    def _narrowed(
        self, cohort: Cohort, lanes: int, *kept: Sequence[tuple[PackedHyperparameters, MemberState]]
    ) -> Cohort:
        """See `Compiler.narrowed`; programs that wait for other trainers make room, too."""
        compiled.cache_clear()
        return self._compiler.narrowed(cohort, lanes, *kept)

    def _there(self) -> Budget:
        return budget([*self._compiler.mesh.devices.flat], self._limit)


def _fewer(lanes: int, fewer: int) -> str:
    return (
        f"{lanes} trials side by side are too much for the memory of the device; going on with "
        f"{fewer}. Results may differ in the last bits."
    )
