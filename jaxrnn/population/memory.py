"""The memory that members need on a device, and the memory that is free.

Counted are what lies there of every member (weights, optimizer, best weights, hyperparameters), and
what those that run side by side need besides, as the compiler says (what the backward pass reads,
gradients). Data lies there already. The code of programs and what the allocator loses between
arrays are not counted; a margin stands for them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import psutil
from jax.errors import JaxRuntimeError
from jax.stages import Compiled

CGROUPS, MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Folder of Linux with the limits of containers and batch jobs, and file that says which of them
this process is in."""


def free_on(device: Any) -> tuple[int, int] | None:
    """Return the free bytes of an accelerator, and the bytes that this process uses budget.

    Args:
        device: Device with `memory_stats()`, as JAX's have it.

    Returns:
        None where the device does not say so, as those of a CPU.
    """
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    used = stats.get("bytes_in_use", 0)
    return max(0, stats["bytes_limit"] - used), used


def free_on_host(cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> tuple[int, int]:
    """Return the bytes of the machine that this process may still take, and those that it has.

    The former are the least of what the system calls available and what is left of the limits of
    its control groups; what these keep of files can be given back, and counts as free.
    """
    free = psutil.virtual_memory().available
    for folder in _groups(cgroups, membership):
        left = _left(folder, "memory.max", "memory.current", "inactive_file")
        if left is None:
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            left = _left(folder, *names)
        free = free if left is None else min(free, left)
    return max(0, free), psutil.Process().memory_info().rss


def _groups(cgroups: Path, membership: Path) -> list[Path]:
    """Return folders of the groups that this process may be in, and of those above."""
    lines = membership.read_text().splitlines() if membership.is_file() else []
    folders = [cgroups, cgroups / "memory"]
    for line in lines:
        _, kinds, path = line.split(":", 2)
        root = {"": cgroups, "memory": cgroups / "memory"}.get(kinds)
        if root is not None:
            group = root / path.strip("/")
            folders += [group, *(parent for parent in group.parents if root in parent.parents)]
    return folders


def _left(folder: Path, limit: str, used: str, files: str) -> int | None:
    """Return what is left of the limit of a group; None where it has none."""
    try:
        most = int((folder / limit).read_text())  # "max" where there is none
        now = int((folder / used).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return most - now + int(stat.get(files, 0))


GIB = 1 << 30
USABLE = 0.9
"""Share of the free memory that plans count on."""
COPIES_ON_HOST = 4
"""Most copies of the members in the memory of a machine that trains on its CPU: in a population, in
snapshots, in what is saved of them, and what allocators lose. Measured by `benchmarks/memory.py`.
"""


class Budget(NamedTuple):
    """Memory that members may use.

    Attributes:
        bytes: Bytes on each device.
        devices: Number of devices.
        limit: Limit of the user in GiB; None for all that is free.
        copies: Number of copies of a member in this memory.
    """

    bytes: int
    devices: int
    limit: float | None = None
    copies: int = 1


def member_bytes(values: Any, axes: int = 2) -> int:
    """Return the bytes of one member.

    Args:
        values: Hyperparameters and state of the member, or of all, `(rows, lanes, ...)`, or
            their shapes.
        axes: Number of leading axes of the population, 0 for a single member.
    """
    shapes = [(leaf.shape[axes:], leaf.dtype) for leaf in jax.tree.leaves(values)]
    sizes = (jax.ShapeDtypeStruct(*shape) for shape in shapes)
    return sum(size.size * size.dtype.itemsize for size in sizes)


def lane_bytes(programs: Sequence[Compiled], lanes: int) -> int:
    """Return the bytes that each lane takes while it runs, besides those of its member.

    With other numbers of lanes each takes the same within a few percent; a single lane, which runs
    another program, takes up to a third less.

    Args:
        programs: Programs that run one after the other, compiled for so many lanes.
        lanes: Members that run side by side on each device.
    """
    analyses: list[Any] = [program.memory_analysis() for program in programs]
    return -(-max(analysis.temp_size_in_bytes for analysis in analyses) // lanes)


def budget(devices: Sequence[Any], limit: float | None = None) -> Budget:
    """Return what members may use on these devices, before any is placed budget.

    Args:
        devices: Devices of one kind. Accelerators have a memory each; devices of a CPU share that
            of the machine in equal parts.
        limit: Most that this process may take, in GiB: on each accelerator, or of the memory of the
            machine, where what it has taken already, code included, counts as well.
    """
    most, count = float("inf") if limit is None else limit * GIB, len(devices)
    accelerators = [memory for device in devices if (memory := free_on(device)) is not None]
    if len(accelerators) < count:
        free, used = free_on_host()
        return Budget(_usable(free, most - used) // count, count, limit, COPIES_ON_HOST)
    return Budget(min(_usable(free, most - used) for free, used in accelerators), count, limit)


def check_fit(members: int, bytes: int, budget: Budget) -> None:
    """Accept so many members at once, dealt over the devices, of so many bytes each.

    Raises:
        ValueError: They do not fit; the message says how many would.
    """
    each = bytes * budget.copies
    fitting = budget.bytes // each * budget.devices
    if members <= fitting:
        return
    needed = -(-members // budget.devices) * budget.devices * each
    where = "" if budget.limit is None else f"`memory_limit` is {budget.limit:g} GiB, of which "
    raise ValueError(
        f"{where}{budget.bytes * budget.devices / GIB:.3g} GiB are free, but "
        f"{members} members need {needed / GIB:.3g} GiB; at most {fitting} fit at once."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that a device, or the machine, has no memory left."""
    on_device = isinstance(error, JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return on_device or isinstance(error, MemoryError)


def _usable(free: float, allowed: float) -> int:
    return int(max(0.0, USABLE * min(free, allowed)))
