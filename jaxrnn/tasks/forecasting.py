"""Forecasting: the next rows of a series."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.metrics import (
    REGRESSION_METRICS,
    ErrorSums,
    inverse_transform,
    regression_metrics,
)
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import Evaluation, SequenceLosses, Task
from jaxrnn.types import AnyArray, Array


@dataclass(frozen=True)
class Forecasting(Task):
    """Forecast of variables; targets are standardised, `(samples, horizon, variables)`.

    Attributes:
        names: Names of the variables.
        mean: Means of the variables in the training rows, subtracted from targets.
        scale: Standard deviations of the variables, which divide targets then.
        features: Index of each variable among the inputs.
        horizon: Rows ahead, at least 1.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    features: tuple[int, ...]
    horizon: int

    name = "forecasting"
    excluded = frozenset({"label_smoothing", "target_replication", "crop_length", "crop_at"})

    @property
    def outputs(self) -> int:
        """Number of outputs: one per variable of every row ahead, row after row."""
        return self.horizon * len(self.names)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Errors of standardised values, as in the literature; `mape` in the units of the data.

        Each is scikit-learn's metric of every variable over the rows ahead of all windows, averaged
        over the variables.
        """
        return REGRESSION_METRICS

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Compute mean squared errors of standardised values."""
        del hp
        losses = ((self._rows(outputs.last) - targets) ** 2).mean((1, 2))
        return SequenceLosses(losses, jnp.ones_like(losses))

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> ErrorSums:
        """Sum errors of every variable."""
        return ErrorSums.from_outputs(
            self._rows(outputs.last), targets, weights > 0, self.mean, self.scale
        )

    def metrics_from(self, evaluation: Evaluation) -> Array:
        """Average over windows and rows ahead, then over the variables."""
        standardised = (1.0,) * len(self.names)
        return regression_metrics(
            evaluation.sums, evaluation.targets, evaluation.weights > 0, standardised
        )

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return variables in the units of the data, `(samples, horizon, variables)`."""
        return inverse_transform(self._rows(outputs), self.mean, self.scale)

    def _rows(self, outputs: AnyArray) -> AnyArray:
        """Shape outputs `(samples, outputs)` to `(samples, horizon, variables)`."""
        return outputs.reshape(-1, self.horizon, len(self.names))
