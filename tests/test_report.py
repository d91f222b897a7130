"""Tables about a winner: against scikit-learn, and by hand."""

from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics

from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.regression import Regression
from jaxrnn.tasks.report import Table, report
from jaxrnn.tasks.task import Task

TIME = 5


def tables(task: Task, outputs: Any, targets: Any, lengths: Any = None) -> dict[str, Table]:
    """The report, which must be of plain values, and of the same columns in every row."""
    steps = np.full(len(outputs), TIME) if lengths is None else lengths
    found = report(task, np.asarray(outputs, np.float32), np.asarray(targets), steps)
    for table in found.values():
        assert len({tuple(row) for row in table}) <= 1
        assert all(
            type(value) in (int, float, bool, str) for row in table for value in row.values()
        )
    return found


def column(table: Table, name: str) -> list[Any]:
    return [row[name] for row in table]


def logits(shape: tuple[int, ...], classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, classes, shape).astype(np.int32)
    return (rng.normal(size=(*shape, classes)) + np.eye(classes)[targets]).astype(
        np.float32
    ), targets


def check_classes(table: Table, targets: Any, answers: Any, classes: int) -> None:
    nothing: Any = 0  # what scikit-learn's stub calls text
    scores: Any = metrics.precision_recall_fscore_support(
        targets, answers, labels=list(range(classes)), zero_division=nothing
    )
    for name, score in zip(("precision", "recall", "f1", "support"), scores, strict=True):
        np.testing.assert_allclose(column(table, name), score, rtol=1e-9)


def test_classification() -> None:
    outputs, targets = logits((40,), 3)
    targets[targets == 2] = 1  # no sequence is "c"
    found = tables(Classification(("a", "b", "c")), outputs, targets)
    assert list(found) == ["confusion_matrix", "classes", "roc"]
    matrix = found["confusion_matrix"]
    assert column(matrix, "label") == ["a", "b", "c"]
    counts = [[row[f"predicted {label}"] for label in "abc"] for row in matrix]
    answers = outputs.argmax(1)
    assert counts == metrics.confusion_matrix(targets, answers, labels=[0, 1, 2]).tolist()
    assert column(found["classes"], "label") == ["a", "b", "c"]
    check_classes(found["classes"], targets, answers, 3)


