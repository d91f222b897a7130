"""What members need on a device, and what there is.

Counted are what lies there of every member (weights, optimizer, best weights, numbers), and what
those that run side by side need besides, as the compiler says (what the backward pass reads,
gradients). Data lies there before anybody asks. Not counted are the code of programs, and what the
allocator loses between arrays; for these there is a margin.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import psutil
from jax.errors import JaxRuntimeError
from jax.stages import Compiled

CGROUPS, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
"""Where Linux keeps the limits of containers and batch jobs, and which of them this process is in.
"""


def free_on(device: Any) -> tuple[int, int] | None:
    """Bytes on an accelerator that nobody uses, and bytes that this process uses there.

    Args:
        device: With `memory_stats()`, as JAX's devices have it.

    Returns:
        None where the device does not say so, as those of a CPU.
    """
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    used = stats.get("bytes_in_use", 0)
    return max(0, stats["bytes_limit"] - used), used


def free_here(cgroups: Path = CGROUPS, own: Path = OWN) -> tuple[int, int]:
    """Bytes of the machine that this process may still take, and those that it has already.

    The least of what the system calls available and what is left of the limits of its control
    groups; what these keep of files can be given back, and counts as free.
    """
    free = psutil.virtual_memory().available
    for folder in _groups(cgroups, own):
        left = _left(folder, "memory.max", "memory.current", "inactive_file")
        if left is None:
            names = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
            left = _left(folder, *names)
        free = free if left is None else min(free, left)
    return max(0, free), psutil.Process().memory_info().rss


def _groups(cgroups: Path, own: Path) -> list[Path]:
    """Folders of the groups that this process may be in, and of those above, as far as known."""
    lines = own.read_text().splitlines() if own.is_file() else []
    found = [cgroups, cgroups / "memory"]
    for line in lines:
        _, kinds, path = line.split(":", 2)
        root = {"": cgroups, "memory": cgroups / "memory"}.get(kinds)
        if root is not None:
            group = root / path.strip("/")
            found += [group, *(one for one in group.parents if root in one.parents)]
    return found


def _left(folder: Path, limit: str, used: str, files: str) -> int | None:
    """What is left of the limit of a group; None where it has none."""
    try:
        most = int((folder / limit).read_text())  # "max" where there is none
        now = int((folder / used).read_text())
        stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return None
    return most - now + int(stat.get(files, 0))


GIB = 1 << 30
USABLE = 0.9
"""Share of the free memory that is planned with."""
ON_HOST = 4
"""How often the bytes of the members lie in the memory of the machine at most, when it trains on
its CPU: in a population, in snapshots, in what is saved of them, and what allocators lose.
Measured by `benchmarks/memory.py`."""


class Budget(NamedTuple):
    """What may be used.

    Attributes:
        bytes: On each device.
        devices: How many there are.
        limit: In GiB, what the user allowed; None for all that is free.
        copies: How often a member lies in this memory.
    """

    bytes: int
    devices: int
    limit: float | None = None
    copies: int = 1


def member_bytes(values: Any, axes: int = 2) -> int:
    """Bytes of one member.

    Args:
        values: Its setting and state, or those of all, `(rows, lanes, ...)`; shapes are enough.
        axes: Those of the population in front, 0 for a single member.
    """
    shapes = [(leaf.shape[axes:], leaf.dtype) for leaf in jax.tree.leaves(values)]
    sizes = (jax.ShapeDtypeStruct(*one) for one in shapes)
    return sum(size.size * size.dtype.itemsize for size in sizes)


def lane_bytes(programs: Sequence[Compiled], lanes: int) -> int:
    """Bytes that each of the lanes takes while it runs, besides what lies there of its member.

    Other lane counts take within a few percent of it for each, but one lane alone, whose program is
    another one, up to a third less.

    Args:
        programs: Run one after the other, each compiled for so many lanes.
        lanes: Members that run side by side on each device.
    """
    told: list[Any] = [program.memory_analysis() for program in programs]
    return -(-max(one.temp_size_in_bytes for one in told) // lanes)


def budget(devices: Sequence[Any], limit: float | None = None) -> Budget:
    """What members may use on these devices, to be asked before any is placed.

    Args:
        devices: Of one kind. Accelerators have a memory each; devices of a CPU share that of the
            machine, of which each gets an equal part.
        limit: The most that this process may take, in GiB: on each accelerator, or of the memory of
            the machine, where what it has taken already, code included, counts as well.
    """
    most = float("inf") if limit is None else limit * GIB
    told = [free_on(device) for device in devices]
    known = [one for one in told if one is not None]
    if len(known) < len(told):
        free, used = free_here()
        return Budget(_usable(free, most - used) // len(told), len(told), limit, ON_HOST)
    return Budget(min(_usable(free, most - used) for free, used in known), len(told), limit)


def check_room(members: int, bytes: int, there: Budget) -> None:
    """Accept so many members at once, dealt over the devices, of so many bytes each.

    Raises:
        ValueError: They do not fit; says how many would.
    """
    each = bytes * there.copies
    fitting = there.bytes // each * there.devices
    if members <= fitting:
        return
    needed = -(-members // there.devices) * there.devices * each
    where = "" if there.limit is None else f"`memory_limit` is {there.limit:g} GiB, of which "
    raise ValueError(
        f"{where}{there.bytes * there.devices / GIB:.3g} GiB are free, but "
        f"{members} members need {needed / GIB:.3g} GiB; at most {fitting} fit at once."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    told_so = isinstance(error, JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return told_so or isinstance(error, MemoryError)


def _usable(free: float, allowed: float) -> int:
    return int(max(0.0, USABLE * min(free, allowed)))
