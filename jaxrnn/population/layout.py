"""Where the members of a population live: rows dealt over devices, lanes within a row.

Population arrays have the shape `(rows, lanes, ...)`. The rows are dealt to the devices of the
mesh; a device loops over those of its rows that are due (waves), and the lanes of a row run side by
side.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxrnn.population.devices import sharded
from jaxrnn.types import AnyArray


class Waves(NamedTuple):
    """Who runs next: numbers for a program, so that others need no program of their own.

    Attributes:
        order: Rows of each device, first those that hold anybody due, `(devices, waves)` int32.
        bounds: Begin and end of what to run of this order, `(devices, 2)` int32.
        active: Who takes part, `(rows, lanes)` bool; others in the same row rest.
    """

    order: AnyArray
    bounds: AnyArray
    active: AnyArray

    @property
    def busiest(self) -> int:
        """Rows that the busiest device has to run."""
        return int(self.bounds[:, 1].max())

    def part(self, first: int, last: int) -> "Waves":
        """Waves `first` to before `last` of a whole turn."""
        return self._replace(
            bounds=np.minimum(np.array([[first, last]], np.int32), self.bounds[:, 1:])
        )


@dataclass(frozen=True)
class Layout:
    """The positions of a population's members.

    Member i sits on device i % devices, so that every device has its share of any number of them.

    Attributes:
        mesh: The devices, on one axis.
        count: Rows of each device.
        lanes: Members that run side by side on one device.
        epoch_window: Number of epochs at which members of a wave may be; 1 where they are in step.
    """

    mesh: Mesh
    waves: int
    lanes: int
    epoch_window: int = 1

    @classmethod
    def for_members(cls, members: int, mesh: Mesh, lanes: int, epoch_window: int = 1) -> "Layout":
        """The smallest layout that holds `members`."""
        return cls(mesh, -(-members // (mesh.size * lanes)), lanes, epoch_window)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, lanes) of every population array."""
        return self.mesh.size * self.waves, self.lanes

    @property
    def capacity(self) -> int:
        """Members that it holds."""
        return self.mesh.size * self.waves * self.lanes

    def slots(self, members: int) -> np.ndarray:
        """Flat position of each of the first `members` in `(rows, lanes)`: `(members,)` int."""
        index = np.arange(members)
        return index % self.mesh.size * self.waves * self.lanes + index // self.mesh.size

    def active_waves(self, due: np.ndarray) -> Waves:
        """A turn, on the host, of the members for which `active`, `(members,)` bool, is true."""
        lanes = np.zeros(self.shape[0] * self.lanes, bool)
        lanes[self.slots(len(due))] = due
        busy = lanes.reshape(self.mesh.size, self.waves, self.lanes).any(2)
        order = np.argsort(~busy, axis=1, kind="stable").astype(np.int32)
        span = np.stack([np.zeros(self.mesh.size), busy.sum(1)], axis=1).astype(np.int32)
        return Waves(order, span, lanes.reshape(self.shape))

    def shapes(self, member: Any) -> Any:
        """What `to_device` makes of members like this one, to compile for before it is there."""

        def shape(leaf: AnyArray) -> jax.ShapeDtypeStruct:
            shape, dtype = (*self.shape, *np.shape(leaf)), np.asarray(leaf).dtype
            return jax.ShapeDtypeStruct(shape, dtype, sharding=sharded(self.mesh))

        return jax.tree.map(shape, member)

    def wave_shapes(self) -> Waves:
        """What `shard` makes of a turn."""
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharded(self.mesh)),
            self.active_waves(np.zeros(0, bool)),
        )

    def to_device(self, members: Sequence[Any]) -> Any:
        """Trees of host arrays, one for each member, as `(rows, lanes, ...)`; free lanes are zeros.

        Each array is copied once on the host, and once from there to the devices.
        """
        structure = jax.tree.structure(members[0])
        leaves = zip(*map(structure.flatten_up_to, members), strict=True)
        return self.shard(structure.unflatten([self._deal(own) for own in leaves]))

    def _deal(self, own: Sequence[np.ndarray]) -> np.ndarray:
        shape, devices = np.shape(own[0]), self.mesh.size
        out = np.zeros((devices, self.waves * self.lanes, *shape), np.asarray(own[0]).dtype)
        for device in range(min(devices, len(own))):
            part = own[device::devices]
            np.stack(part, out=out[device, : len(part)])
        return out.reshape(*self.shape, *shape)

    def shard(self, values: Any) -> Any:
        """Host arrays whose first axis is dealt over the devices."""
        return jax.device_put(values, sharded(self.mesh))

    def each(self, values: Any, members: Iterable[int]) -> Iterator[Any]:
        """The inverse of `to_device`: host arrays of one member after another, copies of their own.

        Args:
            values: On the devices, `(rows, lanes, ...)`.
            members: Which of them, by their order when they were placed.
        """
        leaves, structure = jax.tree.flatten(values)
        held = self._held(leaves)
        for member in members:
            place, device = divmod(member, self.mesh.size)
            yield structure.unflatten([parts[device][place].copy() for parts in held])

    def collect(self, values: Any, members: int) -> Any:
        """The inverse of `to_device` for all: host arrays with a leading axis `(members, ...)`."""
        leaves, structure = jax.tree.flatten(values)
        outs = [np.empty((members, *leaf.shape[2:]), leaf.dtype) for leaf in leaves]
        for out, parts in zip(outs, self._held(leaves), strict=True):
            for device, part in enumerate(parts):
                own = out[device :: self.mesh.size]
                own[...] = part[: len(own)]
        return structure.unflatten(outs)

    def _held(self, leaves: Sequence[jax.Array]) -> list[list[np.ndarray]]:
        """What each device holds of each array, `(waves * lanes, ...)`; on a CPU no copy of it."""
        order = {device: number for number, device in enumerate(self.mesh.devices.flat)}
        parts: list[Any] = [[None] * len(order) for _ in leaves]
        for own, leaf in zip(parts, leaves, strict=True):
            for shard in leaf.addressable_shards:
                own[order[shard.device]] = shard.data
        return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), jax.device_get(parts))
