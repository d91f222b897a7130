"""Series become data: windows of some rows, and the rows right behind each to forecast."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxrnn.data.checks import check_splits
from jaxrnn.data.dataset import Data
from jaxrnn.data.records import PARTS, TimeSeries
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.splitting import Ranges
from jaxrnn.tasks.forecasting import Forecasting


class Window(NamedTuple):
    """What a forecast sees, and how far it goes.

    Attributes:
        look_back: Rows that are seen, at least 1.
        horizon: Rows to forecast behind them, at least 1.
        reach_back: Whether rows that are seen may lie in the part before.
    """

    look_back: int
    horizon: int
    reach_back: bool = False

    @classmethod
    def of(cls, look_back: int | None, horizon: int | None, reach_back: bool) -> "Window":
        """The same, refused with a sentence where it is none."""
        for name, value in (("look_back", look_back), ("horizon", horizon)):
            if not isinstance(value, int | np.integer) or value < 1:
                raise ValueError(f"`{name}` is {value}, but for series must be at least 1 row.")
        return cls(int(look_back or 0), int(horizon or 0), reach_back)

    @property
    def rows(self) -> int:
        """Rows of it all."""
        return self.look_back + self.horizon

    def starts(self, first: int, behind: int) -> range:
        """First rows of all windows in the part from row `first` up to before row `behind`."""
        earliest = max(0, first - self.look_back) if self.reach_back else first
        return range(earliest, behind - self.rows + 1)

    def cut(self, values: np.ndarray, starts: range) -> np.ndarray:
        """Windows of `(rows, variables)` that begin there, `(windows, rows, variables)`."""
        if not starts:
            return np.empty((0, self.rows, values.shape[1]), values.dtype)
        views = sliding_window_view(values, self.rows, axis=0)  # (starts, variables, rows)
        return views[starts.start : starts.stop].swapaxes(1, 2)


def from_series(raw: TimeSeries, window: Window, ranges: Callable[[int], Ranges]) -> Data:
    """Data of all windows that hold no missing value, standardised with the training rows.

    Args:
        raw: Rows of one series or several, each of which is divided by itself.
        window: How long they are.
        ranges: From the rows of a series to first row and row behind the last of each part.

    Raises:
        ValueError: Names that don't fit, no horizon, infinite values, or a part without windows.
    """
    _check(raw)
    series = list(_each(raw))
    spans = [ranges(len(values)) for values in series]
    features = tuple(map(raw.names.index, raw.targets))
    trained = [rows[slice(*span[0])] for rows, span in zip(series, spans, strict=True)]
    scaling = _scaling(np.concatenate(trained), raw.names)
    series = [scaling.standardise(rows, "`values`") for rows in series]
    splits, left_out = {}, 0
    for part, name in enumerate(PARTS):
        own = [span[part] for span in spans]
        cut = [window.cut(x, window.starts(*span)) for x, span in zip(series, own, strict=True)]
        splits[name], missing = _split(cut, window, features)
        left_out += missing
        if not len(splits[name]):
            raise ValueError(_no_window(name, own, window, missing))
    mean, scale = (tuple(v[list(features)].tolist()) for v in (scaling.mean, scaling.scale))
    task = Forecasting(raw.targets, mean, scale, features, window.horizon)
    said = *_counts(splits, left_out), *check_splits(task, splits)
    return Data(raw.name, task, **splits, encoder=scaling, notes=said)


def _check(raw: TimeSeries) -> None:
    if raw.values.ndim != 2 or raw.values.shape[1] != len(raw.names):
        raise ValueError(
            f"`values` have the shape {raw.values.shape}, but must be (rows, {len(raw.names)})."
        )
    for name in raw.targets:
        if name not in raw.names:
            raise ValueError(f"`target` is {name!r}, but must be one of {', '.join(raw.names)}.")
    if np.isinf(raw.values).any():
        row, column = np.argwhere(np.isinf(raw.values))[0]
        raise ValueError(f"`values` are infinite in row {row} of {raw.names[column]!r}.")


def _each(raw: TimeSeries) -> Iterator[np.ndarray]:
    """Rows `(rows, variables)` of every series."""
    if raw.series is None:
        yield raw.values
        return
    _, index, counts = np.unique(raw.series, return_inverse=True, return_counts=True)
    order = np.argsort(index, kind="stable")
    for rows in np.split(order, np.cumsum(counts)[:-1]):
        yield raw.values[rows]


def _scaling(rows: np.ndarray, names: tuple[str, ...]) -> Scaling:
    missing = np.isnan(rows).all(0)
    if missing.any():
        name = names[missing.argmax()]
        raise ValueError(f"`values` of {name!r} are all missing in the training part.")
    return Scaling.fit_rows(rows)


def _split(cut: list[np.ndarray], window: Window, features: tuple[int, ...]) -> tuple[Split, int]:
    """Windows as inputs and what comes behind them, and how many missing values spoil."""
    inputs = np.concatenate([one[:, : window.look_back] for one in cut])
    targets = np.concatenate([one[:, window.look_back :, list(features)] for one in cut])
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
