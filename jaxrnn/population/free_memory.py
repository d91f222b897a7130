"""Memory that is still free: of an accelerator, or of the machine where the CPU trains."""

from pathlib import Path
from typing import Any

import psutil

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
