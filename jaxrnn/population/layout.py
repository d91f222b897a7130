"""Where the members of a population live: rows dealt over devices, lanes within a row.

Population arrays have the shape `(rows, lanes, ...)`. The rows are dealt to the devices of the
mesh; a device loops over those of its rows that are due (waves), and the lanes of a row run side by
side.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxrnn.population.devices import sharded
from jaxrnn.types import AnyArray


class Turn(NamedTuple):
    """Who runs next: numbers for a program, so that others need no program of their own.

    Attributes:
        order: Rows of each device, first those that hold anybody due, `(devices, waves)` int32.
        span: Begin and end of what to run of this order, `(devices, 2)` int32.
        due: Who takes part, `(rows, lanes)` bool; others in the same row rest.
    """

    order: AnyArray
    span: AnyArray
    due: AnyArray

    @property
    def waves(self) -> int:
        """Rows that the busiest device has to run."""
        return int(self.span[:, 1].max())

    def part(self, first: int, last: int) -> "Turn":
        """Waves `first` to before `last` of a whole turn."""
        return self._replace(span=np.minimum(np.array([[first, last]], np.int32), self.span[:, 1:]))


@dataclass(frozen=True)
class Layout:
    """The positions of a population's members.

    Member i sits on device i % devices, so that every device has its share of any number of them.

    Attributes:
        mesh: The devices, on one axis.
        waves: Rows of each device.
        lanes: Members that run side by side on one device.
    """

    mesh: Mesh
    waves: int
    lanes: int

    @classmethod
    def for_members(cls, members: int, mesh: Mesh, lanes: int) -> "Layout":
        """The smallest layout that holds `members`."""
        return cls(mesh, -(-members // (mesh.size * lanes)), lanes)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, lanes) of every population array."""
        return self.mesh.size * self.waves, self.lanes

    @property
    def room(self) -> int:
        """Members that it holds."""
        return self.mesh.size * self.waves * self.lanes

    def slots(self, members: int) -> np.ndarray:
        """Flat position of each of the first `members` in `(rows, lanes)`: `(members,)` int."""
        index = np.arange(members)
        return index % self.mesh.size * self.waves * self.lanes + index // self.mesh.size

    def turn(self, due: np.ndarray) -> Turn:
        """A turn, on the host, of the members for which `due`, `(members,)` bool, is true."""
        lanes = np.zeros(self.shape[0] * self.lanes, bool)
        lanes[self.slots(len(due))] = due
        busy = lanes.reshape(self.mesh.size, self.waves, self.lanes).any(2)
        order = np.argsort(~busy, axis=1, kind="stable").astype(np.int32)
        span = np.stack([np.zeros(self.mesh.size), busy.sum(1)], axis=1).astype(np.int32)
        return Turn(order, span, lanes.reshape(self.shape))

    def place(self, values: Any) -> Any:
        """Host arrays `(members, ...)` as `(rows, lanes, ...)`; free lanes hold zeros."""

        def spread(leaf: np.ndarray) -> np.ndarray:
            out = np.zeros((self.shape[0] * self.lanes, *leaf.shape[1:]), leaf.dtype)
            out[self.slots(len(leaf))] = leaf
            return out.reshape(*self.shape, *leaf.shape[1:])

        return self.shard(jax.tree.map(spread, values))

    def shard(self, values: Any) -> Any:
        """Host arrays whose first axis is dealt over the devices."""
        return jax.device_put(values, sharded(self.mesh))

    def collect(self, values: Any, members: int) -> Any:
        """The inverse of `place`: host arrays with a leading axis `(members, ...)`."""
        slots = self.slots(members)
        return jax.tree.map(
            lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[slots], jax.device_get(values)
        )
