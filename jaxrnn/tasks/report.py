"""Tables about the predictions of a model, on the host: the details behind its metrics."""

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
"""Rows as dictionaries, all with the same columns."""


@singledispatch
def report(
    task: Task, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    """Compute tables by name, which depend on the kind of task.

    Args:
        task: Task of the model.
        outputs: Outputs of the network, `(samples, outputs)`, or `(samples, time, outputs)` for
            tasks per step.
        targets: Targets in the form of the task.
        lengths: True steps of each sequence, `(samples,)`.

    Raises:
        TypeError: If there is no report for the kind of task.
    """
    raise TypeError(f"no report for {task!r}")


@report.register
def _(
    task: Classification, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    del lengths
    predictions = outputs.argmax(-1)
    tables = {
        "confusion_matrix": _confusion_matrix(task, predictions, targets),
        "classes": _class_rows(task.classes, predictions, targets, range(task.outputs)),
    }
    return {**tables, "roc": _roc(task, outputs, targets)} if task.ranks else tables


@report.register
def _(
    task: Labelling, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    true = _true_steps(outputs, lengths)
    predictions = outputs[true].argmax(-1)
    return {"classes": _class_rows(task.classes, predictions, targets[true], range(task.outputs))}


@report.register
def _(
    task: NextStep, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    true = _true_steps(outputs, lengths)
    predictions, targets = task.decode(outputs[true]), targets[true] > 0
    table: Table = []
    for k in np.flatnonzero(targets.any(0)).tolist():
        table += _class_rows([k], predictions[:, k], targets[:, k], index=[True])
    return {"classes": table}


@report.register
def _(
    task: Language, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    true = _true_steps(outputs, lengths)
    outputs, targets = outputs[true], targets[true]
    correct = outputs.argmax(-1) == targets
    nats = -np.take_along_axis(log_softmax(outputs, -1), targets[:, None], -1)[:, 0]
    totals = (np.bincount(targets, weights, task.outputs) for weights in (None, correct, nats))
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
    predictions, actual = task.decode(outputs), task.decode(targets)
    columns = zip(task.names, predictions.T, actual.T, strict=True)
    return {
        "targets": [{"name": name, **_regression_metrics(*column)} for name, *column in columns]
    }


@report.register
def _(
    task: Forecasting, outputs: np.ndarray, targets: np.ndarray, lengths: np.ndarray
) -> dict[str, Table]:
    del lengths
    outputs = outputs.reshape(targets.shape)
    predictions, actual = (
        inverse_transform(values, task.mean, task.scale) for values in (outputs, targets)
    )
    table: Table = []
    for k, name in enumerate(task.names):
        raw = {"mape": _mape(predictions[..., k].ravel(), actual[..., k].ravel())}
        standardised = _regression_metrics(outputs[..., k].ravel(), targets[..., k].ravel())
        table.append({"name": name, **standardised, **raw})
    error = outputs - targets
    steps = zip((error**2).mean((0, 2)).tolist(), abs(error).mean((0, 2)).tolist(), strict=True)
    horizon: Table = [{"step": k, "mse": mse, "mae": mae} for k, (mse, mae) in enumerate(steps, 1)]
    return {"targets": table, "horizon": horizon}


def _true_steps(outputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mark the steps that are no padding, `(samples, time)` bool."""
    return np.arange(outputs.shape[1]) < lengths[:, None]


def _confusion_matrix(task: Classification, predictions: np.ndarray, targets: np.ndarray) -> Table:
    """Build a row per true label with a column per predicted label."""
    matrix = metrics.confusion_matrix(targets, predictions, labels=range(task.outputs))
    columns = [f"predicted {label}" for label in task.classes]  # no label makes it `label`
    return [
        {"label": label, **dict(zip(columns, row.tolist(), strict=True))}
        for label, row in zip(task.classes, matrix, strict=True)
    ]


def _class_rows(
    labels: Sequence[Value], predictions: np.ndarray, targets: np.ndarray, index: Sequence[int]
) -> Table:
    """Build a row per label; `predictions` and `targets` `(samples,)` hold its `index` instead."""
    zero: Any = 0  # scikit-learn's stub allows text alone
    scores = metrics.precision_recall_fscore_support(
        targets, predictions, labels=index, zero_division=zero
    )
    names = "label", "precision", "recall", "f1", "support"
    rows = zip(labels, *(np.asarray(score).tolist() for score in scores), strict=True)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _roc(task: Classification, outputs: np.ndarray, targets: np.ndarray) -> Table:
    """List ROC curves of the second of two classes, or of each against the rest.

    Classes of which only one side occurs are left out.
    """
    scores, table = softmax(outputs, -1), []
    for k in task.scored_classes:
        positive = targets == k
        if positive.any() and not positive.all():
            curve = metrics.roc_curve(positive, scores[:, k])
            table += [
                {
                    "label": task.classes[k],
                    "false_positive_rate": false_rate,
                    "true_positive_rate": true_rate,
                    "threshold": threshold,
                }
                for false_rate, true_rate, threshold in zip(
                    *(c.tolist() for c in curve), strict=True
                )
            ]
    return table


def _regression_metrics(predictions: np.ndarray, actual: np.ndarray) -> dict[str, Value]:
    """Compute the metrics of one variable, `(rows,)`."""
    # The first is subtracted: the mean of equal values may be rounded, and r2 would divide by that.
    moved = actual - actual[0], predictions - actual[0]
    return {
        "mse": float(metrics.mean_squared_error(actual, predictions)),
        "rmse": float(metrics.root_mean_squared_error(actual, predictions)),
        "mae": float(metrics.mean_absolute_error(actual, predictions)),
        "mape": _mape(predictions, actual),
        "r2": float(metrics.r2_score(*moved)) if len(actual) > 1 else float("nan"),
    }


def _mape(predictions: np.ndarray, actual: np.ndarray) -> float:
    return float(metrics.mean_absolute_percentage_error(actual, predictions))
