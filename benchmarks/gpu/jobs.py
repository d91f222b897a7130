"""The default job as users run it, with a cold and a warm compile cache, and many more trials.

Where PyTorch is installed, the same search by Optuna and PyTorch is timed too, and the section
`job` of `peers-<device>.json` is written for README's table.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from peers import jobs
from peers.cases import Grid
from peers.jobs import COLD, THEIRS, WARM

from benchmarks.gpu import peers_file
from benchmarks.gpu.record import Record

SEEDS = 3
MANY = 4096
UNTUNED = "--no-autotune"


class Step(NamedTuple):
    """One process.

    Attributes:
        who: One of the names in `peers.jobs`.
        trials: Of the search.
        seed: Of the search and the data.
        arguments: More of the script.
    """

    who: str
    trials: int
    seed: int = 0
    arguments: tuple[str, ...] = ()


def steps(trials: int, many: int, seeds: int, with_torch: bool) -> Iterator[Step]:
    """What to run; the first shows the most."""
    yield Step(COLD, trials)
    yield Step(WARM, trials)
    if many:
        yield Step(COLD, many)
        yield Step(WARM, many)
    yield Step(COLD, trials, arguments=(UNTUNED,))
    if with_torch:
        yield Step(THEIRS, trials)
    for seed in range(1, seeds):
        yield Step(COLD, trials, seed)
        yield Step(WARM, trials, seed)
        if with_torch:
            yield Step(THEIRS, trials, seed)


def measure(record: Record) -> None:
    """Run process after process."""
    grid = Grid(trials=9, epochs=3) if record.rehearsal else Grid()
    many, seeds = (0, 1) if record.rehearsal else (MANY, SEEDS)
    wanted = steps(grid.trials, many, seeds, peers_file.has_torch(record))
    done: dict[int, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for step in record.steps(wanted, str):
            with record.guard(str(step)):
                result = _run(step, grid, Path(folder), record)
                record.add(**step._asdict(), **result)
                if step.trials == grid.trials and not step.arguments:
                    done.setdefault(step.seed, {"seed": step.seed})[step.who] = result
                    _keep(record, grid, [*done.values()])


def _run(step: Step, grid: Grid, folder: Path, record: Record) -> dict[str, Any]:
    if step.who != THEIRS:
        full = (step.trials, grid.epochs) == (Grid.trials, Grid.epochs)
        smaller = Grid(trials=step.trials, epochs=grid.epochs)
        # A folder for each kind of program: cold is cold, and warm is what the last one left.
        cache = folder / f"cache {step.trials} {step.seed} {step.arguments}"
        return jobs.ours(step.seed, smaller, cache, full, *step.arguments)
    data = folder / f"data {step.seed}"
    data.mkdir()
    jobs.fresh("the data", "-m", "peers.digits", str(step.seed), str(data))
    device = "cpu" if record.rehearsal else "cuda"
    return jobs.theirs(str(data), step.seed, step.trials, grid.epochs, 1, device)


def _keep(record: Record, grid: Grid, runs: list[dict[str, Any]]) -> None:
    """Write README's section, of the seeds that everybody has run."""
    if whole := [run for run in runs if {COLD, WARM, THEIRS} <= set(run)]:
        size = {"trials": grid.trials, "epochs": grid.epochs, "threads": 1}
        peers_file.keep(record, "job", **size, seconds_by_threads={}, runs=whole)
