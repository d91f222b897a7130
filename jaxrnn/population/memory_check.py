"""The check that a cohort has no more lanes than memory holds, before it first trains."""

import warnings
from collections.abc import Sequence
from weakref import WeakSet

import jax
import numpy as np

from jaxrnn.population.background import Programs
from jaxrnn.population.cohort import Cohort, MemberArrays
from jaxrnn.population.lanes import LADDER, fewer_lanes
from jaxrnn.population.memory import (
    GIB,
    Budget,
    budget,
    check_fit,
    is_out_of_memory,
    lane_bytes,
    member_bytes,
)
from jaxrnn.population.placement import Placement
from jaxrnn.population.programs import compiled
from jaxrnn.population.snapshot import Snapshot


class MemoryCheck:
    """Checks memory by what the compiler says of the programs, then by running them.

    XLA takes all memory that a program will need when it begins, so that a turn without an active
    member shows whether it is there.
    """

    def __init__(self, placement: Placement, limit: float | None) -> None:
        """Check the cohorts of a placement.

        Args:
            placement: Placement of the cohorts.
            limit: Limit in GiB, see `jaxrnn.population.memory.budget`.

        Raises:
            ValueError: `limit` is not above 0.
        """
        if limit is not None and not limit > 0:
            raise ValueError(f"`memory_limit` is {limit}, but must be above 0, in GiB.")
        self._placement, self._compiler, self._limit = placement, placement.compiler, limit
        self._checked: WeakSet[Programs] = WeakSet()

    def check(self, snapshots: Sequence[Snapshot], members: int) -> None:
        """Accept so many members at once, however few run side by side.

        Args:
            snapshots: One member of each architecture; all count as large as the largest.
            members: Number of members to come.

        Raises:
            ValueError: They do not fit.
        """
        bytes = max(member_bytes((s.packed, s.state), axes=0) for s in snapshots)
        check_fit(members, bytes, self._budget())

    def __call__(self, cohort: Cohort) -> Cohort:
        """Return the cohort, with fewer lanes if memory is short.

        Raises:
            MemoryError: There is no room for a single lane.
        """
        if cohort.programs not in self._checked:
            cohort = self._narrow_by_estimate(cohort)
            if cohort.layout.lanes > 1:
                cohort = self._narrow_by_trial(cohort)
            self._checked.add(cohort.programs)
        return cohort

    def _narrow_by_estimate(self, cohort: Cohort) -> Cohort:
        """Return the cohort with as many lanes as memory holds by the compiler's own figures."""
        lanes, free = cohort.layout.lanes, self._budget().bytes
        try:
            each = lane_bytes([cohort.programs.train, cohort.programs.evaluate], lanes)
        except Exception as error:  # the compiler for a TPU knows its memory
            if not is_out_of_memory(error):
                raise
            fewer, needed = fewer_lanes(lanes), "more than the compiler finds"
        else:
            if each * lanes <= free:
                return cohort
            fitting = [count for count in LADDER if count < lanes and each * count <= free]
            fewer, needed = max(fitting, default=None), f"{each / GIB:.3g} GiB"
        if fewer is None:
            limit = "" if self._limit is None else f"`memory_limit` is {self._limit:g} GiB, but "
            raise MemoryError(
                f"{limit}training a single member takes {needed} besides what lies there, "
                f"and only {free / GIB:.3g} GiB are free on each device."
            )
        warnings.warn(_warning(lanes, fewer), RuntimeWarning, stacklevel=2)
        return self._narrow_by_estimate(self._narrowed(cohort, fewer))

    def _narrow_by_trial(self, cohort: Cohort) -> Cohort:
        """Return the cohort after a turn of both programs without an active member."""
        members = cohort.members_on_host()  # a program that fails may take its arguments along
        turn = cohort.active_waves(np.zeros(cohort.members.max() + 1, bool))
        try:
            trained = cohort.train(turn, *self._compiler.example(cohort.layout))
            metrics = trained.evaluate(turn, self._compiler.validation)
            jax.block_until_ready((trained.state, metrics))
            return trained
        except Exception as error:
            fewer = fewer_lanes(cohort.layout.lanes)
            if not is_out_of_memory(error) or fewer is None:
                raise
            warnings.warn(_warning(cohort.layout.lanes, fewer), RuntimeWarning, stacklevel=2)
        return self._narrow_by_trial(self._narrowed(cohort, fewer, members))

    def _narrowed(self, cohort: Cohort, lanes: int, members: Sequence[MemberArrays] = ()) -> Cohort:
        """Call `Placement.narrowed`, after programs of other trainers have made room, too."""
        compiled.cache_clear()
        return self._placement.narrowed(cohort, lanes, members)

    def _budget(self) -> Budget:
        return budget([*self._compiler.mesh.devices.flat], self._limit)


def _warning(lanes: int, fewer: int) -> str:
    return (
        f"{lanes} trials side by side are too much for the memory of the device; going on with "
        f"{fewer}. Results may differ in the last bits."
    )
