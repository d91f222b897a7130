"""The contestants, and the processes in which they train."""

from dataclasses import dataclass, field
from typing import Any

from peers.processes import Staff, Worker

OURS, ALONE = "ours", "one at a time"
THREAD, THREADS, PROCESSES = "torch, 1 thread", "torch, all threads", "torch, processes"
SHARING_A_GPU = 8
"""Processes side by side on a GPU."""
QUIET = {"JAX_ENABLE_COMPILATION_CACHE": "false", "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.5"}
"""Compiling is measured cold, and a GPU is shared with PyTorch."""


class Refused(Exception):
    """Nothing can be compared here; why, in a sentence for people."""


@dataclass(frozen=True)
class Contestant:
    """A contestant: a way to train, and the processes for it.

    Attributes:
        name: Name, one of the constants of this file.
        workers: Processes, which train at the same time.
        members: Number of trials that train together.
        least: Fewest trials of a measurement, in each process.
        limits: `devices` and `lanes`, if they are limited.
    """

    name: str
    workers: list[Worker]
    members: int = 1
    least: int = 2
    limits: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of its runner in its processes."""
        return f"{self.name}, {self.members}"


@dataclass(frozen=True)
class Field:
    """All contestants.

    Attributes:
        about: Device, machine, and PyTorch's `processes`.
        sequential: Contestants that train trial after trial.
        population: Process that trains populations.
    """

    about: dict[str, Any]
    sequential: list[Contestant]
    population: Worker

    def contestants(self, populations: tuple[int, ...]) -> list[Contestant]:
        """Ours for every population, then the others."""
        ours = [Contestant(OURS, [self.population], members, 1) for members in populations]
        return [*ours, *self.sequential]


def gather(staff: Staff, with_torch: bool = True) -> Field:
    """Start the processes of all contestants.

    Args:
        staff: Hires them.
        with_torch: Whether PyTorch takes part.

    Raises:
        Refused: JAX would train on a GPU, and PyTorch on a CPU.
    """
    ours = staff.hire(OURS, "jaxrnn", **QUIET)
    about = ours.ask(do="about")
    platform, cores = about["platform"], about["cores"]
    if platform == "cpu":  # as many devices as a process of JAX begins with stay with it
        alone = Contestant(ALONE, [staff.hire(ALONE, "jaxrnn", "1", **QUIET)])
    else:
        alone = Contestant(ALONE, [ours], limits={"devices": 1, "lanes": 1})
    if not with_torch:
        return Field(about | {"processes": 0}, [alone], ours)
    device = "cuda" if platform in ("gpu", "cuda") else "cpu"
    count = SHARING_A_GPU if device == "cuda" else cores
    several = [staff.hire(PROCESSES, "torch", device, "1") for _ in range(count)]
    theirs = [Contestant(THREAD, several[:1]), Contestant(PROCESSES, several, least=1)]
    if device == "cpu" and cores > 1:
        many = Contestant(THREADS, [staff.hire(THREADS, "torch", device, str(cores))])
        theirs.insert(1, many)
    if device == "cuda" and not several[0].ask(do="about")["cuda"]:
        raise Refused(f"JAX trains on {about['device']}, but this PyTorch knows no GPU")
    return Field(about | {"processes": count}, [alone, *theirs], ours)
