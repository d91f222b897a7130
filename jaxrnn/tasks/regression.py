"""Regression: one or more numbers per sequence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.losses import replicated_losses
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
class Regression(Task):
    """Prediction of values of a sequence; targets are standardised, `(samples, values)`.

    Attributes:
        names: Names of the values.
        mean: Means of the values in the training part, subtracted from targets.
        scale: Standard deviations of the values, which divide targets then.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    name = "regression"
    excluded = frozenset({"label_smoothing", "window_norm"})

    @property
    def outputs(self) -> int:
        """Number of outputs: one per value."""
        return len(self.names)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Mean squared error of standardised values; the others in the units of the data.

        Each is scikit-learn's metric of every value, averaged over the values.
        """
        return REGRESSION_METRICS

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Compute squared errors of standardised values, with target replication."""

        def loss(predictions: Array) -> Array:
            return ((predictions - targets[:, None]) ** 2).mean(-1)

        return replicated_losses(hp.target_replication, outputs, loss)

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> ErrorSums:
        """Sum errors of every value."""
        return ErrorSums.from_outputs(outputs.last, targets, weights > 0, self.mean, self.scale)

    def metrics_from(self, evaluation: Evaluation) -> Array:
        """Average over the sequences, then over the values."""
        return regression_metrics(
            evaluation.sums, evaluation.targets, evaluation.weights > 0, self.scale
        )

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return values in the units of the data, `(samples, values)`."""
        return inverse_transform(outputs, self.mean, self.scale)
