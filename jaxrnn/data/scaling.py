"""Features of about the same size, whatever their units."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from jaxrnn.data.arrays import check_inputs, step_mask

ROWS_AT_ONCE = 2**15
"""Rows that are computed at once."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Features become their distance from the mean, in deviations.

    Attributes:
        mean: float64 `(features,)`, subtracted.
        scale: float64 `(features,)`, divides then.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, inputs: np.ndarray, lengths: np.ndarray) -> "Scaling":
        """Mean and deviation of the true steps of inputs `(samples, time, features)`."""
        return cls.fit_rows(inputs[step_mask(lengths, inputs)])

    @classmethod
    def fit_rows(cls, rows: np.ndarray, called: str = "`train` inputs") -> "Scaling":
        """Mean and deviation of `(rows, features)`; NaN does not count."""
        moments = StandardScaler()
        add_rows(moments, rows)
        return cls.from_moments(moments, called)

    @classmethod
    def from_moments(cls, moments: StandardScaler, called: str) -> "Scaling":
        """What scikit-learn counted: in double precision; a constant feature gets the scale 1.

        Raises:
            ValueError: Squares of the values are too large for double precision.
        """
        mean, scale = np.asarray(moments.mean_), np.asarray(moments.scale_)
        if not np.isfinite([mean, scale]).all():
            raise ValueError(f"{called} are too large to standardise; rescale them.")
        return cls(mean.astype(np.float64), scale.astype(np.float64))

    @classmethod
    def identity(cls, features: int) -> "Scaling":
        """Leaves features as they are."""
        return cls(np.zeros(features), np.ones(features))

    @property
    def inputs(self) -> int:
        """Features per time step."""
        return len(self.mean)

    @property
    def size(self) -> int:
        """No vocabulary."""
        return 0

    def standardise(self, rows: np.ndarray, called: str = "`inputs`") -> np.ndarray:
        """Raw `(..., features)` as float32, computed in double precision.

        Raises:
            ValueError: A value so far from the mean that single precision can't hold it.
        """
        scaled = np.empty(rows.shape, np.float32)
        with np.errstate(over="ignore"):
            for some in _slices(rows):
                scaled[some] = (rows[some] - self.mean) / self.scale
        if np.isinf(scaled).any():
            raise ValueError(f"{called} are too far from those of the training part; rescale them.")
        return scaled

    def pad(self, x: np.ndarray, lengths: np.ndarray, called: str = "`inputs`") -> np.ndarray:
        """Checked inputs as networks read them: standardised, 0 behind the true lengths."""
        read = np.zeros(x.shape, np.float32)
        true = step_mask(lengths, x)
        read[true] = self.standardise(x[true], called)
        return read

    def encode(self, raw: Any, lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Inputs as networks read them, float32, with true lengths.

        Args:
            raw: `(samples, time, features)`, or a list of arrays `(time_i, features)`.
            lengths: `(samples,)`, true steps of each; all steps by default.

        Raises:
            ValueError: Inputs or lengths that fit neither the training part nor each other.
        """
        x, true = check_inputs("predict", raw, lengths)
        if x.shape[-1] != self.inputs:
            raise ValueError(
                f"`inputs` have the shape {x.shape}, but must be (samples, time, {self.inputs})."
            )
        return self.pad(x, true), true

    def to_json(self) -> dict[str, Any]:
        """Plain lists, exactly."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Scaling":
        """What `to_json` was called on."""
        return cls(np.asarray(about["mean"], float), np.asarray(about["scale"], float))


def add_rows(moments: StandardScaler, rows: np.ndarray) -> None:
    """Add `(rows, features)` to what was counted so far; too large ones are seen to later."""
    with np.errstate(over="ignore", invalid="ignore"):
        for some in _slices(rows):
            moments.partial_fit(rows[some])


def _slices(rows: np.ndarray) -> Iterator[slice]:
    """All rows, so many at once that what is computed of them in double precision stays small."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)
