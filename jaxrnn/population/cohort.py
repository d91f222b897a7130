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
from jaxrnn.training.batches import Batches, Piece, Samples
from jaxrnn.training.member import MemberState, parameters_of
from jaxrnn.types import Array

MemberArrays: TypeAlias = tuple[PackedHyperparameters, MemberState]
"""Hyperparameters and state of one member, on the host."""


@dataclass(frozen=True)
class Cohort:
    """The members of one architecture, somewhere in a population.

    Attributes:
        architecture: What they share.
        layout: Where they live on the devices.
        members: Their positions in the population, in the order of their places, `(members,)`.
        packed: Their numbers and seeds, `(rows, lanes)`.
        state: Their states, `(rows, lanes, ...)`.
        programs: What runs them, as soon as they are compiled.
    """

    architecture: Architecture
    layout: Layout
    members: np.ndarray
    packed: PackedHyperparameters
    state: MemberState
    programs: Programs

    def active_waves(self, due: np.ndarray) -> Waves:
        """The turn of its members among those of the population that are due, on the host."""
        return self.layout.active_waves(due[self.members])

    def train(self, turn: Waves, samples: Samples, validation: Batches, piece: Piece) -> "Cohort":
        """The cohort after a turn, as soon as the devices are done.

        Consumes this cohort: its buffers become those of the one returned.
        """
        turn = self.layout.shard(turn)
        state = self.programs.train(self.state, self.packed, turn, samples, validation, piece)
        return replace(self, state=state)

    def evaluate(self, turn: Waves, batches: Batches) -> Array:
        """Metrics on the device, `(rows, lanes, metrics)`; `of_members` sorts them out."""
        return self.programs.evaluate(self.state, self.packed, self.layout.shard(turn), batches)

    def of_members(self, values: Any) -> Any:
        """The `(rows, lanes, ...)` of the device as `(members, ...)` on the host."""
        return self.layout.collect(values, len(self.members))

    def reports(self, epochs: np.ndarray) -> np.ndarray:
        """What each told at the end of its epoch number `epochs`, `(members,)` int.

        `(members, fields)`; NaN for those at rest.
        """
        report, ran = self.of_members((self.state.metrics, self.state.epochs))
        return np.where((ran == epochs)[:, None], np.stack(report, axis=1), np.nan)

    def members_on_host(self) -> list[MemberArrays]:
        """Return hyperparameters and state of each member."""
        return [*self.layout.each((self.packed, self.state), range(len(self.members)))]

    def to_host(self, chosen: np.ndarray) -> Iterator[tuple[int, MemberArrays]]:
        """Yield position and arrays of each member that is `chosen`, `(population,)` bool."""
        ranks = np.flatnonzero(chosen[self.members]).tolist()
        values = self.packed, self.state._replace(partial_epoch=None)
        return zip(self.members[ranks].tolist(), self.layout.each(values, ranks), strict=True)

    def parameters(self, position: int) -> initial.Layers:
        """Padded parameters of the member at `position` of the population, on the host."""
        rank = self.members.tolist().index(position)
        (one,) = self.layout.each((self.packed, self.state), [rank])
        packed = jax.device_get(parameters_of(*one))
        return Packing(self.architecture.shapes()).unpack(packed)
