"""Metrics on the device: counts of predictions, errors of numbers, areas under ROC curves."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.losses import where_counted
from jaxrnn.tasks.task import MAX, MIN
from jaxrnn.types import AnyArray, Array


class Counts(NamedTuple):
    """Counts of predictions and targets, by class or pooled over all classes.

    Attributes:
        true_positives: Correct predictions of each class, `(classes,)` int32; pooled, `()`.
        predicted: Predictions of each class, likewise.
        actual: Targets of each class, likewise.
    """

    true_positives: Array
    predicted: Array
    actual: Array

    @classmethod
    def from_indicators(cls, predictions: Array, targets: AnyArray, counted: Array) -> "Counts":
        """Count label indicators `(..., classes)` bool, any number at once, where `counted`."""
        predictions, targets = where_counted(predictions, counted), where_counted(targets, counted)
        axes = tuple(range(predictions.ndim - 1))
        both = predictions & targets
        return cls(*(indicators.sum(axes) for indicators in (both, predictions, targets)))

    @classmethod
    def from_logits(cls, outputs: Array, targets: AnyArray, counted: Array) -> "Counts":
        """Count the likeliest classes by logits `(..., classes)`, and target indices `(...)`."""
        classes = outputs.shape[-1]
        predictions = jax.nn.one_hot(argmax(outputs), classes, dtype=bool)
        return cls.from_indicators(
            predictions, jax.nn.one_hot(targets, classes, dtype=bool), counted
        )

    def pooled(self) -> "Counts":
        """Sum over all classes, for micro averages."""
        return Counts(*(count.sum() for count in self))

    def macro(self, values: Array) -> Array:
        """Average over the classes that occur among predictions or targets."""
        return _mean_where(values, self.predicted + self.actual > 0)

    def weighted(self, values: Array) -> Array:
        """Average over the classes, weighted by their number of targets."""
        return (values * self.actual).sum() / self.actual.sum()


def accuracy(counts: Counts) -> Array:
    """Compute the share of correct predictions."""
    return counts.true_positives.sum() / counts.actual.sum()


def balanced_accuracy(counts: Counts) -> Array:
    """Compute the mean recall of the classes that occur among targets."""
    return _mean_where(recall(counts), counts.actual > 0)


def precision(counts: Counts) -> Array:
    """Compute the share of the predictions that are correct."""
    return _ratio(counts.true_positives, counts.predicted)


def recall(counts: Counts) -> Array:
    """Compute the share of the targets that were predicted."""
    return _ratio(counts.true_positives, counts.actual)


def f1(counts: Counts) -> Array:
    """Compute the harmonic mean of precision and recall."""
    return _ratio(2 * counts.true_positives, counts.predicted + counts.actual)


def jaccard(counts: Counts) -> Array:
    """Compute the Jaccard index: true positives over the union of predictions and targets."""
    return _ratio(counts.true_positives, counts.predicted + counts.actual - counts.true_positives)


def _ratio(part: Array, total: Array) -> Array:
    return part / jnp.maximum(total, 1)


def _mean_where(values: Array, counted: Array) -> Array:
    return where_counted(values, counted).sum() / counted.sum()


def roc_auc(scores: Array, positive: Array, counted: Array) -> Array:
    """Compute the area under the ROC curve.

    It is the probability that a positive sample scores above a negative one, where ties count half.

    Args:
        scores: Finite scores, `(samples,)`.
        positive: True for positive samples, `(samples,)` bool.
        counted: False for samples to leave out, `(samples,)` bool.

    Returns:
        The area, `()`; NaN where there are no positive or no negative samples.
    """
    positive, negative = counted & positive, counted & ~positive
    rivals = jnp.sort(jnp.where(negative, scores, jnp.inf))
    below = jnp.searchsorted(rivals, scores, side="left")
    up_to = jnp.searchsorted(rivals, scores, side="right")
    # Shares are summed, not counts: pairs of samples are more than an int32 can count.
    wins = (below + up_to) / (2 * negative.sum())
    return jnp.where(positive, wins, 0.0).sum() / positive.sum()


def roc_auc_one_vs_rest(scores: Array, classes: Array, targets: Array, counted: Array) -> Array:
    """Average the area under the ROC curve of each class against the rest, `()`.

    Args:
        scores: Scores of the classes in question, `(samples, some classes)`.
        classes: Indices of these classes, `(some classes,)`.
        targets: Indices of the true classes, `(samples,)`.
        counted: False for samples to leave out, `(samples,)` bool.
    """

    def area(column: tuple[Array, Array]) -> Array:
        class_scores, index = column
        return roc_auc(class_scores, targets == index, counted)

    # The loop saves memory: side by side, each class would have sorted copies of its own.
    return jax.lax.map(area, (scores.T, classes)).mean()


ROUNDING = 2.0**-21
"""Error of a value that was 0, relative to the mean, after single precision."""


def along_last_axis(numbers: tuple[float, ...], like: Any) -> np.ndarray:
    """Shape one number per value for arithmetic with `like` `(..., values)`."""
    return np.reshape(numbers, (1,) * (like.ndim - 1) + (-1,))


def inverse_transform(values: Any, mean: tuple[float, ...], scale: tuple[float, ...]) -> Any:
    """Undo the standardisation of `(..., values)`, with NumPy (in float64) or JAX.

    Values that are 0 except for rounding become 0, or relative errors would divide by rounding.

    Args:
        values: Standardised values, `(..., values)`.
        mean: Mean of each value in the training data.
        scale: Standard deviation of each value in the training data.
    """
    centre = along_last_axis(mean, values)
    restored = values * along_last_axis(scale, values) + centre
    return restored * (abs(restored) > ROUNDING * abs(centre))


REGRESSION_METRICS: Mapping[str, str] = {
    "loss": MIN,
    "mse": MIN,
    "rmse": MIN,
    "mae": MIN,
    "mape": MIN,
    "r2": MAX,
}
EPSILON = float(np.finfo(np.float64).eps)
"""Divisor of relative errors where a target is 0, as in scikit-learn."""


class ErrorSums(NamedTuple):
    """Sums of errors over rows.

    Attributes:
        squared: Sums of squared errors of standardised values, `(values,)`.
        absolute: Sums of absolute errors of standardised values, `(values,)`.
        relative: Sums of absolute errors relative to targets, in the units of the data,
            `(values,)`.
    """

    squared: Array
    absolute: Array
    relative: Array

    @classmethod
    def from_outputs(
        cls,
        outputs: Array,
        targets: AnyArray,
        counted: Array,
        mean: tuple[float, ...],
        scale: tuple[float, ...],
    ) -> "ErrorSums":
        """Sum errors of standardised `(batch, ..., values)`, where `counted` `(batch,)`."""
        outputs, targets = where_counted(outputs, counted), where_counted(targets, counted)
        error, size = abs(outputs - targets), abs(inverse_transform(targets, mean, scale))
        relative = error * along_last_axis(scale, error) / jnp.maximum(size, EPSILON)
        kinds = error**2, error, relative
        return cls(*(kind.reshape(-1, kind.shape[-1]).sum(0) for kind in kinds))


def regression_metrics(
    errors: ErrorSums, targets: Array, counted: Array, scale: tuple[float, ...]
) -> Array:
    """Compute `REGRESSION_METRICS`, each a mean over the values, `(metrics,)`.

    Args:
        errors: Sums of errors over all rows.
        targets: Standardised targets, `(batches, batch, ..., values)`.
        counted: False for padding, `(batches, batch)` bool.
        scale: Factors from standardised units to those of `mse`, `rmse` and `mae`.
    """
    rows = counted.sum() * math.prod(targets.shape[2:-1])
    squared, absolute, relative = (total / rows for total in errors)
    units = jnp.asarray(scale)
    mse, rmse, mae = squared * units * units, jnp.sqrt(squared) * units, absolute * units
    r2 = jnp.where(rows > 1, _r2(errors.squared, _total_sum_of_squares(targets, counted)), jnp.nan)
    return jnp.stack([metric.mean() for metric in (squared, mse, rmse, mae, relative, r2)])


def _r2(squared: Array, total: Array) -> Array:
    """Compute coefficients of determination `(values,)`; for constant targets 1 if hit, else 0."""
    constant = total == 0
    share = squared / jnp.where(constant, 1.0, total)
    return jnp.where(constant, (squared == 0).astype(share.dtype), 1.0 - share)


def _total_sum_of_squares(targets: Array, counted: Array) -> Array:
    """Sum squared deviations of targets from their mean, `(values,)`."""
    repeats = math.prod(targets.shape[2:-1])
    rows, counted = targets.reshape(-1, targets.shape[-1]), jnp.repeat(counted.reshape(-1), repeats)
    # One of the rows is subtracted first: the deviations of equal targets are then exactly 0.
    reference = rows[argmax(counted.astype(rows.dtype))]
    moved = where_counted(rows - reference[None], counted)
    mean = moved.sum(0) / counted.sum()
    return where_counted((moved - mean[None]) ** 2, counted).sum(0)


def argmax(values: Array) -> Array:
    """Find the first greatest of floating-point numbers along the last axis, as int32.

    It returns to the bit `values.argmax(-1)`, of which JAX keeps a trace for each program that has
    one, as long as the process lives.
    """
    axis = values.ndim - 1
    indices = jax.lax.broadcasted_iota(np.int32, values.shape, axis)
    start = np.array(-np.inf, values.dtype), np.int32(0)
    _, first = jax.lax.reduce((values, indices), start, _greater, (axis,))
    return first


def _greater(new: tuple[Array, Array], old: tuple[Array, Array]) -> tuple[Array, Array]:
    (value, index), (other, other_index) = new, old
    greater = (value > other) | (value != value)  # NaN is greatest
    first = greater | ((value == other) & (index < other_index))
    return jax.lax.select(greater, value, other), jax.lax.select(first, index, other_index)
