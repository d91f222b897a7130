"""All kinds of tasks by name, and their conversion to JSON."""

from typing import Any

from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.regression import Regression
from jaxrnn.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    kind.name: kind
    for kind in (Classification, Regression, Forecasting, NextStep, Labelling, Language)
}


def to_json(task: Task) -> dict[str, Any]:
    """Convert a task to values that JSON knows, its kind first."""
    lists = {name: list(v) if isinstance(v, tuple) else v for name, v in vars(task).items()}
    return {"kind": task.name, **lists}


def from_json(document: dict[str, Any]) -> Task:
    """Restore the task that `to_json` converted.

    Raises:
        ValueError: If the kind is unknown.
    """
    values = dict(document)
    kind = values.pop("kind", None)
    if kind not in TASKS:
        raise ValueError(f"`kind` is {kind!r}, but must be one of {', '.join(map(repr, TASKS))}.")
    tuples = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return TASKS[kind](**tuples)
