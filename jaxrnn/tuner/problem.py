"""What there is to learn and where to search, as the settings of a command line say."""

import argparse
from pathlib import Path

import numpy as np

import jaxrnn
import search
from search.rungs import check_whole

ABOUT_DATA = ("task", "target", "group", "time", "look_back", "horizon", "reach_back", "block")
ABOUT_DATA += ("unit", "seed")
"""Settings that `jaxrnn.load_data` takes, besides `split`."""


def data_of(settings: argparse.Namespace) -> list[jaxrnn.Data]:
    """The data, once for every fold.

    Raises:
        ValueError: As `jaxrnn.load_data` and `jaxrnn.folds`, or folds of parts that are given.
    """
    about = {name: getattr(settings, name) for name in ABOUT_DATA}
    about["target"] = settings.target and settings.target.split(",")
    if settings.folds == 1:
        return [jaxrnn.load_data(settings.data, split=settings.split, **about)]
    check_whole("folds", settings.folds)
    if settings.split is not None:
        raise ValueError("`split` is given, but folds divide by themselves; leave one of both out.")
    try:
        return jaxrnn.load_folds(settings.data, settings.folds, **about)
    except ValueError as error:
        raise ValueError(str(error).replace("`k` is", "`folds` is")) from error


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
