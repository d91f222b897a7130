"""Members that share an architecture: their states, and the programs that run them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import jax
import numpy as np

from jaxrnn.configuration.hyperparameters import PackedHyperparameters
from jaxrnn.network import initial
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.packing import Packing
from jaxrnn.population.background import Programs
from jaxrnn.population.layout import Layout, Waves
from jaxrnn.training.batches import Batches, RaggedSamples, Segment
from jaxrnn.training.member import MemberState, parameters_of
from jaxrnn.types import Array

MemberArrays: TypeAlias = tuple[PackedHyperparameters, MemberState]
"""Hyperparameters and state of one member, on the host."""


@dataclass(frozen=True)
class Cohort:
    """The members of one architecture in a population.

    Attributes:
        architecture: Architecture that the members share.
        layout: Layout of the members on the devices.
        members: Positions of the members in the population, in the layout's order, `(members,)`.
        packed: Hyperparameters and seeds of the members, `(rows, lanes, ...)`.
        state: States of the members, `(rows, lanes, ...)`.
        programs: Programs that run the members, as soon as they are compiled.
    """

    architecture: Architecture
    layout: Layout
    members: np.ndarray
    packed: PackedHyperparameters
    state: MemberState
    programs: Programs

    def active_waves(self, active: np.ndarray) -> Waves:
        """Return the turn, on the host, of its members that are `active`, `(population,)` bool."""
        return self.layout.active_waves(active[self.members])

    def first_rows(self, active: np.ndarray, least: int) -> np.ndarray:
        """Return positions of active members, of whole rows that hold at least so many, or of all.

        Args:
            active: Active members, `(population,)` bool.
            least: Number of members.
        """
        chosen = active[self.members]
        rows = np.arange(len(self.members)) // (self.layout.mesh.size * self.layout.lanes)
        enough = rows[chosen][:least][-1]
        return self.members[chosen & (rows <= enough)]

    def train(
        self, turn: Waves, samples: RaggedSamples, validation: Batches, segment: Segment
    ) -> "Cohort":
        """Train the members of a turn on a segment; the devices may still be at work on return.

        Consumes this cohort: its buffers become those of the one returned.
        """
        turn = self.layout.shard(turn)
        state = self.programs.train(self.state, self.packed, turn, samples, validation, segment)
        return replace(self, state=state)

    def evaluate(self, turn: Waves, batches: Batches) -> Array:
        """Return metrics on the devices, `(rows, lanes, metrics)`; see `gather`."""
        program = self.programs.evaluate_on(batches)
        return program(self.state, self.packed, self.layout.shard(turn), batches)

    def gather(self, values: Any) -> Any:
        """Return `(rows, lanes, ...)` on the devices as `(members, ...)` on the host."""
        return self.layout.gather(values, len(self.members))

    def metrics(self, epochs: np.ndarray) -> np.ndarray:
        """Return each member's metrics of the last epoch, `(members, fields of EpochMetrics)`.

        Args:
            epochs: Epochs that each would have trained by now, `(members,)` int; members that
                stopped earlier get NaN.
        """
        metrics, trained = self.gather((self.state.metrics, self.state.epochs))
        return np.where((trained == epochs)[:, None], np.stack(metrics, axis=1), np.nan)

    def members_on_host(self) -> list[MemberArrays]:
        """Return hyperparameters and state of each member."""
        return [*self.layout.unstack((self.packed, self.state), range(len(self.members)))]

    def to_host(self, chosen: np.ndarray) -> Iterator[tuple[int, MemberArrays]]:
        """Yield position and arrays of each member that is `chosen`, `(population,)` bool."""
        ranks = np.flatnonzero(chosen[self.members]).tolist()
        values = self.packed, self.state._replace(partial_epoch=None)
        return zip(self.members[ranks].tolist(), self.layout.unstack(values, ranks), strict=True)

    def parameters(self, position: int) -> initial.Layers:
        """Return padded parameters of the member at `position` of the population, on the host."""
        rank = self.members.tolist().index(position)
        (member,) = self.layout.unstack((self.packed, self.state), [rank])
        parameters = jax.device_get(parameters_of(*member))
        return Packing(self.architecture.shapes()).unpack(parameters)
