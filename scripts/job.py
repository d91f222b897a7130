"""From the settings of a command line to a search that is ready to run."""

import argparse
import time
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from cohort_table import cohort_rows

import jaxrnn
import search
from search.records import RunFolder, unused

SHOWN = 2
"""Metrics of the task in the leaderboard, besides the one that ranks."""
ABOUT_DATA = (
    "task",
    "target",
    "group",
    "time",
    "look_back",
    "horizon",
    "reach_back",
    "block",
    "unit",
    "split",
    "seed",
)
"""Settings that `jaxrnn.load_data` takes."""
TRIALS = {"default": 256, "full": 128}
PACKAGES = ("jaxrnn", "jax", "jaxlib", "flax", "optax", "numpy", "optuna", "scikit-learn")


@dataclass(frozen=True)
class Job:
    """A search that passed every check and has its folder."""

    settings: dict[str, Any]
    versions: dict[str, str]
    data: jaxrnn.Data
    metric: str
    trainer: jaxrnn.Trainer
    trials: list[search.Trial]
    plan: tuple[search.Rung, ...]
    space: search.Space
    cohorts: list[dict[str, Any]]
    folder: RunFolder
    begin: float
    clock: search.Clock = field(default_factory=search.Clock)

    @property
    def mode(self) -> str:
        """Which values of the metric are better."""
        return self.data.task.metrics[self.metric]

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics that people see, that of the search first."""
        return tuple(dict.fromkeys([self.metric, *list(self.data.task.metrics)[:SHOWN]]))


def metric_of(name: str | None, data: jaxrnn.Data) -> str:
    """The metric to search by.

    Raises:
        ValueError: One that the task does not have, or that means nothing on the validation part.
    """
    task = data.task
    seen = len(np.unique(data.validation.targets))
    if name == "roc_auc" and name in task.metrics and seen < task.outputs:
        raise ValueError(
            f"`metric` is 'roc_auc', but the validation part has sequences of {seen} of the "
            f"{task.outputs} classes only; choose another one, or another `split`."
        )
    if name == "r2" and name in task.metrics and len(data.validation) < 2:
        raise ValueError("`metric` is 'r2', but the validation part has one sequence only.")
    if name is None or name in task.metrics:
        return name or task.primary
    known = ", ".join(f"'{known}'" for known in task.metrics)
    raise ValueError(f"`metric` is '{name}', but must be one of {known} ({task.name}).")


def space_of(source: str, trainer: jaxrnn.Trainer, epochs: int) -> search.Space:
    """The space by name or from a TOML file, checked against what the trainer takes.

    Raises:
        ValueError: No such file, or an entry that is unknown, out of its limits, never active, or
            a range of whole numbers by mistake.
    """
    if source in jaxrnn.SPACES:
        space = search.Space(trainer.space(source, epochs))
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
    about = {name: getattr(settings, name) for name in ABOUT_DATA}
    about["target"] = settings.target and settings.target.split(",")
    data = jaxrnn.load_data(settings.data, **about)
    metric = metric_of(settings.metric, data)
    trainer = jaxrnn.Trainer(
        data,
        microbatch=settings.microbatch,
        lanes=settings.lanes,
        devices=settings.devices,
        seed=settings.seed,
    )
    space = space_of(settings.space, trainer, settings.max_epochs)
    trials = search.random_trials(space, settings.trials, settings.seed)
    groups = trainer.plan([trial.configuration for trial in trials], settings.max_epochs)
    cohorts = cohort_rows(groups, trainer.lanes)
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{data.name}-{settings.seed}"
    folder = RunFolder(settings.out or unused(Path("runs") / name))
    folder.write_space(space)
    return Job(
        vars(settings), versions, data, metric, trainer, trials, plan, space, cohorts, folder, begin
    )
