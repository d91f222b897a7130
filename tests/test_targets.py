"""Targets: which task they ask for, and how that task wants them."""

from typing import Any

import numpy as np
import pytest
from support.datasets import sequences, uneven
from support.splits import raw_of, splits_of, train_of

import jaxrnn
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.regression import Regression

X, Y = sequences(200)
VALUES = X.sum((1, 2))
STEPS = (X[..., 0] > 0).astype(int)


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (Y, "classification"),
        (Y.astype(float), "classification"),
        (Y > 0, "classification"),
        (Y.astype(str), "classification"),
        (VALUES, "regression"),
        (np.where(np.arange(200) == 7, 0.5, Y), "regression"),
        (VALUES[:, None], "regression"),
        (X[:, 0], "regression"),
        (X[:, :, 0], "regression"),  # as many values as steps, but with fractions
        (STEPS, "labelling"),
        (STEPS > 0, "labelling"),
        (np.where(STEPS, "up", "down"), "labelling"),
    ],
)
def test_targets_say_which_task_it_is(targets: Any, kind: str) -> None:
    data = jaxrnn.from_arrays(X, targets)
    assert data.task.name == kind
    assert jaxrnn.from_arrays(X, targets, task=kind).task == data.task


@pytest.mark.parametrize(
    ("targets", "task", "message"),
    [
        (Y, "clustering", "`task` is 'clustering', but must be one of classification, regression,"),
        (
            Y,
            "labelling",
            "`task` is 'labelling', but targets are (200,): not one label for each of",
        ),
        (STEPS, "classification", "`task` is 'classification', but targets are (200, 6): not one"),
        (Y.astype(str), "regression", "`task` is 'regression', but targets are text"),
    ],
)
def test_tasks_that_targets_do_not_allow(targets: Any, task: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        jaxrnn.from_arrays(X, targets, task=task)
    assert message in str(error.value)


def test_values_are_standardised_with_the_training_part() -> None:
    values = np.c_[VALUES * 100 + 1000, Y, np.full(200, 5.0)].astype(np.float64)
    data = jaxrnn.from_arrays(X, values, task="regression")
    task = data.task
    assert isinstance(task, Regression)
    assert task.names == ("target 1", "target 2", "target 3") and data.spec.outputs == 3
    assert train_of(data).targets.dtype == np.float32
    np.testing.assert_allclose(train_of(data).targets.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(train_of(data).targets.std(0), [1, 1, 0], atol=1e-6)
    assert np.abs(data.test.targets.mean(0)[:2]).min() > 1e-3
    back = [task.decode(split.targets) for split in splits_of(data)]
    np.testing.assert_allclose(
        np.sort(np.concatenate(back), axis=0), np.sort(values, axis=0), rtol=1e-5, atol=1e-4
    )
    single = jaxrnn.from_arrays(X, Y, task="regression").task
    assert isinstance(single, Regression) and single.names == ("target",)


def test_labels_of_true_steps_alone_count() -> None:
    raw, _, lengths = uneven(100)
    behind = np.isnan(raw[..., 0])
    labels = np.where(behind, 99, (raw[..., 0] > 0) * 5)
    data = jaxrnn.from_arrays(raw, labels, lengths=lengths)
    assert data.task == Labelling((0, 5)) and data.spec.per_step
    for split in splits_of(data):
        assert split.targets.dtype == np.int32 and split.targets.shape == split.inputs.shape[:2]
        true = np.arange(split.time) < split.lengths[:, None]
        assert not split.targets[~true].any()
        np.testing.assert_array_equal(split.targets[true], raw_of(data, split)[true][:, 0] > 0)
    part = raw, labels, lengths
    unknown = raw, np.where(labels == 5, 7, labels), lengths
    with pytest.raises(ValueError, match="`test` has the label 7, but only labels of `train`"):
        jaxrnn.from_splits(part, part, unknown)


def test_too_many_scores_are_not_ranked() -> None:
    x, y = np.zeros((2**12, 1, 1)), np.arange(2**12) // 2
    large, small = (x, y), (x[:1], y[:1])
    cases = (large, small, False), (small, large, False), (small, small, True)
    for validation, test, ranks in cases:
        task = jaxrnn.from_splits(large, validation, test).task
        assert isinstance(task, Classification) and task.ranks == ranks
    y = np.arange(2**12) // 4  # 2**10 classes, as many scores as are allowed
    task = jaxrnn.from_splits((x, y), (x, y), (x, y)).task
    assert isinstance(task, Classification) and task.ranks
