"""Tables about a winner's answers, on the host: what its metrics sum up, one by one."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any, TypeAlias

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn import metrics

from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.metrics import inverse_transform
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.regression import Regression
from jaxrnn.tasks.task import Task
from jaxrnn.types import Value

Table: TypeAlias = list[dict[str, Value]]
"""A dict per row, all with the same columns."""


@singledispatch
def report(
    task: Task, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    """Tables by name, which depend on the kind of task.

    Args:
        task: What was asked.
        outputs: As the network puts them out, `(samples, outputs)`, or `(samples, time, outputs)`
            where an answer is due after every step.
        targets: As the task wants them.
        lengths: True steps of each, `(samples,)`.
    """
    raise TypeError(f"no report for {task!r}")


@report.register
def _(
    task: Classification, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    del lengths
    answers = outputs.argmax(-1)
    tables = {
        "confusion_matrix": _confusion_matrix(task, answers, targets),
        "classes": _of_classes(task.classes, answers, targets, range(task.outputs)),
    }
    return {**tables, "roc": _roc(task, outputs, targets)} if task.ranks else tables


@report.register
def _(
    task: Labelling, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    true = _true_steps(outputs, lengths)
    answers = outputs[true].argmax(-1)
    return {"classes": _of_classes(task.classes, answers, targets[true], range(task.outputs))}


@report.register
def _(
    task: NextStep, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    true = _true_steps(outputs, lengths)
    answers, targets = task.decode(outputs[true]), targets[true] > 0
    table: Table = []
    for k in np.flatnonzero(targets.any(0)).tolist():
        table += _of_classes([k], answers[:, k], targets[:, k], among=[True])
    return {"classes": table}


@report.register
def _(
    task: Language, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    true = _true_steps(outputs, lengths)
    outputs, targets = outputs[true], targets[true]
    right = outputs.argmax(-1) == targets
    nats = -np.take_along_axis(log_softmax(outputs, -1), targets[:, None], -1)[:, 0]
    totals = (np.bincount(targets, weights, task.outputs) for weights in (None, right, nats))
    rows = zip(task.tokens, *(total.tolist() for total in totals), strict=True)
    table: Table = [
        {"token": token, "count": count, "accuracy": hits / count, "nats": total / count}
        for token, count, hits, total in rows
        if count
    ]
    return {"tokens": sorted(table, key=lambda row: row["count"], reverse=True)}


@report.register
def _(
    task: Regression, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    del lengths
    answers, truth = task.decode(outputs), task.decode(targets)
    columns = zip(task.names, answers.T, truth.T, strict=True)
    return {"targets": [{"name": name, **_errors(*column)} for name, *column in columns]}


@report.register
def _(
    task: Forecasting, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    del lengths
    outputs = outputs.reshape(targets.shape)
    answers, truth = (
        inverse_transform(values, task.mean, task.scale) for values in (outputs, targets)
    )
    table: Table = []
    for k, name in enumerate(task.names):
        raw = {"mape": _mape(answers[..., k].ravel(), truth[..., k].ravel())}
        standardised = _errors(outputs[..., k].ravel(), targets[..., k].ravel())
        table.append({"name": name, **standardised, **raw})
    error = outputs - targets
    steps = zip((error**2).mean((0, 2)).tolist(), abs(error).mean((0, 2)).tolist(), strict=True)
    horizon: Table = [{"step": k, "mse": mse, "mae": mae} for k, (mse, mae) in enumerate(steps, 1)]
    return {"targets": table, "horizon": horizon}


def _true_steps(outputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """`(samples, time)` bool."""
    return np.arange(outputs.shape[1]) < lengths[:, None]


def _confusion_matrix(task: Classification, answers: np.ndarray, targets: np.ndarray) -> Table:
    """A row per true label, a column per answer."""
    matrix = metrics.confusion_matrix(targets, answers, labels=range(task.outputs))
    columns = [f"predicted {label}" for label in task.classes]  # no label makes it `label`
    return [
        {"label": label, **dict(zip(columns, row.tolist(), strict=True))}
        for label, row in zip(task.classes, matrix, strict=True)
    ]


def _of_classes(
    labels: Sequence[Value], answers: np.ndarray, targets: np.ndarray, among: Sequence[int]
) -> Table:
    """A row per label, which `answers` and `targets` `(decisions,)` call by its value `among`."""
    nothing: Any = 0  # what scikit-learn's stub calls text
    scores = metrics.precision_recall_fscore_support(
        targets, answers, labels=among, zero_division=nothing
    )
    names = "label", "precision", "recall", "f1", "support"
    rows = zip(labels, *(np.asarray(score).tolist() for score in scores), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _roc(task: Classification, outputs: np.ndarray, targets: np.ndarray) -> Table:
    """Of the second of two classes, or of each against the rest, where both sides occur."""
    scores, table = softmax(outputs, -1), []
    for k in task.scored_classes:
        positive = targets == k
        if positive.any() and not positive.all():
            curve = metrics.roc_curve(positive, scores[:, k])
            table += [
                {
                    "label": task.classes[k],
                    "false_positive_rate": wrong,
                    "true_positive_rate": right,
                    "threshold": threshold,
                }
                for wrong, right, threshold in zip(*(c.tolist() for c in curve), strict=True)
            ]
    return table


def _errors(answers: np.ndarray, truth: np.ndarray) -> dict[str, Value]:
    """Of one variable, `(rows,)`."""
    # Relative to the first: the mean of equal values may be rounded, and r2 would divide by that.
    moved = truth - truth[0], answers - truth[0]
    return {
        "mse": float(metrics.mean_squared_error(truth, answers)),
        "rmse": float(metrics.root_mean_squared_error(truth, answers)),
        "mae": float(metrics.mean_absolute_error(truth, answers)),
        "mape": _mape(answers, truth),
        "r2": float(metrics.r2_score(*moved)) if len(truth) > 1 else float("nan"),
    }


def _mape(answers: np.ndarray, truth: np.ndarray) -> float:
    return float(metrics.mean_absolute_percentage_error(truth, answers))
