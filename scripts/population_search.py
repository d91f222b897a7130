"""Search the hyperparameters of a recurrent network, all trials at once.

    python scripts/population_search.py

trains 256 random LSTM and GRU configurations on scikit-learn's digits side by side, prunes them
by successive halving, and leaves a run folder. README.md says what is in it.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cohort_table import cohort_rows, cohort_table
from command_line import parse
from rich.console import Console

import jaxrnn
import search
from search.display import Display, leaderboard_table, short
from search.records import RunFolder, unused

METRIC, MODE = "loss", "min"
TEST_METRICS = ("loss", "accuracy")
TRIALS = {"default": 256, "full": 128}
PACKAGES = ("jaxrnn", "jax", "jaxlib", "flax", "optax", "numpy", "optuna", "scikit-learn")


@dataclass(frozen=True)
class Job:
    """A search that passed every check and has its folder."""

    settings: dict[str, Any]
    versions: dict[str, str]
    data: jaxrnn.Data
    trainer: jaxrnn.Trainer
    trials: list[search.Trial]
    plan: tuple[search.Rung, ...]
    space: search.Space
    cohorts: list[dict[str, Any]]
    folder: RunFolder
    begin: float
    clock: search.Clock = field(default_factory=search.Clock)


def space_of(source: str, data: jaxrnn.Data, trainer: jaxrnn.Trainer, epochs: int) -> search.Space:
    """The space by name or from a TOML file, checked against what the trainer takes.

    Raises:
        ValueError: No such file, or an entry that is unknown, out of its limits, never active, or
            a range of whole numbers by mistake.
    """
    if source in jaxrnn.SPACES:
        time = data.train.inputs.shape[1]
        space = search.Space(jaxrnn.SPACES[source](time, trainer.microbatch, epochs))
    elif Path(source).suffix != ".toml" and not Path(source).exists():
        names = ", ".join(f"'{name}'" for name in jaxrnn.SPACES)
        raise ValueError(f"`space` is '{source}', but must be {names} or the path of a .toml file.")
    else:
        space = search.Space.from_toml(source)
    if not space.entries:
        raise ValueError("`space` is empty, but must have at least one entry.")
    for name, value in space.extremes():
        trainer.check(name, value)
    for name, what in space.entries.items():
        whole = isinstance(what, dict) and isinstance(what.get("low"), int) and "step" not in what
        if whole and isinstance(what["high"], int) and jaxrnn.ENTRIES[name].kind is float:
            raise ValueError(
                f"`{name}` ranges over whole numbers from {what['low']} to {what['high']}; write "
                f"`low` = {float(what['low'])} for all numbers, or add `step` = 1 if you mean it."
            )
    optimizers = [value for name, value in space.extremes() if name == "optimizer"]
    jaxrnn.check_parents(space.entries, optimizers)
    return search.Space(space.entries, jaxrnn.conditions(optimizers))


def prepare(settings: argparse.Namespace) -> Job:
    """Check everything, then make the run folder.

    Raises:
        ValueError: A setting that can't be used, in a sentence for people.
    """
    begin = time.perf_counter()
    if settings.trials is None:
        settings.trials = TRIALS.get(settings.space, TRIALS["default"])
    plan = search.rungs(settings.trials, settings.min_epochs, settings.max_epochs, settings.eta)
    versions = {package: version(package) for package in PACKAGES}
    data = jaxrnn.load_data(settings.data, settings.seed)
    trainer = jaxrnn.Trainer(
        data,
        microbatch=settings.microbatch,
        lanes=settings.lanes,
        devices=settings.devices,
        seed=settings.seed,
    )
    space = space_of(settings.space, data, trainer, settings.max_epochs)
    trials = search.random_trials(space, settings.trials, settings.seed)
    groups = trainer.plan([trial.configuration for trial in trials], settings.max_epochs)
    cohorts = cohort_rows(groups, trainer.lanes)
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{data.name}-{settings.seed}"
    folder = RunFolder(settings.out or unused(Path("runs") / name))
    folder.write_space(space)
    return Job(vars(settings), versions, data, trainer, trials, plan, space, cohorts, folder, begin)


def run(job: Job, console: Console) -> int:
    """Search, then show and keep what was found; returns the exit status."""
    devices = jaxrnn.describe(job.trainer.mesh)
    steps = ", ".join(f"{rung.trials} to epoch {rung.epochs}" for rung in job.plan)
    console.print(f"{job.data.name} on {devices}: {steps}", soft_wrap=True)
    console.print(cohort_table(job.cohorts))
    with Display(console, METRIC) as display:

        def observe(progress: search.Progress) -> None:
            display(progress)
            if progress.ranked:
                write_tables(job)

        result = search.successive_halving(
            job.trainer,
            job.trials,
            job.plan,
            metric=METRIC,
            mode=MODE,
            observe=observe,
            clock=job.clock,
        )
    console.print(leaderboard_table(job.trials, TEST_METRICS, MODE, console.width))
    if result.best is None:
        write_summary(job, "diverged")
        console.print("every trial diverged; search lower values of `learning_rate`")
        return 1
    job.clock.spent("other")
    scores = job.trainer.evaluate(result.winner, "test")
    job.clock.spent("evaluate")
    test = {name: float(scores[name][0]) for name in TEST_METRICS}
    job.trainer.predictor(result.winner).save(job.folder.path / "best")
    write_summary(job, "complete", best=result.best, test=test)
    entries = (f"{name} {short(value)}" for name, value in result.best.configuration.items())
    console.print(
        f"winner: trial {result.best.id}: {', '.join(entries)}\n"
        f"test accuracy {test['accuracy']:.4f}, test loss {test['loss']:.4f} "
        f"({len(job.data.test)} sequences, scored once)\nresults in {job.folder.path}",
        soft_wrap=True,
    )
    return 0


def write_tables(job: Job) -> None:
    """Write `trials.csv` and `history.csv`, with what is known so far."""
    job.folder.write_trials(job.trials, job.space.entries)
    job.folder.write_history(job.trials)


def write_summary(
    job: Job,
    status: str,
    best: search.Trial | None = None,
    test: dict[str, float] | None = None,
) -> None:
    """Write the tables for the last time, and `summary.json`."""
    total = time.perf_counter() - job.begin
    seconds = {
        "compile": job.trainer.compiler.seconds,
        "train": job.clock.train,
        "evaluate": job.clock.evaluate,
    }
    write_tables(job)
    job.folder.write_summary(
        {
            "status": status,
            "winner": None
            if best is None
            else {k: v for k, v in asdict(best).items() if k != "history"},
            "test": test,
            "data": {
                "name": job.data.name,
                "train": len(job.data.train),
                "validation": len(job.data.validation),
                "test": len(job.data.test),
                "time": job.data.train.inputs.shape[1],
                "features": len(job.data.mean),
                "classes": job.data.classes.tolist(),
            },
            "microbatch": job.trainer.microbatch,
            "rungs": [rung._asdict() for rung in job.plan],
            "seconds": seconds | {"other": total - sum(seconds.values()), "total": total},
            "programs": job.trainer.compiler.programs,
            "cohorts": job.cohorts,
            "devices": jaxrnn.describe(job.trainer.mesh),
            "lanes": job.trainer.lanes,
            "seed": job.settings["seed"],
            "settings": job.settings,
            "command": shlex.join(["python", *sys.argv]),
            "versions": {"python": platform.python_version(), **job.versions},
        }
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    console = Console(markup=False, highlight=False)
    sys.path.append(os.getcwd())  # where a user's own optimizers are
    try:
        job = prepare(parse(arguments))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    try:
        return run(job, console)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        for trial in job.trials:
            if trial.state is search.State.RUNNING:
                trial.state = search.State.INTERRUPTED
        write_summary(job, "interrupted" if stopped else "failed")
        if not stopped:
            raise
        if any(trial.metrics for trial in job.trials):
            console.print(leaderboard_table(job.trials, TEST_METRICS, MODE, console.width))
        console.print(f"interrupted; what finished is in {job.folder.path}", soft_wrap=True)
        return 130


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # After Ctrl-C, Python would wait for a compiler at work, which nothing can stop.
    os._exit(status) if status == 130 else sys.exit(status)
