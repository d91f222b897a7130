"""Inputs of a search, made from its settings: data, trainers, metric and plan."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
import pandas as pd

import jaxrnn
import search
from jaxrnn.data.from_arrays import to_sequences
from jaxrnn.data.load import load_source, load_source_folds
from jaxrnn.data.options import ColumnRoles, TaskOptions
from jaxrnn.data.records import Record
from jaxrnn.population.options import Precision
from jaxrnn.tuner.planning import Configurations, plan_of, space_of, starts_of
from jaxrnn.tuner.settings import FIELDS, IN_PYTHON, Settings
from search.rungs import check_whole

COLUMNS = ("target", "group", "time")
"""Settings that name columns of a table."""
TASK_OPTIONS = tuple(option.name for option in fields(TaskOptions))
"""Settings about what is to be learned."""


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
        load_seconds: Seconds in which the data was read, divided and scaled.
    """

    data: list[jaxrnn.Data]
    trainers: list[jaxrnn.Trainer]
    plan: search.Plan
    starts: Configurations
    totals: tuple[int, ...]
    expected: Configurations
    load_seconds: float

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
        begin = time.perf_counter()
        data = data_of(settings)
        load_seconds = time.perf_counter() - begin
        trainers = [_trainer(fold, settings) for fold in data]
        check_whole("repeats", settings.repeats)
        search_space = space_of(space, trainers[0], settings.max_epochs)
        metric = metric_of(settings.metric, data[0])
        starts = saved["starts"] if saved else starts_of(settings, search_space)
        totals = _raised(tuple(saved.get("totals", ())), settings.trials)
        plan = plan_of(settings, trainers[0], search_space, metric, starts, totals)
        totals = totals or (settings.trials or plan.scheduler.trials,)
        expected = search.plan_trainers(plan, trainers, totals[0], settings.repeats)
        return cls(data, trainers, plan, starts, totals, expected, load_seconds)


def data_of(settings: Settings) -> list[jaxrnn.Data]:
    """Load the data, once for every fold.

    Raises:
        ValueError: The data or a setting is refused, as by `jaxrnn.load_data` and `jaxrnn.folds`.
    """
    source = settings.data
    if isinstance(source, jaxrnn.Data):
        names = *COLUMNS, *TASK_OPTIONS, "split", "folds"
        _refuse(settings, names, "data that is divided already")
        return [source]
    if isinstance(source, str) and source == IN_PYTHON:
        raise ValueError(f"`data` is missing, but this run began with data {IN_PYTHON}.")
    if not isinstance(source, str | pd.DataFrame):
        _refuse(settings, COLUMNS, "arrays")
        source = _record(source)
    options = TaskOptions(**{name: getattr(settings, name) for name in TASK_OPTIONS})
    if settings.folds == 1:
        return [load_source(source, _roles(settings), options, settings.split, settings.seed)]
    return _folds(source, options, settings)


def _roles(settings: Settings) -> ColumnRoles:
    target = settings.target and settings.target.split(",")
    forecast = settings.horizon is not None
    return ColumnRoles.of(target, settings.group, settings.time, forecast)


def _record(source: Any) -> Record:
    """Make a record of arrays; what `jaxrnn.read_data` returned is one."""
    if isinstance(source, Record):
        return source
    if isinstance(source, tuple | list) and len(source) in (2, 3):
        inputs, targets, *lengths = source
        return to_sequences(inputs, targets, lengths=lengths[0] if lengths else None)
    raise ValueError(
        f"`data` is {type(source).__name__}, but must be a name, the path of a file, a "
        "jaxrnn.Data, a pandas frame, or arrays (inputs, targets) or (inputs, targets, lengths)."
    )


def _refuse(settings: Settings, names: tuple[str, ...], what: str) -> None:
    """Refuse settings that have no meaning for this kind of data."""
    for name in names:
        if (value := getattr(settings, name)) != FIELDS[name].default:
            raise ValueError(f"`{name}` is {value!r}, but has no meaning for {what}.")


def _folds(
    source: str | pd.DataFrame | Record, options: TaskOptions, settings: Settings
) -> list[jaxrnn.Data]:
    """Load the folds; sentences name the setting, `folds`."""
    check_whole("folds", settings.folds)
    if settings.split is not None:
        raise ValueError("`split` is given, but folds divide by themselves; leave one of both out.")
    try:
        roles = _roles(settings)
        return load_source_folds(source, settings.folds, roles, options, seed=settings.seed)
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
    """Choose the metric to search by; None stands for that of the task.

    Raises:
        ValueError: The task does not have the metric, or it means nothing on the validation part.
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
    metrics = ", ".join(f"'{metric}'" for metric in task.metrics)
    raise ValueError(f"`metric` is '{name}', but must be one of {metrics} ({task.name}).")


def _raised(totals: tuple[int, ...], trials: int | None) -> tuple[int, ...]:
    """Add the new total of trials, if a run that goes on is to have more."""
    if not totals or trials is None or trials == totals[-1]:
        return totals
    if trials < totals[-1]:
        raise ValueError(
            f"`trials` is {trials}, but this run has {totals[-1]} already; the number is a total."
        )
    return (*totals, trials)
