"""Search the hyperparameters of a recurrent network, all trials at once.

    python scripts/population_search.py

trains 256 random LSTM and GRU configurations on scikit-learn's digits side by side, prunes them
by successive halving, and leaves a run folder. README.md says what is in it.
"""

import argparse
import difflib
import platform
import re
import shlex
import sys
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

import jaxrnn
import search
from search.display import Display, leaderboard_table, short
from search.records import RunFolder, unused

METRIC, MODE = "loss", "min"
TEST_METRICS = ("loss", "accuracy")
PACKAGES = ("jaxrnn", "jax", "jaxlib", "flax", "optax", "numpy", "optuna", "scikit-learn")


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as the rest of the program does."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ValueError(re.sub(r"^argument (\S+): ", r"`\1` ", message) + " (see --help).")


def whole_number(text: str) -> int:
    """An integer from the command line."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is '{text}', but must be a whole number") from error


def parser() -> Parser:
    """The command line."""
    parser = Parser(
        description="Search the hyperparameters of a recurrent network. All trials train side by "
        "side in compiled programs, on the GPU or TPU where there is one; again and again the "
        "better 1 in ETA goes on for ETA times as long.",
        allow_abbrev=False,
    )

    def add(name: str, metavar: str, default: Any, text: str) -> None:
        kind = whole_number if metavar == "N" else str
        shown = "" if default is None else f" (default: {default})"
        parser.add_argument(name, metavar=metavar, type=kind, default=default, help=text + shown)

    add("--data", "NAME", "digits", "digits, or a .npz file with X and y: see README.md")
    add("--trials", "N", 256, "random configurations to start with")
    add("--min-epochs", "N", 1, "passes over the data before the first pruning")
    add("--max-epochs", "N", 27, "passes over the data for the trials never pruned")
    add("--eta", "N", 3, "one trial in ETA survives a pruning")
    add("--seed", "N", 0, "of all that is random: same seed, same results")
    add("--space", "FILE.toml", None, "what to search (default: see README.md)")
    add("--out", "FOLDER", None, "new, for the results (default: runs/<date>-<data>-<seed>)")
    add("--lanes", "N", None, "trials side by side per device (default: 1 on CPU, 64 elsewhere)")
    add("--devices", "N", None, "devices to use, on CPU one per core (default: all)")
    return parser


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The settings of a command line.

    Raises:
        ValueError: An argument that is unknown, or no whole number where one is due.
    """
    settings, unknown = parser().parse_known_args(arguments)
    if unknown:
        names = ["--" + name.replace("_", "-") for name in vars(settings)]
        near = difflib.get_close_matches(unknown[0], names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "see --help."
        raise ValueError(f"`{unknown[0]}` is no argument; {hint}")
    return settings


@dataclass(frozen=True)
class Job:
    """A search that passed every check and has its folder."""

    settings: dict[str, Any]
    data: jaxrnn.Data
    trainer: jaxrnn.Trainer
    trials: list[search.Trial]
    plan: tuple[search.Rung, ...]
    folder: RunFolder
    begin: float
    clock: search.Clock = field(default_factory=search.Clock)


def prepare(settings: argparse.Namespace) -> Job:
    """Check everything, then make the run folder.

    Raises:
        ValueError: A setting that can't be used, in a sentence for people.
    """
    begin = time.perf_counter()
    if not 0 <= settings.seed < 2**32:
        raise ValueError(f"`seed` is {settings.seed}, but must be from 0 to {2**32 - 1}.")
    plan = search.rungs(settings.trials, settings.min_epochs, settings.max_epochs, settings.eta)
    space = search.Space(jaxrnn.DEFAULT_SPACE)
    if settings.space is not None:
        space = search.Space.from_toml(settings.space)
    for name, value in space.extremes():
        jaxrnn.check(name, value)
    data = jaxrnn.load_data(settings.data, settings.seed)
    trainer = jaxrnn.Trainer(
        data, lanes=settings.lanes, devices=settings.devices, seed=settings.seed
    )
    trials = search.random_trials(space, settings.trials, settings.seed)
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{data.name}-{settings.seed}"
    folder = RunFolder(settings.out or unused(Path("runs") / name))
    folder.write_space(space)
    return Job(vars(settings), data, trainer, trials, plan, folder, begin)


def run(job: Job, console: Console) -> int:
    """Search, then show and keep what was found; returns the exit status."""
    devices = jaxrnn.describe(job.trainer.mesh)
    steps = ", ".join(f"{rung.trials} to epoch {rung.epochs}" for rung in job.plan)
    console.print(f"{job.data.name} on {devices}: {steps}", highlight=False, soft_wrap=True)
    with Display(console, METRIC) as display:

        def observe(progress: search.Progress) -> None:
            display(progress)
            if progress.ranked:
                job.folder.write_trials(job.trials)

        result = search.successive_halving(
            job.trainer,
            job.trials,
            job.plan,
            metric=METRIC,
            mode=MODE,
            observe=observe,
            clock=job.clock,
        )
    console.print(leaderboard_table(job.trials, TEST_METRICS, MODE))
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


def write_summary(
    job: Job,
    status: str,
    best: search.Trial | None = None,
    test: dict[str, float] | None = None,
) -> None:
    """Write `trials.csv` for the last time, and `summary.json`."""
    total = time.perf_counter() - job.begin
    seconds = {
        "compile": job.trainer.compile_seconds,
        "train": job.clock.train,
        "evaluate": job.clock.evaluate,
    }
    job.folder.write_trials(job.trials)
    job.folder.write_summary(
        {
            "status": status,
            "winner": None if best is None else asdict(best),
            "test": test,
            "rungs": [rung._asdict() for rung in job.plan],
            "seconds": seconds | {"other": total - sum(seconds.values()), "total": total},
            "programs": job.trainer.programs,
            "devices": jaxrnn.describe(job.trainer.mesh),
            "lanes": job.trainer.lanes,
            "seed": job.settings["seed"],
            "settings": job.settings,
            "command": shlex.join(["python", *sys.argv]),
            "versions": {"python": platform.python_version()}
            | {package: version(package) for package in PACKAGES},
        }
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    console = Console()
    try:
        job = prepare(parse(arguments))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        return run(job, console)
    except KeyboardInterrupt:
        for trial in job.trials:
            if trial.state is search.State.RUNNING:
                trial.state = search.State.INTERRUPTED
        write_summary(job, "interrupted")
        console.print(f"interrupted; what finished is in {job.folder.path}", soft_wrap=True)
        return 130


if __name__ == "__main__":
    sys.exit(main())
