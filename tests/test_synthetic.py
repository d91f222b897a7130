"""Problems of the literature, exactly as they are defined."""

from typing import Any

import numpy as np
import pytest
from support.splits import scaling_of, splits_of, train_of

from jaxrnn.data.dataset import Data
from jaxrnn.data.synthetic import adding, copy, digits, temporal_order
from jaxrnn.tasks.classification import Classification


def raw_of(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Inputs before they were standardised, and targets, of all parts that are as long."""
    splits = splits_of(data)
    time = max(split.time for split in splits)
    inputs = [np.pad(s.inputs, [(0, 0), (0, time - s.time), (0, 0)]) for s in splits]
    raw = np.concatenate(inputs) * scaling_of(data).scale + scaling_of(data).mean
    return raw, np.concatenate([split.targets for split in splits])


def test_digits() -> None:
    data = digits()
    assert [len(split) for split in splits_of(data)] == [1257, 270, 270]
    assert data.train.time == 8 and data.spec.outputs == 10


@pytest.mark.parametrize("time", [2, 7, 50])
def test_adding(time: int) -> None:
    data = adding(400, time)
    raw, standardised = raw_of(data)
    values, marks = raw[..., 0], np.rint(raw[..., 1])
    assert raw.shape == (400, time, 2) and values.min() > -1e-6 and values.max() < 1 + 1e-6
    half = time // 2
    assert set(np.unique(marks)) <= {0, 1}
    assert (marks[:, :half].sum(1) == 1).all() and (marks[:, half:].sum(1) == 1).all()
    sums = data.task.decode(standardised)
    np.testing.assert_allclose(sums[:, 0], (values * marks).sum(1), atol=1e-5)


def test_adding_has_the_baseline_of_the_literature() -> None:
    data = adding()
    assert [len(split) for split in splits_of(data)] == [1400, 300, 300]
    assert data.train.time == 50
    sums = data.task.decode(raw_of(data)[1])[:, 0]
    assert np.mean((sums - 1) ** 2) == pytest.approx(1 / 6, rel=0.1)
    first = np.argmax(raw_of(data)[0][..., 1] > 0.5, axis=1)
    assert set(first) == set(range(25))  # uniform over the first half


@pytest.mark.parametrize(("delay", "length"), [(20, 5), (1, 1), (3, 10)])
def test_copy(delay: int, length: int) -> None:
    data = copy(300, delay, length)
    raw, due = raw_of(data)
    time = delay + 2 * length
    assert raw.shape == (300, time, 10) and data.spec.outputs == 9
    np.testing.assert_allclose(raw.sum(-1), 1.0, atol=1e-5)
    symbols = raw.argmax(-1)
    shown = symbols[:, :length]
    assert set(shown.ravel()) == set(range(8))
    assert (symbols[:, length : length + delay - 1] == 8).all()
    assert (symbols[:, length + delay - 1] == 9).all()
    assert (symbols[:, length + delay :] == 8).all()
    assert (due[:, : delay + length] == 8).all()
    np.testing.assert_array_equal(due[:, delay + length :], shown)
    assert vars(data.task)["classes"] == tuple(range(9))


@pytest.mark.parametrize("time", [10, 30, 100])
def test_temporal_order(time: int) -> None:
    data = temporal_order(1000, time)
    assert isinstance(data.task, Classification) and data.task.classes == ("Q", "R", "S", "U")
    raw, classes = raw_of(data)
    lengths = np.concatenate([split.lengths for split in splits_of(data)])
    assert set(lengths) == set(range(time, time + time // 10 + 1))
    symbols = raw.argmax(-1)
    expected = {(2, 2): "Q", (2, 3): "R", (3, 2): "S", (3, 3): "U"}
    places: Any = [set(), set()]
    for row, length, label in zip(symbols, lengths, classes, strict=True):
        assert row[0] == 0 and row[length - 1] == 1
        (one, two) = marked = np.flatnonzero((row == 2) | (row == 3))
        assert expected[tuple(row[marked].tolist())] == data.task.classes[label]
        assert (np.delete(row[1 : length - 1], marked - 1) >= 4).all()
        places[0].add(int(one))
        places[1].add(int(two))
    assert places[0] == set(range(time // 10, time // 5 + 1))
    assert places[1] == set(range(time // 2, 6 * time // 10 + 1))


@pytest.mark.parametrize("make", [adding, copy, temporal_order])
def test_the_seed_decides(make: Any) -> None:
    one, again, other = make(100), make(100), make(100, seed=1)
    np.testing.assert_array_equal(train_of(one).inputs, train_of(again).inputs)
    np.testing.assert_array_equal(one.test.targets, again.test.targets)
    assert not np.array_equal(train_of(one).inputs[:, :20], train_of(other).inputs[:, :20])


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (adding, {"time": 1}, "`time` is 1, but must be at least 2."),
        (adding, {"samples": 9}, "`samples` is 9, but must be at least 10."),
        (copy, {"delay": 0}, "`delay` is 0, but must be at least 1."),
        (copy, {"length": 0}, "`length` is 0, but must be at least 1."),
        (temporal_order, {"time": 9}, "`time` is 9, but must be at least 10."),
        (temporal_order, {"seed": -1}, "`seed` is -1, but must be from 0"),
    ],
)
def test_bad_arguments(make: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        make(**options)
    assert message in str(error.value)
