"""The layout of a cohort on the devices: rows dealt over devices, lanes within a row.

Population arrays have the shape `(rows, lanes, ...)`. The rows are dealt to the devices of the
mesh; a device loops over those of its rows that hold active members (waves), and the lanes of a row
run side by side.
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
    """The members that run next: numbers for a program, so that all turns share it.

    Attributes:
        order: Rows of each device, first those with active members, `(devices, waves)` int32.
        bounds: First and last wave to run of this order, the last excluded, `(devices, 2)` int32.
        active: Members that take part, `(rows, lanes)` bool; others in the same row rest.
    """

    order: AnyArray
    bounds: AnyArray
    active: AnyArray

    @property
    def busiest(self) -> int:
        """Number of rows that the busiest device has to run."""
        return int(self.bounds[:, 1].max())

    def part(self, first: int, last: int) -> "Waves":
        """Return waves `first` to before `last` of a whole turn."""
        return self._replace(
            bounds=np.minimum(np.array([[first, last]], np.int32), self.bounds[:, 1:])
        )


@dataclass(frozen=True)
class Layout:
    """The places of a cohort's members.

    Member i lies on device i % devices, so that every device has its share of any number of them.

    Attributes:
        mesh: Devices, on one axis.
        waves: Rows of each device.
        lanes: Members that run side by side on one device.
        epoch_window: Number of epochs at which members of a wave may be; 1 where they are in step.
    """

    mesh: Mesh
    waves: int
    lanes: int
    epoch_window: int = 1

    @classmethod
    def for_members(cls, members: int, mesh: Mesh, lanes: int, epoch_window: int = 1) -> "Layout":
        """Return the smallest layout that holds `members`."""
        return cls(mesh, -(-members // (mesh.size * lanes)), lanes, epoch_window)

    @property
    def shape(self) -> tuple[int, int]:
        """Leading axes of every population array, (rows, lanes)."""
        return self.mesh.size * self.waves, self.lanes

    @property
    def capacity(self) -> int:
        """Number of members that it holds."""
        return self.mesh.size * self.waves * self.lanes

    def flat_positions(self, members: int) -> np.ndarray:
        """Return the index into flattened `(rows, lanes)` of each member, `(members,)` int."""
        index = np.arange(members)
        return index % self.mesh.size * self.waves * self.lanes + index // self.mesh.size

    def active_waves(self, active: np.ndarray) -> Waves:
        """Return a turn, on the host, of the members that are `active`, `(members,)` bool."""
        lanes = np.zeros(self.shape[0] * self.lanes, bool)
        lanes[self.flat_positions(len(active))] = active
        busy = lanes.reshape(self.mesh.size, self.waves, self.lanes).any(2)
        order = np.argsort(~busy, axis=1, kind="stable").astype(np.int32)
        span = np.stack([np.zeros(self.mesh.size), busy.sum(1)], axis=1).astype(np.int32)
        return Waves(order, span, lanes.reshape(self.shape))

    def shapes(self, member: Any) -> Any:
        """Return the shapes that `to_device` gives members like this one, to compile for."""

        def shape(leaf: AnyArray) -> jax.ShapeDtypeStruct:
            shape, dtype = (*self.shape, *np.shape(leaf)), np.asarray(leaf).dtype
            return jax.ShapeDtypeStruct(shape, dtype, sharding=sharded(self.mesh))

        return jax.tree.map(shape, member)

    def wave_shapes(self) -> Waves:
        """Return the shapes of a turn after `shard`."""
        return jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharded(self.mesh)),
            self.active_waves(np.zeros(0, bool)),
        )

    def to_device(self, members: Sequence[Any]) -> Any:
        """Copy trees of host arrays, one per member, to `(rows, lanes, ...)`; free lanes are zeros.

        Each array is copied once on the host, and once from there to the devices.
        """
        structure = jax.tree.structure(members[0])
        leaves = zip(*map(structure.flatten_up_to, members), strict=True)
        return self.shard(structure.unflatten([self._deal(arrays) for arrays in leaves]))

    def _deal(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        shape, devices = np.shape(arrays[0]), self.mesh.size
        out = np.zeros((devices, self.waves * self.lanes, *shape), np.asarray(arrays[0]).dtype)
        for device in range(min(devices, len(arrays))):
            part = arrays[device::devices]
            np.stack(part, out=out[device, : len(part)])
        return out.reshape(*self.shape, *shape)

    def shard(self, values: Any) -> Any:
        """Copy host arrays to the devices, which share the first axis."""
        return jax.device_put(values, sharded(self.mesh))

    def unstack(self, values: Any, members: Iterable[int]) -> Iterator[Any]:
        """Yield fresh host arrays of one member after another, the inverse of `to_device`.

        Args:
            values: Arrays on the devices, `(rows, lanes, ...)`.
            members: Members by their order in `to_device`.
        """
        leaves, structure = jax.tree.flatten(values)
        shards = self._shards(leaves)
        for member in members:
            row, device = divmod(member, self.mesh.size)
            yield structure.unflatten([parts[device][row].copy() for parts in shards])

    def gather(self, values: Any, members: int) -> Any:
        """Return host arrays of all members, with a leading axis `(members, ...)`."""
        leaves, structure = jax.tree.flatten(values)
        outs = [np.empty((members, *leaf.shape[2:]), leaf.dtype) for leaf in leaves]
        for out, parts in zip(outs, self._shards(leaves), strict=True):
            for device, part in enumerate(parts):
                rows = out[device :: self.mesh.size]
                rows[...] = part[: len(rows)]
        return structure.unflatten(outs)

    def _shards(self, leaves: Sequence[jax.Array]) -> list[list[np.ndarray]]:
        """Return the part of each array on each device, `(waves * lanes, ...)`; no copy on a CPU.

        The first index is the array, the second one the device.
        """
        order = {device: number for number, device in enumerate(self.mesh.devices.flat)}
        parts: list[Any] = [[None] * len(order) for _ in leaves]
        for shards, leaf in zip(parts, leaves, strict=True):
            for shard in leaf.addressable_shards:
                shards[order[shard.device]] = shard.data
        return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), jax.device_get(parts))
