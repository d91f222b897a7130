"""Series become data: windows of some rows, and the rows right behind each to forecast."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxrnn.data.checks import check_splits
from jaxrnn.data.dataset import Data
from jaxrnn.data.options import TaskOptions
from jaxrnn.data.records import PARTS, TimeSeries
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.splitting import Division, in_order
from jaxrnn.tasks.forecasting import Forecasting


class Window(NamedTuple):
    """Rows that a forecast sees, and rows behind them that it predicts.

    Attributes:
        look_back: Rows that are seen, at least 1.
        horizon: Rows to forecast behind them, at least 1.
        reach_back: True if rows that are seen may lie in the part before.
    """

    look_back: int
    horizon: int
    reach_back: bool = False

    @classmethod
    def of(cls, options: TaskOptions) -> "Window":
        """Check the options of a forecast and make a window of them.

        Raises:
            ValueError: `look_back` or `horizon` is missing or below 1.
        """
        rows = {"look_back": options.look_back, "horizon": options.horizon}
        for name, value in rows.items():
            if not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"`{name}` is {value!r}, but for series must be at least 1 row.")
        return cls(int(options.look_back or 0), int(options.horizon or 0), options.reach_back)

    @property
    def rows(self) -> int:
        """Number of rows, seen and predicted."""
        return self.look_back + self.horizon

    def starts(self, first: int, behind: int) -> range:
        """List the first rows of all windows in the part from row `first` to before `behind`."""
        earliest = max(0, first - self.look_back) if self.reach_back else first
        return range(earliest, behind - self.rows + 1)

    def cut(self, values: np.ndarray, starts: range) -> np.ndarray:
        """Cut windows out of `(rows, variables)`, as `(windows, rows, variables)`."""
        if not starts:
            return np.empty((0, self.rows, values.shape[1]), values.dtype)
        views = sliding_window_view(values, self.rows, axis=0)  # (starts, variables, rows)
        return views[starts.start : starts.stop].swapaxes(1, 2)


def from_series(record: TimeSeries, options: TaskOptions, split: Division = None) -> Data:
    """Cut series into windows without missing values, standardised with the training rows.

    Args:
        record: Rows of one series or several, each of which is divided by itself.
        options: Options of which `look_back`, `horizon` and `reach_back` count.
        split: Division of the rows of each series, in order of time.

    Raises:
        ValueError: Names don't fit, `look_back` or `horizon` is missing, values are infinite, or a
            part has no windows.
    """
    window = Window.of(options)
    _check(record)
    series = list(_each(record))
    spans = [in_order(len(values), split) for values in series]
    features = tuple(map(record.names.index, record.targets))
    trained = [rows[slice(*span[0])] for rows, span in zip(series, spans, strict=True)]
    scaling = _scaling(np.concatenate(trained), record.names)
    series = [scaling.standardise(rows, "`values`") for rows in series]
    splits, left_out = {}, 0
    for part, name in enumerate(PARTS):
        ranges = [span[part] for span in spans]
        windows = [window.cut(x, window.starts(*r)) for x, r in zip(series, ranges, strict=True)]
        splits[name], missing = _split(windows, window, features)
        left_out += missing
        if not len(splits[name]):
            raise ValueError(_no_window(name, ranges, window, missing))
    mean, scale = (tuple(v[list(features)].tolist()) for v in (scaling.mean, scaling.scale))
    task = Forecasting(record.targets, mean, scale, features, window.horizon)
    notes = *_counts(splits, left_out), *check_splits(task, splits)
    return Data(record.name, task, **splits, encoder=scaling, notes=notes)


def _check(record: TimeSeries) -> None:
    if record.values.ndim != 2 or record.values.shape[1] != len(record.names):
        raise ValueError(
            f"`values` have the shape {record.values.shape}, but must be (rows, "
            f"{len(record.names)})."
        )
    for name in record.targets:
        if name not in record.names:
            raise ValueError(f"`target` is {name!r}, but must be one of {', '.join(record.names)}.")
    if np.isinf(record.values).any():
        row, column = np.argwhere(np.isinf(record.values))[0]
        raise ValueError(f"`values` are infinite in row {row} of {record.names[column]!r}.")


def _each(record: TimeSeries) -> Iterator[np.ndarray]:
    """Yield the rows `(rows, variables)` of every series."""
    if record.series is None:
        yield record.values
        return
    _, index, counts = np.unique(record.series, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable")
    for rows in np.split(order, np.cumsum(counts)[:-1]):
        yield record.values[rows]


def _scaling(rows: np.ndarray, names: tuple[str, ...]) -> Scaling:
    missing = np.isnan(rows).all(0)
    if missing.any():
        name = names[missing.argmax()]
        raise ValueError(f"`values` of {name!r} are all missing in the training part.")
    return Scaling.fit_rows(rows)


def _split(
    windows: list[np.ndarray], window: Window, features: tuple[int, ...]
) -> tuple[Split, int]:
    """Split windows into inputs and targets; the number is of those that missing values spoil."""
    inputs = np.concatenate([rows[:, : window.look_back] for rows in windows])
    targets = np.concatenate([rows[:, window.look_back :, list(features)] for rows in windows])
    whole = ~(np.isnan(inputs).any((1, 2)) | np.isnan(targets).any((1, 2)))
    missing = int((~whole).sum())
    if missing:
        inputs, targets = inputs[whole], targets[whole]
    return Split(inputs, targets, np.full(len(inputs), window.look_back, np.int32)), missing


def _no_window(part: str, spans: list[tuple[int, int]], window: Window, missing: int) -> str:
    if missing:
        return f"`{part}` holds no window: missing values spoil all {missing} of them."
    needed = window.horizon if window.reach_back and part != "train" else window.rows
    most = max(behind - first for first, behind in spans)
    return (
        f"`{part}` holds no window: it has {most} rows of a series at most, but needs at least "
        f"{needed} for a `look_back` of {window.look_back} and a `horizon` of {window.horizon}."
    )


def _counts(splits: dict[str, Split], left_out: int) -> Iterator[str]:
    yield ", ".join(f"{part} holds {len(split):,} windows" for part, split in splits.items()) + "."
    if left_out:
        yield f"{left_out:,} windows hold missing values and are left out."
