"""The devices that train, on one mesh axis, `population`."""

import os
import warnings
from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.experimental
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxrnn.population.plugins import warn_of_idle_plugins

AXIS = "population"
MAX_LANES = 4096
MAX_CPU_DEVICES = 8
"""Most devices that share fewer cores: slower, but good for trying how a mesh behaves."""
SHARDED, REPLICATED = PartitionSpec(AXIS), PartitionSpec()


def cpu_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def split_cpu(devices: int) -> None:
    """Let JAX show the CPU as `devices` devices, unless a number is set already.

    One device per core trains a population faster than one device that uses all cores. Once JAX
    has started it is too late, and nothing happens.
    """
    if jax.config.values["jax_num_cpu_devices"] >= 0:
        return
    try:
        jax.config.update("jax_num_cpu_devices", devices)
    except RuntimeError:
        return


def warn_of_idle_cores(devices: int) -> None:
    """Warn if JAX started with fewer CPU devices than cores before it could be told otherwise."""
    started_before = jax.config.values["jax_num_cpu_devices"] < 0
    if started_before and devices < (cores := cpu_cores()):
        warnings.warn(
            f"JAX had started before with {devices} CPU device{'s' * (devices > 1)}, so that not "
            f"all {cores} cores are used; set JAX_NUM_CPU_DEVICES={cores} before JAX starts.",
            RuntimeWarning,
            stacklevel=3,
        )


def local_devices() -> list[Any]:
    """Return the devices of the default backend.

    Raises:
        ValueError: JAX can't use the platform that was chosen, or runs in several processes.
    """
    try:
        processes, devices = jax.process_count(), jax.local_devices()
    except (RuntimeError, AssertionError) as error:  # the latter, of CUDA, says nothing
        reason = str(error).partition("\n")[0].partition(" (set JAX_PLATFORMS")[0].rstrip(".")
        raise ValueError(
            f"`JAX_PLATFORMS` is '{jax.config.values['jax_platforms'] or ''}', but must name "
            f"devices that JAX finds, such as cpu: {reason or 'there are none of this kind'}."
        ) from error
    if processes > 1:
        raise ValueError(
            f"`jax.process_count()` is {processes}, but must be 1: a search runs in one process; "
            "start one for each process or host, without `jax.distributed`."
        )
    return devices


def population_mesh(count: int | None = None) -> Mesh:
    """Return a mesh over the first `count` devices of the default backend, by default all.

    On a CPU that JAX has not touched yet there is one device per core, or `count` of them.

    Raises:
        ValueError: `count` below 1 or above the number of devices; see also `local_devices`.
    """
    if count is not None and count < 1:
        raise ValueError(f"`devices` is {count}, but must be at least 1.")
    split_cpu(min(count or cpu_cores(), max(cpu_cores(), MAX_CPU_DEVICES)))
    devices = local_devices()
    if devices[0].platform == "cpu":
        warn_of_idle_plugins()
        if count is None:
            warn_of_idle_cores(len(devices))
    if count is not None and count > len(devices):
        kind = devices[0].platform
        hint = "; set JAX_NUM_CPU_DEVICES before JAX starts for more" if kind == "cpu" else ""
        raise ValueError(
            f"`devices` is {count}, but must be at most {len(devices)}, the {kind} devices{hint}."
        )
    return Mesh(np.array(devices[:count]), (AXIS,))


def sharded(mesh: Mesh) -> NamedSharding:
    """Return the sharding that deals the first axis over the devices."""
    return NamedSharding(mesh, SHARDED)


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding with a copy on every device."""
    return NamedSharding(mesh, REPLICATED)


def describe(mesh: Mesh) -> str:
    """Return the devices in words, such as `2 x cpu` or `1 x NVIDIA H200`."""
    kinds = [device.device_kind for device in mesh.devices.flat]
    return ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds))


def enable_x64(enabled: bool) -> AbstractContextManager[Any]:
    """Call `jax.enable_x64`, which JAX before 0.8 keeps among its experiments."""
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(enabled)
