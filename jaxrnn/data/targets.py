"""Targets define the task: classes or values, per sequence or per step."""

import numpy as np

from jaxrnn.data.arrays import step_mask
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.splitting import Parts
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.regression import Regression
from jaxrnn.tasks.task import Task
from jaxrnn.types import Value

CLASSIFICATION, REGRESSION, LABELLING = KINDS = "classification", "regression", "labelling"
MOST_SCORES = 2**22
"""Most scores of an evaluation that are kept to be ranked."""


def guess(targets: np.ndarray, time: int) -> str:
    """Guess the kind of task from targets `(samples,)` or `(samples, ...)`.

    Raises:
        ValueError: Two-dimensional targets may as well be one-hot labels.
    """
    numbers = targets.dtype.kind == "f"
    if targets.ndim == 1:
        return REGRESSION if numbers and (targets % 1 != 0).any() else CLASSIFICATION
    if _one_hot(targets):
        raise ValueError(
            f"`targets` have the shape {targets.shape} and look like one-hot labels; "
            "give one label per sample, `.argmax(-1)`, or say which `task` it is."
        )
    steps = targets.shape[1] == time
    if numbers and not (steps and (targets % 1 == 0).all()):
        return REGRESSION
    if steps:
        return LABELLING
    raise ValueError(
        f"`targets` are {targets.dtype} of the shape {targets.shape}, but must be one per sample, "
        f"or one per time step, of which there are {time}; for amounts say `task='regression'`."
    )


def _one_hot(targets: np.ndarray) -> bool:
    if targets.dtype.kind == "U":
        return False
    return bool(np.isin(targets, (0, 1)).all() and (targets.sum(1) == 1).all())


def kind_of(task: str | None, targets: np.ndarray, time: int) -> str:
    """Return the task if targets fit it; None stands for a guess.

    Raises:
        ValueError: The task is unknown, or targets don't fit it.
    """
    if task is None:
        return guess(targets, time)
    if task not in KINDS:
        raise ValueError(f"`task` is {task!r}, but must be one of {', '.join(KINDS)} here.")
    shape, dtype = targets.shape, targets.dtype
    if task == REGRESSION and dtype.kind == "U":
        raise ValueError(f"`task` is {task!r}, but targets are text, and must be numbers.")
    if task == CLASSIFICATION and targets.ndim != 1:
        raise ValueError(f"`task` is {task!r}, but targets are {shape}: not one label per sample.")
    if task == LABELLING and shape[1:] != (time,):
        raise ValueError(
            f"`task` is {task!r}, but targets are {shape}: not one label for each of {time} steps."
        )
    return task


def task_of(
    kind: str, parts: Parts, targets: np.ndarray, lengths: np.ndarray, names: tuple[str, ...] = ()
) -> Task:
    """Make the task that targets of the training part define.

    Args:
        kind: Name in `KINDS`.
        parts: Division of the samples.
        targets: Targets of all samples, `(samples,)` or `(samples, ...)`.
        lengths: True steps of all samples, `(samples,)`.
        names: Names of the values of a regression.

    Raises:
        ValueError: There is a single class, or values are too large to standardise.
    """
    trained = targets[parts.train]
    if kind == REGRESSION:
        return regression(Scaling.fit_rows(as_columns(trained), "`train` targets"), names)
    labels = trained
    if kind == LABELLING:
        labels = trained[step_mask(lengths[parts.train], trained)]
    evaluated = max(len(parts.validation), len(parts.test))
    return labels_of_classes(kind, tuple(np.unique(labels).tolist()), evaluated)


def as_columns(targets: np.ndarray) -> np.ndarray:
    """Return values as `(samples, values)`, also where there is only one."""
    return targets.reshape(len(targets), -1)


def regression(scaling: Scaling, names: tuple[str, ...] = ()) -> Regression:
    """Make a regression of values with this mean and scale in the training part."""
    count = scaling.inputs
    numbered = ("target",) if count == 1 else tuple(f"target {k + 1}" for k in range(count))
    mean, scale = tuple(scaling.mean.tolist()), tuple(scaling.scale.tolist())
    return Regression(names or numbered, mean, scale)


def labels_of_classes(kind: str, classes: tuple[Value, ...], evaluated: int) -> Task:
    """Make a task of one class per sequence or per step.

    Args:
        kind: `classification` or `labelling`.
        classes: Classes of the training part.
        evaluated: Most sequences of an evaluation.

    Raises:
        ValueError: There are less than two classes.
    """
    if len(classes) < 2:
        raise ValueError(f"`train` targets hold {len(classes)} class, but must hold at least 2.")
    if kind == LABELLING:
        return Labelling(classes)
    return Classification(classes, ranks=evaluated * len(classes) <= MOST_SCORES)
