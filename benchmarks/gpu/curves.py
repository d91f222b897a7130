"""Training a case, here or in another process, and how far two runs of it are apart.

    python -m benchmarks.gpu.curves FOLDER LANES MEMBERS CASE...

writes the losses of each case into FOLDER as `CASE.npy`, with `JAX_PLATFORMS=cpu` on the CPU.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import jaxrnn
from benchmarks.gpu.members import CASES, EPOCHS, MICROBATCH, Case, data, members
from jaxrnn.population import autotuner


class Run(NamedTuple):
    """What came of training.

    Attributes:
        losses: Of every epoch, then the validation loss at the end, `(epochs + 1, members)`.
        states: All that each member carries, as bytes.
    """

    losses: np.ndarray
    states: list[bytes]


def make_trainer(case: Case, lanes: int, options: Any = False) -> jaxrnn.Trainer:
    """A trainer of a case in float32; `options` is `autotune` of `jaxrnn.Trainer`."""
    autotuner.QUICK = 0.0  # or cases as small as these would not be timed
    return jaxrnn.Trainer(
        data(case.uneven),
        microbatch=MICROBATCH,
        lanes=lanes,
        precision="highest",
        autotune=options,
    )


def started(
    trainer: jaxrnn.Trainer, configurations: Sequence[dict[str, Any]], seeds: Sequence[int]
) -> jaxrnn.Population:
    """The population before its first epoch; its programs are compiled in the background."""
    return trainer.start(configurations, seeds, EPOCHS)


def run(trainer: jaxrnn.Trainer, population: jaxrnn.Population) -> Run:
    """Train to the last epoch."""
    population = trainer.train(population, EPOCHS)
    losses = trainer.history(population)["train_loss"]
    validation = trainer.evaluate(population)["loss"]
    states = [_bytes(snapshot.state) for snapshot in trainer.to_host(population)]
    return Run(np.vstack([losses, validation]), states)


def _bytes(state: Any) -> bytes:
    return b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state))


def distance(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Relative; 0 where both are NaN, huge where one is."""
    off = np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-30)
    off = np.where(np.isnan(ours) & np.isnan(theirs), 0.0, off)
    return np.nan_to_num(off, nan=1e9, posinf=1e9)


class Process:
    """Another process that trains cases, one after the other."""

    def __init__(
        self, folder: Path, lanes: int, count: int, cases: Sequence[str], **variables: str
    ) -> None:
        """Start it; `variables` are of its environment."""
        self._folder, self._complaints = folder, folder / "complaints.txt"
        folder.mkdir(parents=True)
        command = [sys.executable, "-m", "benchmarks.gpu.curves", str(folder), str(lanes)]
        with self._complaints.open("w") as complaints:
            self._process = subprocess.Popen(
                [*command, str(count), *cases],
                env=os.environ | variables,
                stdout=complaints,
                stderr=complaints,
            )

    def losses(self, case: str, seconds: float) -> np.ndarray:
        """The losses of a case, as soon as they are there.

        Raises:
            RuntimeError: The process ended without them, or the seconds are over.
        """
        path, end = self._folder / f"{case}.npy", time.monotonic() + seconds
        while not path.exists():
            if self._process.poll() is not None and not path.exists():
                last = self._complaints.read_text().strip().splitlines()[-1:] or ["it said nothing"]
                raise RuntimeError(f"the other process ended without it: {last[0]}")
            if time.monotonic() > end:
                raise RuntimeError(f"the other process did not come to it in {seconds:.0f} s")
            time.sleep(0.1)
        return np.load(path)

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Train the cases of the command line."""
    folder, lanes, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    named = {case.name: case for case in CASES}
    for name in sys.argv[4:]:
        trainer = make_trainer(named[name], lanes)
        found = run(trainer, started(trainer, members(named[name], count), range(count)))
        beside = folder / f"{name}.part.npy"
        np.save(beside, found.losses)
        os.replace(beside, folder / f"{name}.npy")


if __name__ == "__main__":
    main()
