"""Features of about the same size, whatever their units."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from jaxrnn.data.arrays import check_inputs, step_mask

ROWS_AT_ONCE = 2**15
"""Rows that are computed together."""


@dataclass(frozen=True, eq=False)
class Scaling:
    """Encoder of numbers: features become their distance from the mean, in deviations.

    Attributes:
        mean: Mean of each feature, float64 `(features,)`.
        scale: Deviation of each feature, float64 `(features,)`.
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, inputs: np.ndarray, lengths: np.ndarray) -> "Scaling":
        """Learn mean and deviation of the true steps of inputs `(samples, time, features)`."""
        return cls.fit_rows(inputs[step_mask(lengths, inputs)])

    @classmethod
    def fit_rows(cls, rows: np.ndarray, name: str = "`train` inputs") -> "Scaling":
        """Learn mean and deviation of `(rows, features)`; NaN does not count."""
        moments = StandardScaler()
        add_rows(moments, rows)
        return cls.from_moments(moments, name)

    @classmethod
    def from_moments(cls, moments: StandardScaler, name: str) -> "Scaling":
        """Take mean and deviation from scikit-learn; a constant feature gets the scale 1.

        Raises:
            ValueError: Squares of the values are too large for double precision.
        """
        mean, scale = np.asarray(moments.mean_), np.asarray(moments.scale_)
        if not np.isfinite([mean, scale]).all():
            raise ValueError(f"{name} are too large to standardise; rescale them.")
        return cls(mean.astype(np.float64), scale.astype(np.float64))

    @classmethod
    def identity(cls, features: int) -> "Scaling":
        """Make a scaling that leaves features as they are."""
        return cls(np.zeros(features), np.ones(features))

    @property
    def inputs(self) -> int:
        """Number of features per time step."""
        return len(self.mean)

    @property
    def size(self) -> int:
        """Size of the vocabulary: numbers have none."""
        return 0

    def standardise(self, rows: np.ndarray, name: str = "`inputs`") -> np.ndarray:
        """Standardise raw `(..., features)` in double precision, and return float32.

        Raises:
            ValueError: A value is so far from the mean that single precision can't hold it.
        """
        scaled = np.empty(rows.shape, np.float32)
        with np.errstate(over="ignore"):
            for part in _slices(rows):
                scaled[part] = (rows[part] - self.mean) / self.scale
        if np.isinf(scaled).any():
            raise ValueError(f"{name} are too far from those of the training part; rescale them.")
        return scaled

    def pad(self, x: np.ndarray, lengths: np.ndarray, name: str = "`inputs`") -> np.ndarray:
        """Standardise checked inputs, with 0 behind the true lengths."""
        scaled = np.zeros(x.shape, np.float32)
        mask = step_mask(lengths, x)
        scaled[mask] = self.standardise(x[mask], name)
        return scaled

    def encode(self, raw: Any, lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Check inputs, and return them as networks read them, float32, with true lengths.

        Args:
            raw: `(samples, time, features)`, or a list of arrays `(time_i, features)`.
            lengths: True steps of each sample, `(samples,)`; all steps by default.

        Raises:
            ValueError: Inputs or lengths don't fit the training part, or each other.
        """
        x, true = check_inputs("predict", raw, lengths)
        if x.shape[-1] != self.inputs:
            raise ValueError(
                f"`inputs` have the shape {x.shape}, but must be (samples, time, {self.inputs})."
            )
        return self.pad(x, true), true

    def to_json(self) -> dict[str, Any]:
        """Describe the scaling by plain lists, exactly."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_json(cls, about: Mapping[str, Any]) -> "Scaling":
        """Make the scaling again that `to_json` described."""
        return cls(np.asarray(about["mean"], float), np.asarray(about["scale"], float))


def add_rows(moments: StandardScaler, rows: np.ndarray) -> None:
    """Add `(rows, features)` to the moments; too large values are refused later."""
    with np.errstate(over="ignore", invalid="ignore"):
        for part in _slices(rows):
            moments.partial_fit(rows[part])


def _slices(rows: np.ndarray) -> Iterator[slice]:
    """Slice all rows, so that what is computed of them in double precision stays small."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        yield slice(start, start + ROWS_AT_ONCE)
