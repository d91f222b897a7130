"""The whole default job, by the script and by Optuna with PyTorch, each in a fresh process."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pages import ROOT
from peers.cases import Grid
from peers.processes import DeadWorker, environment

COLD, WARM, THEIRS = "cold", "warm", "optuna"
KEEP_ALL = {
    "JAX_ENABLE_COMPILATION_CACHE": "true",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""What the script itself asks for, where nobody names a folder."""
SHORT_TRIALS, SHORT_EPOCHS = 4, 2
"""Of the job that decides on the number of threads."""


def fresh(name: str, *arguments: str, **variables: str) -> tuple[float, str]:
    """Wall seconds and output of a Python process.

    Raises:
        DeadWorker: It failed.
    """
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment() | variables,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        raise DeadWorker(f"'{name}' ended with status {done.returncode}: {last[0]}")
    return seconds, done.stdout


def ours(seed: int, grid: Grid, cache: Path, full: bool, *more: str) -> dict[str, Any]:
    """One run of the script, with its programs kept in `cache`, and `more` arguments."""
    with tempfile.TemporaryDirectory() as folder:
        out, script = Path(folder) / "run", str(ROOT / "scripts" / "population_search.py")
        command = [script, "--seed", str(seed), "--out", str(out), *more]
        if not full:
            command += ["--trials", str(grid.trials), "--max-epochs", str(grid.epochs)]
        variables = KEEP_ALL | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
        seconds, _ = fresh("the default job", *command, **variables)
        summary = json.loads((out / "summary.json").read_text())
    rungs = summary["winner"]["metrics"]
    metrics = rungs[max(rungs, key=int)]
    return {
        "seconds": seconds,
        "inner_seconds": summary["seconds"],
        "trial_epochs": summary["trial_epochs"],
        "loss": metrics["loss"],
        "accuracy": metrics["accuracy"],
    }


def theirs(
    folder: str, seed: int, trials: int, epochs: int, threads: int, device: str
) -> dict[str, Any]:
    """One run of Optuna and PyTorch on the data in `folder`."""
    numbers = map(str, (seed, trials, epochs, threads))
    name = "Optuna with PyTorch"
    seconds, output = fresh(name, "-m", "peers.optuna_job", folder, *numbers, device)
    return {"seconds": seconds, **json.loads(output.splitlines()[-1])}


def best_threads(folder: str, cores: int, device: str) -> tuple[int, dict[str, float]]:
    """The number of threads that a short job is done soonest with, and the seconds of each."""
    counts = sorted({1, cores}) if device == "cpu" else [1]
    took = {
        str(count): theirs(folder, 0, SHORT_TRIALS, SHORT_EPOCHS, count, device)["inner_seconds"]
        for count in counts
    }
    return int(min(took, key=lambda count: took[count])), took


def measure_jobs(
    grid: Grid, about: dict[str, Any], on_progress: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """Raw figures of seed after seed, everybody in turns; first the choice of threads."""
    device = "cuda" if about["platform"] in ("gpu", "cuda") else "cpu"
    full = (grid.trials, grid.epochs) == (Grid.trials, Grid.epochs)
    threads = 0
    for seed in range(grid.rounds):
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
            fresh("the data", "-m", "peers.digits", str(seed), folder)
            if not threads:
                threads, took = best_threads(folder, about["cores"], device)
                yield {"threads": threads, "seconds_by_threads": took}
            run: dict[str, Any] = {"seed": seed}
            for name in (COLD, WARM):
                on_progress(f"whole job, seed {seed}: ours, {name} compile cache")
                run[name] = ours(seed, grid, Path(cache), full)
            on_progress(f"whole job, seed {seed}: Optuna and PyTorch")
            run[THEIRS] = theirs(folder, seed, grid.trials, grid.epochs, threads, device)
            yield run
