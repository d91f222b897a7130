"""A part's result file, whole after every measurement, and its budget of seconds."""

import os
import shutil
import subprocess
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from pages import slug, write_json

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "optuna", "torch")
Step = TypeVar("Step")


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """Versions by package, None for what is not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def gpus() -> list[str]:
    """Name, driver and memory of each GPU, as `nvidia-smi` says; empty without it."""
    if shutil.which("nvidia-smi") is None:
        return []
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True).stdout.splitlines()


def sentence(error: BaseException) -> str:
    """An error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


class Budget:
    """Seconds that a part may take.

    Attributes:
        seconds: In all.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """The seconds count from now on."""
        self.seconds, self._clock = seconds, clock
        self._begin = clock()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._clock() - self._begin

    @property
    def left(self) -> float:
        """Seconds to come."""
        return self.seconds - self.spent

    def steps(self, steps: Iterable[Step], skip: Callable[[Step], None]) -> Iterator[Step]:
        """Step after step while one as long as the mean still fits; the others are skipped."""
        taken: list[float] = []
        for step in steps:
            if self.left <= sum(taken) / max(1, len(taken)):
                skip(step)
                continue
            begin = self._clock()
            yield step
            taken.append(self._clock() - begin)


class Record:
    """What a part measured so far, in its file.

    A part that ends before `close` leaves a file that says `"finished": false`.

    Attributes:
        path: The file.
        device: For people, such as `1 x NVIDIA H100 80GB HBM3`.
        budget: Of the part.
        rehearsal: Whether everything is tiny, and figures mean nothing.
    """

    def __init__(
        self, part: str, device: str, folder: Path, budget: Budget, rehearsal: bool = False
    ) -> None:
        """Begin the file `gpu-<part>-<device>.json` in `folder`."""
        self.path = folder / f"gpu-{part}-{slug(device)}.json"
        self.device, self.budget, self.rehearsal = device, budget, rehearsal
        self._rows: list[dict[str, Any]] = []
        self._errors: list[str] = []
        self._notes: list[str] = []
        self._left_out: list[str] = []
        self._about = {
            "part": part,
            "command": f"bash benchmarks/gpu_kit.sh {'--rehearse ' * rehearsal}{part}",
            "device": device,
            "cores": os.cpu_count(),
            "machine": os.uname().machine,
            "gpus": gpus(),
            "versions": versions(),
            "rehearsal": rehearsal,
            "budget_seconds": budget.seconds,
        }
        folder.mkdir(parents=True, exist_ok=True)
        self._write()

    @property
    def folder(self) -> Path:
        """Where result files are."""
        return self.path.parent

    def add(self, **row: Any) -> None:
        """Keep a measurement, and print it."""
        self._rows.append(row)
        self._write()
        short = {name: value for name, value in row.items() if not isinstance(value, (list, dict))}
        print("  " + ", ".join(f"{name} {_short(value)}" for name, value in short.items()))

    def note(self, sentence: str) -> None:
        """Keep something that people should know."""
        self._notes.append(sentence)
        self._write()
        print(f"  note: {sentence}")

    def fail(self, sentence: str) -> None:
        """Keep an error; the part has failed, and may go on."""
        self._errors.append(sentence)
        self._write()
        print(f"  error: {sentence}")

    @contextmanager
    def guard(self, name: str) -> Iterator[None]:
        """Keep an exception as an error of the measurement `name`, and go on."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.fail(f"{name}: {sentence(error)}")

    def steps(self, steps: Iterable[Step], name: Callable[[Step], str] = str) -> Iterator[Step]:
        """Step after step while the budget lasts; the names of the others are kept."""
        return self.budget.steps(steps, lambda step: self._left_out.append(name(step)))

    def close(self) -> bool:
        """The part came to its end; whether without an error."""
        if not self._rows:
            self._errors.append("nothing was measured")
        if self.rehearsal and self._left_out:
            self._errors.append("the budget was too short for all that is to be rehearsed")
        self._write(finished=True)
        return not self._errors

    def _write(self, finished: bool = False) -> None:
        content = {
            **self._about,
            "seconds": round(self.budget.spent, 1),
            "finished": finished,
            "errors": self._errors,
            "notes": self._notes,
            "left_out": self._left_out,
            "rows": self._rows,
        }
        write_json(self.path, content, indent=1)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
