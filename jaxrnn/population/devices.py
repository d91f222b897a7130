"""Which devices train: one mesh axis, `population`, over all of them."""

import os

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "population"
MOST_LANES = 4096
MOST_PER_CPU = 8
"""As many devices may share fewer cores: slower, but good for trying how a mesh behaves."""
SHARDED, REPLICATED = PartitionSpec(AXIS), PartitionSpec()


def cpu_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def split_cpu(devices: int) -> None:
    """Let JAX show the CPU as `devices` devices, unless somebody chose a number already.

    One device per core trains a population faster than one device that uses all cores. Once JAX
    has started it is too late, and nothing happens.
    """
    if jax.config.values["jax_num_cpu_devices"] >= 0:
        return
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError:
        return


def population_mesh(count: int | None = None) -> Mesh:
    """A mesh over the first `count` devices of the default backend (all of them by default).

    On a CPU that JAX has not touched yet there is one device per core, or `count` of them.

    Raises:
        ValueError: `count` below 1 or above the number of devices.
    """
    if count is not None and count < 1:
        raise ValueError(f"`devices` is {count}, but must be at least 1.")
    split_cpu(min(count or cpu_cores(), max(cpu_cores(), MOST_PER_CPU)))
    devices = jax.devices()
    if count is not None and count > len(devices):
        kind = devices[0].platform
        hint = "; set JAX_NUM_CPU_DEVICES before JAX starts for more" if kind == "cpu" else ""
        raise ValueError(
            f"`devices` is {count}, but must be at most {len(devices)}, the {kind} devices{hint}."
        )
    return Mesh(np.array(devices[:count]), (AXIS,))


def sharded(mesh: Mesh) -> NamedSharding:
    """The first axis dealt over the devices."""
    return NamedSharding(mesh, SHARDED)


def replicated(mesh: Mesh) -> NamedSharding:
    """A copy on every device."""
    return NamedSharding(mesh, REPLICATED)


def describe(mesh: Mesh) -> str:
    """The devices for people, such as `2 x cpu` or `1 x NVIDIA H200`."""
    kinds = [device.device_kind for device in mesh.devices.flat]
    return ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))
