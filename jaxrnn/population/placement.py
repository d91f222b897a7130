"""Placement of members on the devices: the layout of each cohort, and its programs."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from jaxrnn.network.architecture import Architecture
from jaxrnn.population.cohort import Cohort, MemberArrays
from jaxrnn.population.compiler import Compiler, ProgramKey
from jaxrnn.population.lanes import LanePlan
from jaxrnn.population.layout import Layout
from jaxrnn.population.options import Options
from jaxrnn.population.population import Population
from jaxrnn.population.snapshot import Snapshot
from jaxrnn.population.tuning_cache import Candidate, TuningCache
from jaxrnn.training.epoch_metrics import EpochMetrics


class Placement:
    """Places cohorts on the devices, in few layouts, so that there are few programs.

    Attributes:
        compiler: Cache of the programs.
        default_options: Options of programs for which the autotuner chose nothing.
        tuning_cache: Choices of the autotuner, now or in an earlier process; None where there is
            nothing to choose.
    """

    def __init__(
        self,
        compiler: Compiler,
        lanes: LanePlan,
        default_options: Options,
        tuning_cache: TuningCache | None,
    ) -> None:
        """Place nothing yet.

        Args:
            compiler: See the attributes.
            lanes: Plan of how many members run side by side on each device.
            default_options: See the attributes.
            tuning_cache: See the attributes.
        """
        self.compiler, self.default_options = compiler, default_options
        self.tuning_cache = tuning_cache
        self._lanes, self._reserved, self._epoch_window = lanes, 0, 1
        self._options: dict[Architecture, Options] = {}

    def reserve(self, members: int, epoch_window: int) -> None:
        """Compile for at least so many `members` of each architecture from now on.

        Args:
            members: Number of members that one cohort may get.
            epoch_window: Number of epochs over which the members of a turn may be spread, 1 where
                all are equally far.
        """
        self._reserved, self._epoch_window = members, epoch_window

    def to_device(self, snapshots: Sequence[Snapshot]) -> Population:
        """Return the population of some members, in their order; new programs are compiled.

        Raises:
            ValueError: No snapshots, or their `max_epochs` differ.
        """
        limits = sorted({snapshot.max_epochs for snapshot in snapshots})
        if len(limits) != 1:
            raise ValueError(
                f"`snapshots` have `max_epochs` {limits}, but must be at least one, "
                "all of the same."
            )
        groups: dict[Architecture, list[int]] = {}
        for position, snapshot in enumerate(snapshots):
            groups.setdefault(snapshot.architecture, []).append(position)
        epochs = np.array([snapshot.epochs for snapshot in snapshots])
        shape = epochs.max(), len(EpochMetrics._fields), len(snapshots)
        metrics = np.full(shape, np.nan, np.float32)
        for position, snapshot in enumerate(snapshots):
            metrics[: snapshot.epochs, :, position] = snapshot.metrics
        return Population(
            configurations=tuple(snapshot.configuration for snapshot in snapshots),
            cohorts=tuple(self._first_cohort(*group, snapshots) for group in groups.items()),
            max_epochs=limits[0],
            epochs=epochs,
            metrics=metrics,
        )

    def layout(
        self, architecture: Architecture, members: int, epoch_window: int | None = None
    ) -> Layout:
        """Return the smallest layout with programs that holds so many members.

        If there is none, it is the next to be compiled: as large as it must be, and at least twice
        as large as those that turned out too small, so that there are never many.
        """
        window = self._epoch_window if epoch_window is None else epoch_window
        options = self.options(architecture)
        compiled = [
            key.layout
            for key in self.compiler.keys
            if (key.architecture, key.options) == (architecture, options)
            and key.layout.epoch_window == window
        ]
        sufficient = [layout for layout in compiled if layout.capacity >= members]
        if sufficient:
            return min(sufficient, key=lambda layout: layout.capacity)
        members = max(members, self._reserved)
        lanes = max(
            [layout.lanes for layout in compiled] or [self._lanes_of(architecture, members)]
        )
        layout = Layout.for_members(members, self.compiler.mesh, lanes, window)
        waves = max([layout.waves, *(2 * smaller.waves for smaller in compiled)])
        return replace(layout, waves=waves)

    def options(self, architecture: Architecture) -> Options:
        """Return the options of the programs of an architecture."""
        return self._options.get(architecture, self.default_options)

    def narrowed(self, cohort: Cohort, lanes: int, members: Sequence[MemberArrays] = ()) -> Cohort:
        """Return the cohort with fewer lanes, as all later ones of its architecture will have.

        Args:
            cohort: Cohort that did not fit.
            lanes: Lanes of each device.
            members: The cohort's members on the host, if the devices lost them.
        """
        architecture = cohort.architecture
        members = members or cohort.members_on_host()
        self._lanes.narrow(architecture, lanes)
        self.compiler.drop(
            lambda key: key.architecture == architecture and key.layout.lanes > lanes
        )
        return self._moved(cohort, members)

    def compile_candidate(self, cohort: Cohort, candidate: Candidate) -> None:
        """Start to compile what `trial` needs for the same candidate."""
        (member,) = cohort.layout.unstack((cohort.packed, cohort.state), [0])
        self.compiler.compile_candidate(_key(cohort, candidate), member)

    def trial(
        self, cohort: Cohort, candidate: Candidate, members: Sequence[MemberArrays]
    ) -> Cohort:
        """Return copies of some members of a cohort, in the programs of a candidate."""
        key = _key(cohort, candidate)
        programs = self.compiler.compile_candidate(key, members[0])
        packed, state = key.layout.to_device(members)
        positions = np.arange(len(members))
        return Cohort(cohort.architecture, key.layout, positions, packed, state, programs)

    def tuned(self, cohort: Cohort, winner: Candidate) -> Cohort:
        """Return the cohort in the programs of the best candidate, as all later ones will be."""
        architecture = cohort.architecture
        self._lanes.narrow(architecture, winner.lanes)
        self._options[architecture] = winner.options
        self.compiler.drop(
            lambda key: (
                key.architecture == architecture
                and (key.options != winner.options or key.layout.lanes > winner.lanes)
            )
        )
        self.compiler.keep_candidate(_key(cohort, winner))
        key = ProgramKey(architecture, cohort.layout, winner.options)
        if self.compiler.cached(key) is cohort.programs:
            return cohort
        return self._moved(cohort, cohort.members_on_host())

    def description(self) -> list[dict[str, Any]]:
        """Return how the programs of every cohort are compiled, in plain words and numbers."""
        return [
            {
                "cell": architecture.cell,
                "layers": len(architecture.sizes.layers),
                "bucket": max(architecture.sizes.layers),
                "lanes": layout.lanes,
                **options._asdict(),
                "seconds": winner.seconds if winner else {},
            }
            for architecture, layout, options in self.compiler.keys
            for winner in [self._winner(architecture, layout.lanes)]
        ]

    def _winner(self, architecture: Architecture, lanes: int) -> Candidate | None:
        return self.tuning_cache and self.tuning_cache.get(architecture, lanes)

    def _lanes_of(self, architecture: Architecture, members: int) -> int:
        """Return the lanes of a cohort without programs, fewer where the autotuner chose so."""
        lanes = self._lanes.lanes(architecture, members)
        winner = self._winner(architecture, lanes)
        if winner is None:
            return lanes
        self._options[architecture] = winner.options
        return min(lanes, winner.lanes)

    def _first_cohort(
        self, architecture: Architecture, positions: Sequence[int], snapshots: Sequence[Snapshot]
    ) -> Cohort:
        """Return a cohort whose equally advanced members share rows, so that whole rows rest."""
        positions = sorted(positions, key=lambda position: snapshots[position].epochs)
        member, group = self.compiler.member(architecture), [snapshots[k] for k in positions]
        members = [(s.packed, member.with_partial_epoch(s.state)) for s in group]
        return self._cohort(architecture, np.array(positions), members)

    def _moved(self, cohort: Cohort, members: Sequence[MemberArrays]) -> Cohort:
        """Return the cohort in programs as they are compiled now, from its members on the host."""
        for leaf in jax.tree.leaves((cohort.packed, cohort.state)):
            leaf.delete()  # or they would lie there twice while it trains
        window = cohort.layout.epoch_window
        return self._cohort(cohort.architecture, cohort.members, members, window)

    def _cohort(
        self,
        architecture: Architecture,
        positions: np.ndarray,
        members: Sequence[MemberArrays],
        epoch_window: int | None = None,
    ) -> Cohort:
        layout = self.layout(architecture, len(positions), epoch_window)
        key = ProgramKey(architecture, layout, self.options(architecture))
        programs = self.compiler.compile(key, members[0])
        packed, state = layout.to_device(members)
        return Cohort(architecture, layout, positions, packed, state, programs)


def _key(cohort: Cohort, candidate: Candidate) -> ProgramKey:
    """Return the key of the programs that a cohort would have by a candidate."""
    layout, lanes = cohort.layout, candidate.lanes
    waves = -(-layout.waves * layout.lanes // lanes)
    return ProgramKey(
        cohort.architecture, replace(layout, waves=waves, lanes=lanes), candidate.options
    )
