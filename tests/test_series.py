"""Series as windows: which rows each one holds, and what is known when scale is learnt."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.splits import scaling_of, splits_of, train_of

from jaxrnn.data.options import TaskOptions
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import TimeSeries
from jaxrnn.data.series import Window
from jaxrnn.tasks.forecasting import Forecasting

NAMES = ("load", "heat", "wind")


def counting(rows: int = 100, series: Any = None) -> TimeSeries:
    """The first variable is the number of the row."""
    rng = np.random.default_rng(0)
    values = np.stack([np.arange(rows, dtype=float), *rng.normal(7.0, 3.0, (2, rows))], axis=1)
    return TimeSeries("counting", values, NAMES, ("load",), series)


@pytest.mark.parametrize(
    ("look_back", "horizon", "reach_back", "first", "behind", "starts"),
    [
        (4, 2, False, 0, 10, [0, 1, 2, 3, 4]),
        (4, 2, True, 0, 10, [0, 1, 2, 3, 4]),  # nothing lies before the first part
        (4, 2, False, 10, 16, [10]),
        (4, 2, False, 10, 15, []),
        (4, 2, True, 10, 16, [6, 7, 8, 9, 10]),
        (4, 2, True, 10, 12, [6]),
        (4, 2, True, 10, 11, []),
        (4, 2, True, 2, 6, [0]),  # targets in rows 4 and 5
        (4, 2, True, 2, 7, [0, 1]),
        (1, 1, False, 0, 2, [0]),
        (1, 1, False, 0, 1, []),
        (1, 1, False, 5, 5, []),
        (1, 3, True, 5, 9, [4, 5]),
    ],
)
def test_starts(
    look_back: int, horizon: int, reach_back: bool, first: int, behind: int, starts: list[int]
) -> None:
    window = Window(look_back, horizon, reach_back)
    assert list(window.starts(first, behind)) == starts
    values = np.arange(40.0).reshape(20, 2)
    cut = window.cut(values, window.starts(first, behind))
    assert cut.shape == (len(starts), look_back + horizon, 2)
    for one, start in zip(cut, starts, strict=True):
        np.testing.assert_array_equal(one, values[start : start + look_back + horizon])


@pytest.mark.parametrize(
    ("reach_back", "firsts"),
    [
        (False, [range(0, 63), range(70, 78), range(85, 93)]),
        (True, [range(0, 63), range(65, 78), range(80, 93)]),
    ],
)
def test_windows_lie_in_their_parts(reach_back: bool, firsts: list[range]) -> None:
    """Five rows seen and three to come, of parts that end before rows 70, 85 and 100."""
    data = prepare(counting(), TaskOptions(look_back=5, horizon=3, reach_back=reach_back))
    task = data.task
    assert isinstance(task, Forecasting)
    for split, first in zip(splits_of(data), firsts, strict=True):
        seen = split.inputs[:, :, 0] * scaling_of(data).scale[0] + scaling_of(data).mean[0]
        np.testing.assert_allclose(seen, np.add.outer(first, np.arange(5)), atol=1e-4)
        due = split.targets[:, :, 0] * task.scale[0] + task.mean[0]
        np.testing.assert_allclose(due, np.add.outer(first, np.arange(5, 8)), atol=1e-4)
        assert split.lengths.tolist() == [5] * len(first)
        assert (split.inputs.dtype, split.targets.dtype) == (np.float32, np.float32)
    counts = [len(first) for first in firsts]
    assert data.notes[0] == (
        f"train holds {counts[0]} windows, validation holds {counts[1]} windows, "
        f"test holds {counts[2]} windows."
    )
    assert not data.spec.lengths_differ


def test_counts_are_rows_from_the_start() -> None:
    data = prepare(counting(1000), TaskOptions(look_back=5, horizon=3), split=(60, 20, 20))
    last = data.test.targets[-1, -1, 0] * scaling_of(data).scale[0] + scaling_of(data).mean[0]
    assert last == pytest.approx(99)
    assert [len(split) for split in splits_of(data)] == [53, 13, 13]


def test_training_rows_alone_give_the_scale() -> None:
    raw = counting()
    data = prepare(raw, TaskOptions(look_back=5, horizon=3))
    np.testing.assert_allclose(scaling_of(data).mean, raw.values[:70].mean(0))
    np.testing.assert_allclose(scaling_of(data).scale, raw.values[:70].std(0))
    raw.values[70:] *= 100
    far = prepare(raw, TaskOptions(look_back=5, horizon=3))
    np.testing.assert_array_equal(train_of(far).inputs, train_of(data).inputs)
    np.testing.assert_array_equal(scaling_of(far).scale, scaling_of(data).scale)
    gaps = prepare(
        replace(raw, values=with_gap(raw.values, 3)), TaskOptions(look_back=5, horizon=3)
    )
    np.testing.assert_allclose(scaling_of(gaps).mean[2], np.delete(raw.values[:70, 2], 3).mean())


def test_some_variables_are_forecast() -> None:
    raw = replace(counting(), targets=("wind", "load"))
    data = prepare(raw, TaskOptions(look_back=4, horizon=2, task="forecasting"))
    task = data.task
    assert isinstance(task, Forecasting)
    assert (task.names, task.features, task.horizon) == (("wind", "load"), (2, 0), 2)
    assert task.mean == tuple(scaling_of(data).mean[[2, 0]])
    assert task.scale == tuple(scaling_of(data).scale[[2, 0]])
    assert data.spec.forecast == (2, 0, 2, 0)
    assert (data.spec.inputs, data.spec.outputs) == (3, 4)
    own = task.decode(train_of(data).targets.reshape(len(data.train), -1))
    np.testing.assert_allclose(own[7], raw.values[11:13][:, [2, 0]], rtol=1e-5)
    assert {"embedding_size", "crop_length"} <= data.spec.excluded


def test_several_series_are_divided_each_by_itself() -> None:
    """Rows of two series that take turns, the second with a tenth of the rows of the first."""
    one, two, three = counting(200).values, counting(20).values + 1000, counting(2).values
    series = np.r_[["a"] * 200, ["b"] * 20, ["c"] * 2]
    order = np.random.default_rng(1).permutation(222)
    order = np.concatenate([np.sort(part) for part in np.split(order, [100])])
    order = np.argsort(np.argsort(order, kind="stable"), kind="stable")
    mixed = np.concatenate([one, two, three])
    rows = np.sort(order)  # in order of time within each
    raw = TimeSeries("mixed", mixed[rows], NAMES, ("load",), series[rows])
    with pytest.raises(ValueError, match="there are only 2 to divide"):
        prepare(raw, TaskOptions(look_back=2, horizon=1))
    raw = TimeSeries("mixed", mixed[:220], NAMES, ("load",), series[:220])
    turns = np.argsort(np.r_[np.arange(200), np.arange(20) * 10 + 0.5])  # b after every tenth of a
    shuffled = replace(raw, values=raw.values[turns], series=series[:220][turns])
    for given in (raw, shuffled):
        data = prepare(given, TaskOptions(look_back=2, horizon=1))
        counts = [len(split) for split in splits_of(data)]
        assert counts == [(140 - 2) + (14 - 2), (30 - 2) + (3 - 2), (30 - 2) + (3 - 2)]
        seen = data.test.inputs[:, :, 0] * scaling_of(data).scale[0] + scaling_of(data).mean[0]
        np.testing.assert_allclose(seen[-1], [1017, 1018], rtol=1e-5)
        np.testing.assert_allclose(seen[0], [170, 171], rtol=1e-5)


def with_gap(values: np.ndarray, row: int, column: int = 2) -> np.ndarray:
    holed = values.copy()
    holed[row, column] = np.nan
    return holed


@pytest.mark.parametrize(
    ("row", "column", "lost"),
    [(30, 2, 5), (30, 0, 8), (0, 2, 1), (69, 2, 0), (69, 0, 1), (67, 1, 0), (66, 1, 1)],
)
def test_windows_with_missing_values_are_left_out(row: int, column: int, lost: int) -> None:
    """Five rows are seen, three come; a gap among what comes counts if it is to be forecast."""
    raw = counting()
    data = prepare(
        replace(raw, values=with_gap(raw.values, row, column)), TaskOptions(look_back=5, horizon=3)
    )
    assert len(data.train) == 63 - lost
    said = f"{lost} windows hold missing values and are left out."
    assert (said in data.notes) == bool(lost)
    for split in splits_of(data):
        assert np.isfinite(split.inputs).all() and np.isfinite(split.targets).all()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"horizon": 0}, "`horizon` is 0, but for series must be at least 1 row."),
        ({}, {"horizon": None}, "`horizon` is None, but for series must be at least 1 row."),
        ({}, {"look_back": -1}, "`look_back` is -1, but for series must be at least 1 row."),
        ({}, {"look_back": 1.5}, "`look_back` is 1.5"),
        (
            {},
            {"look_back": 13},
            "`validation` holds no window: it has 15 rows of a series at most, but needs at least "
            "16 for a `look_back` of 13 and a `horizon` of 3.",
        ),
        ({}, {"look_back": 68}, "`train` holds no window: it has 70 rows of a series at most, but"),
        (
            {},
            {"horizon": 16, "reach_back": True},
            "has 15 rows of a series at most, but needs at least 16 for a `look_back` of 5",
        ),
        ({"targets": ("cold",)}, {}, "`target` is 'cold', but must be one of load, heat, wind."),
        ({"values": np.full((100, 3), np.nan)}, {}, "`values` of 'load' are all missing in the tr"),
        (
            {"values": np.where(np.arange(100)[:, None] % 8 == 7, np.nan, 1.0 + np.zeros(3))},
            {},
            "`train` holds no window: missing values spoil all 63 of them.",
        ),
        ({"values": np.full((100, 3), np.inf)}, {}, "`values` are infinite in row 0 of 'load'"),
        ({"values": np.zeros((100, 2))}, {}, "`values` have the shape (100, 2), but must be"),
        (
            {},
            {"task": "regression"},
            "`task` is 'regression', but must be 'forecasting' for series",
        ),
        ({}, {"block": 3}, "`block` is given, but has no meaning for series"),
    ],
)
def test_bad_series(change: dict[str, Any], options: dict[str, Any], message: str) -> None:
    raw, needed = replace(counting(), **change), {"look_back": 5, "horizon": 3}
    given: dict[str, Any] = needed | options
    with pytest.raises(ValueError) as error:
        prepare(raw, TaskOptions(**given))
    assert message in str(error.value)
