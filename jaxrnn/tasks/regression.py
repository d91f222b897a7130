"""Some numbers per sequence."""

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
    """Values of a sequence; targets are standardised, `(samples, values)`.

    Attributes:
        names: Of the values.
        mean: Of each in the training part, subtracted from targets.
        scale: Of each, divides targets then.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]

    name = "regression"
    excluded = frozenset({"label_smoothing", "window_norm"})

    @property
    def outputs(self) -> int:
        """One number per value."""
        return len(self.names)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Mean squared error of standardised values; the others in units of the values.

        All are means over the values of what scikit-learn says of each.
        """
        return REGRESSION_METRICS

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Squared errors of standardised values, with target replication."""

        def loss(answers: Array) -> Array:
            return ((answers - targets[:, None]) ** 2).mean(-1)

        return replicated_losses(hp.target_replication, outputs, loss)

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> ErrorSums:
        """Errors of every value."""
        return ErrorSums.from_outputs(outputs.last, targets, weights > 0, self.mean, self.scale)

    def metrics_from(self, scored: Evaluation) -> Array:
        """Means over the sequences, then over the values."""
        return regression_metrics(scored.sums, scored.targets, scored.weights > 0, self.scale)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Values in their own units, `(samples, values)`."""
        return inverse_transform(outputs, self.mean, self.scale)