@pytest.mark.parametrize("classes", [2, 3])
def test_roc(classes: int) -> None:
    """Areas under the curves are those of scikit-learn; labels are the user's own."""
    outputs, targets = logits((60,), classes)
    labels = tuple(10 * k for k in range(classes))
    roc = tables(Classification(labels), outputs, targets)["roc"]
    expected = labels[1:] if classes == 2 else labels
    assert list(dict.fromkeys(column(roc, "label"))) == list(expected)
    probabilities = softmax(outputs, -1)
    for label in expected:
        rows = [row for row in roc if row["label"] == label]
        k = labels.index(label)
        area = metrics.auc(column(rows, "false_positive_rate"), column(rows, "true_positive_rate"))
        assert area == pytest.approx(metrics.roc_auc_score(targets == k, probabilities[:, k]))
        middle = rows[len(rows) // 2]
        share = (probabilities[targets == k, k] >= middle["threshold"]).mean()
        assert middle["true_positive_rate"] == pytest.approx(share)


def test_roc_of_classes_that_occur() -> None:
    outputs, targets = logits((20,), 3)
    targets[targets == 2] = 1
    task = Classification((True, False, 3))
    assert set(column(tables(task, outputs, targets)["roc"], "label")) == {True, False}
    assert not tables(task, outputs, np.ones(20, int))["roc"]
    assert "roc" not in tables(Classification((1, 2, 3), ranks=False), outputs, targets)


def test_a_label_may_be_called_label() -> None:
    (row, _) = tables(Classification(("label", "x")), [[1, 0]], [0])["confusion_matrix"]
    assert row == {"label": "label", "predicted label": 1, "predicted x": 0}


def test_labelling() -> None:
    outputs, targets = logits((6, TIME), 3)
    lengths = np.array([1, 2, 3, 4, 5, 5])
    true = np.arange(TIME) < lengths[:, None]
    outputs[~true], targets[~true] = np.nan, -1
    (name, table), *more = tables(Labelling(("x", "y", "z")), outputs, targets, lengths).items()
    assert name == "classes" and not more
    assert column(table, "label") == ["x", "y", "z"]
    check_classes(table, targets[true], outputs[true].argmax(-1), 3)
    assert sum(column(table, "support")) == 20


@pytest.mark.parametrize("labels", [1, 4])
def test_next_step(labels: int) -> None:
    """Labels with any support, by their index."""
    rng = np.random.default_rng(0)
    outputs = rng.normal(size=(6, TIME, labels)).astype(np.float32)
    targets = (rng.random(outputs.shape) < 0.4).astype(np.uint8)
    lengths = np.array([1, 2, 3, 4, 5, 5])
    true = np.arange(TIME) < lengths[:, None]
    silent = labels // 2 if labels > 1 else None
    if silent is not None:
        targets[..., silent][true] = 0
    outputs[~true], targets[~true] = np.nan, 9
    table = tables(NextStep(labels), outputs, targets, lengths)["classes"]
    assert column(table, "label") == [k for k in range(labels) if k != silent]
    for row in table:
        k: Any = row["label"]
        truth, answers = targets[true][:, k], outputs[true][:, k] > 0
        assert row["support"] == truth.sum() > 0
        assert row["precision"] == pytest.approx(metrics.precision_score(truth, answers))
        assert row["recall"] == pytest.approx(metrics.recall_score(truth, answers))
        assert row["f1"] == pytest.approx(metrics.f1_score(truth, answers))


def test_language() -> None:
    third = np.log([0.2, 0.3, 0.5])
    outputs = np.tile(third, (2, 3, 1))
    targets, lengths = np.array([[1, 2, 2], [2, 0, 0]]), np.array([3, 1])
    outputs[1, 1:] = np.nan
    table = tables(Language(("?", "a", "b"), "character"), outputs, targets, lengths)["tokens"]
    assert column(table, "token") == ["b", "a"]
    assert column(table, "count") == [3, 1]
    assert column(table, "accuracy") == [1, 0]
    assert column(table, "nats") == pytest.approx([-third[2], -third[1]])


MEAN, SCALE = (3.0, -70.1), (0.25, 13.7)


def check_errors(row: dict[str, Any], answers: np.ndarray, truth: np.ndarray) -> None:
    assert row["mse"] == pytest.approx(metrics.mean_squared_error(truth, answers))
    assert row["rmse"] == pytest.approx(metrics.root_mean_squared_error(truth, answers))
    assert row["mae"] == pytest.approx(metrics.mean_absolute_error(truth, answers))
    assert row["r2"] == pytest.approx(metrics.r2_score(truth, answers))


def test_regression() -> None:
    rng = np.random.default_rng(0)
    raw, outputs = rng.normal(size=(9, 2)) * SCALE + MEAN, rng.normal(size=(9, 2))
    raw[3] = 0.0
    targets = ((raw - MEAN) / SCALE).astype(np.float32)
    table = tables(Regression(("a", "b"), MEAN, SCALE), outputs, targets)["targets"]
    assert column(table, "name") == ["a", "b"]
    for k, row in enumerate(table):
        answers = outputs[:, k].astype(np.float32).astype(float) * SCALE[k] + MEAN[k]
        check_errors(row, answers, raw[:, k])
        mape = metrics.mean_absolute_percentage_error(raw[:, k], answers)
        assert row["mape"] == pytest.approx(mape) and mape > 1e10


def test_regression_of_a_constant_and_of_a_single_sample() -> None:
    task = Regression(("a",), (0.0,), (1.0,))
    targets = np.full((3, 1), 0.1)
    assert targets.mean() != 0.1  # scikit-learn would divide by the rounding
    assert column(tables(task, targets + 1, targets)["targets"], "r2") == [0]
    (row,) = tables(task, [[1.0]], [[2.0]])["targets"]
    assert np.isnan(row["r2"]) and row["mse"] == 1


def test_forecasting() -> None:
    """Standardised errors of every variable, and of every step ahead; relative ones as they are."""
    rng = np.random.default_rng(0)
    targets = rng.normal(size=(7, 3, 2)).astype(np.float32)
    outputs = (targets + rng.normal(size=targets.shape)).astype(np.float32)
    task = Forecasting(("a", "b"), MEAN, SCALE, (0, 1), 3)
    found = tables(task, outputs.reshape(7, 6), targets)
    assert list(found) == ["targets", "horizon"] and column(found["targets"], "name") == ["a", "b"]
    for k, row in enumerate(found["targets"]):
        answers, truth = (x[..., k].ravel().astype(float) for x in (outputs, targets))
        check_errors(row, answers, truth)
        raw = truth * SCALE[k] + MEAN[k], answers * SCALE[k] + MEAN[k]
        assert row["mape"] == pytest.approx(metrics.mean_absolute_percentage_error(*raw))
    assert column(found["horizon"], "step") == [1, 2, 3]
    for k, row in enumerate(found["horizon"]):
        assert row["mse"] == pytest.approx(((outputs - targets)[:, k] ** 2).mean())
        assert row["mae"] == pytest.approx(abs(outputs - targets)[:, k].mean())


def test_no_report_of_no_task() -> None:
    with pytest.raises(TypeError):
        report("nothing", np.ones((1, 1)), np.ones(1), np.ones(1))  # pyright: ignore[reportArgumentType]
