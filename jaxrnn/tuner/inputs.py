"""Inputs of a search, made from its settings: data, trainers, metric and plan."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import pandas as pd

import jaxrnn
import search
from jaxrnn.data.from_arrays import to_sequences
from jaxrnn.data.prepare import Record, prepare
from jaxrnn.population.options import Precision
from jaxrnn.tuner.planning import Configurations, plan_of, space_of, starts_of
from jaxrnn.tuner.settings import FIELDS, IN_PYTHON, Settings
from search.rungs import check_whole

COLUMNS = ("target", "group", "time")
"""Settings about columns of a table."""
RECORDS = ("task", "look_back", "horizon", "reach_back", "block", "unit")
"""Settings about what is learned from a record, besides `split` and `folds`."""


@dataclass(frozen=True)
class Inputs:
    """Data, trainers and plan of a search, all of them checked.

    Attributes:
        data: Data of every fold.
        trainers: Trainers, one for every fold.
        plan: Plan of the search.
        starts: Configurations to begin with.
        totals: Number of trials when the run began, then each number to which it was raised.
        expected: Configurations like those to come.
    """

    data: list[jaxrnn.Data]
    trainers: list[jaxrnn.Trainer]
    plan: search.Plan
    starts: Configurations
    totals: tuple[int, ...]
    expected: Configurations

    @classmethod
    def of(cls, settings: Settings, space: Any, saved: Mapping[str, Any]) -> "Inputs":
        """Make and check everything that needs no folder.

        Args:
            settings: Settings of the run.
            space: Space, as `space_of` takes it.
            saved: Content of settings.json of a run that goes on; empty for a new one.

        Raises:
            ValueError: A setting that can't be used, in a sentence for people.
        """
        data = data_of(settings)
        trainers = [_trainer(fold, settings) for fold in data]
        check_whole("repeats", settings.repeats)
        search_space = space_of(space, trainers[0], settings.max_epochs)
        metric = metric_of(settings.metric, data[0])
        starts = saved["starts"] if saved else starts_of(settings, search_space)
        totals = _raised(tuple(saved.get("totals", ())), settings.trials)
        plan = plan_of(settings, trainers[0], search_space, metric, starts, totals)
        totals = totals or (settings.trials or plan.scheduler.trials,)
        expected = search.plan_trainers(plan, trainers, totals[0], settings.repeats)
        return cls(data, trainers, plan, starts, totals, expected)


def data_of(settings: Settings) -> list[jaxrnn.Data]:
    """Return the data of every fold.

    Raises:
        ValueError: As `jaxrnn.load_data` and `jaxrnn.folds`, or folds of parts that are given.
    """
    source = settings.data
    if isinstance(source, jaxrnn.Data):
        _refuse(settings, (*COLUMNS, *RECORDS, "split", "folds"), "data that is divided already")
        return [source]
    if isinstance(source, str) and source == IN_PYTHON:
        raise ValueError(f"`data` is missing, but this run began with data {IN_PYTHON}.")
    options: dict[str, Any] = {name: getattr(settings, name) for name in (*RECORDS, "seed")}
    if isinstance(source, str | pd.DataFrame):
        options |= {name: getattr(settings, name) for name in COLUMNS}
        options["target"] = settings.target and settings.target.split(",")
        load, load_folds = partial(jaxrnn.load_data, source), partial(jaxrnn.load_folds, source)
    else:
        _refuse(settings, COLUMNS, "arrays")
        raw = _record(source)
        load, load_folds = partial(prepare, raw), partial(jaxrnn.folds, raw)
    if settings.folds == 1:
        return [load(split=settings.split, **options)]
    return _folded(partial(load_folds, settings.folds, **options), settings)


def _record(source: Any) -> Record:
    """Arrays, or what `jaxrnn.read_data` gave, as a record."""
    if isinstance(source, tuple) and len(source) in (2, 3):
        inputs, targets, *lengths = source
        return to_sequences(inputs, targets, lengths=lengths[0] if lengths else None)
    if isinstance(source, Record):
        return source
    raise ValueError(
        f"`data` is {type(source).__name__}, but must be a name, the path of a file, a "
        "jaxrnn.Data, a pandas frame, or arrays (inputs, targets) or (inputs, targets, lengths)."
    )


def _refuse(settings: Settings, names: tuple[str, ...], what: str) -> None:
    """Refuse settings that have no meaning for this kind of data."""
    for name in names:
        if (value := getattr(settings, name)) != FIELDS[name].default:
            raise ValueError(f"`{name}` is {value!r}, but has no meaning for {what}.")


def _folded(load: partial[list[jaxrnn.Data]], settings: Settings) -> list[jaxrnn.Data]:
    check_whole("folds", settings.folds)
    if settings.split is not None:
        raise ValueError("`split` is given, but folds divide by themselves; leave one of both out.")
    try:
        return load()
    except ValueError as error:
        raise ValueError(str(error).replace("`k` is", "`folds` is")) from error


def _trainer(data: jaxrnn.Data, settings: Settings) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(
        data,
        microbatch=settings.microbatch,
        lanes=settings.lanes,
        devices=settings.devices,
        memory_limit=settings.memory_limit,
        seed=settings.seed,
        precision=cast(Precision, settings.precision),
        autotune=not settings.no_autotune,
    )


def metric_of(name: str | None, data: jaxrnn.Data) -> str:
    """Return the metric to search by.

    Raises:
        ValueError: One that the task does not have, or that means nothing on the validation part.
    """
    task = data.task
    classes = len(np.unique(data.validation.targets))
    if name == "roc_auc" and name in task.metrics and classes < task.outputs:
        raise ValueError(
            f"`metric` is 'roc_auc', but the validation part has sequences of {classes} of the "
            f"{task.outputs} classes only; choose another one, or another `split`."
        )
    if name == "r2" and name in task.metrics and len(data.validation) < 2:
        raise ValueError("`metric` is 'r2', but the validation part has one sequence only.")
    if name is None or name in task.metrics:
        return name or task.primary
    known = ", ".join(f"'{known}'" for known in task.metrics)
    raise ValueError(f"`metric` is '{name}', but must be one of {known} ({task.name}).")


def _raised(totals: tuple[int, ...], trials: int | None) -> tuple[int, ...]:
    """Return the totals, with one more if a run that goes on is to have more trials."""
    if not totals or trials is None or trials == totals[-1]:
        return totals
    if trials < totals[-1]:
        raise ValueError(
            f"`trials` is {trials}, but this run has {totals[-1]} already; the number is a total."
        )
    return (*totals, trials)
