"""Where the members of a population live: rows dealt over devices, lanes within a row.

Population arrays have the shape `(rows, lanes, ...)`. The rows are dealt to the devices of the
mesh; a device loops over its rows in use (waves), and the lanes of a row run side by side.
"""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxrnn.population.devices import sharded


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

    def slots(self, members: int) -> np.ndarray:
        """Flat position of each of the first `members` in `(rows, lanes)`: `(members,)` int."""
        index = np.arange(members)
        return index % self.mesh.size * self.waves * self.lanes + index // self.mesh.size

    def rows_in_use(self, members: int) -> np.ndarray:
        """How many rows hold members on each device: `(devices,)` int32."""
        share = -(-(members - np.arange(self.mesh.size)) // self.mesh.size)
        return -(-share // self.lanes).astype(np.int32)

    def rows(self, members: int, first: int, last: int) -> Any:
        """The rows from `first` to before `last` that are in use on each device, on the devices.

        Returns:
            `(devices, 2)` int32: begin and end of the range of each device.
        """
        ends = np.array([[first, last]], np.int32)
        return self.shard(np.minimum(ends, self.rows_in_use(members)[:, None]))

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
