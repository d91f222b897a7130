"""Metrics on the device: counts of decisions, errors of numbers, areas under ROC curves."""

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
    """Of every class, each `(classes,)` int32; or of all together, `()`.

    Attributes:
        true_positives: Answered where it was true.
        predicted: Answered.
        actual: True.
    """

    true_positives: Array
    predicted: Array
    actual: Array

    @classmethod
    def from_indicators(cls, answers: Array, targets: AnyArray, counted: Array) -> "Counts":
        """Of any number of classes at once, `(..., classes)` bool, where `counted`."""
        answers, targets = where_counted(answers, counted), where_counted(targets, counted)
        axes = tuple(range(answers.ndim - 1))
        return cls(*(marks.sum(axes) for marks in (answers & targets, answers, targets)))

    @classmethod
    def from_logits(cls, outputs: Array, targets: AnyArray, counted: Array) -> "Counts":
        """Of the likeliest class by logits `(..., classes)`, and of indices `(...)`."""
        classes = outputs.shape[-1]
        answers = jax.nn.one_hot(argmax(outputs), classes, dtype=bool)
        return cls.from_indicators(answers, jax.nn.one_hot(targets, classes, dtype=bool), counted)

    def pooled(self) -> "Counts":
        """Over all classes, for micro averages."""
        return Counts(*(count.sum() for count in self))

    def macro(self, values: Array) -> Array:
        """Mean over the classes that are answered or true."""
        return _mean_where(values, self.predicted + self.actual > 0)

    def weighted(self, values: Array) -> Array:
        """Mean over the classes, weighted by how often they are true."""
        return (values * self.actual).sum() / self.actual.sum()


def accuracy(counts: Counts) -> Array:
    """Share of right answers."""
    return counts.true_positives.sum() / counts.actual.sum()


def balanced_accuracy(counts: Counts) -> Array:
    """Mean recall of the classes that are true somewhere."""
    return _mean_where(recall(counts), counts.actual > 0)


def precision(counts: Counts) -> Array:
    """Share of the answers that are right."""
    return _ratio(counts.true_positives, counts.predicted)


def recall(counts: Counts) -> Array:
    """Share of what is true that was answered."""
    return _ratio(counts.true_positives, counts.actual)


def f1(counts: Counts) -> Array:
    """Harmonic mean of precision and recall."""
    return _ratio(2 * counts.true_positives, counts.predicted + counts.actual)


def jaccard(counts: Counts) -> Array:
    """True positives over all that is answered or true (Jaccard's index)."""
    return _ratio(counts.true_positives, counts.predicted + counts.actual - counts.true_positives)


def _ratio(some: Array, all_of_them: Array) -> Array:
    return some / jnp.maximum(all_of_them, 1)


def _mean_where(values: Array, counted: Array) -> Array:
    return where_counted(values, counted).sum() / counted.sum()


def roc_auc(scores: Array, positive: Array, counted: Array) -> Array:
    """How likely a positive sample scores above a negative one, where a tie is half a win, `()`.

    Args:
        scores: Finite, `(samples,)`.
        positive: `(samples,)` bool.
        counted: `(samples,)` bool; the others have no say.

    Returns:
        The area; NaN where there are no positive or no negative samples.
    """
    positive, negative = counted & positive, counted & ~positive
    rivals = jnp.sort(jnp.where(negative, scores, jnp.inf))
    below = jnp.searchsorted(rivals, scores, side="left")
    up_to = jnp.searchsorted(rivals, scores, side="right")
    # Shares before their sum: pairs of samples are more than an int32 can count.
    wins = (below + up_to) / (2 * negative.sum())
    return jnp.where(positive, wins, 0.0).sum() / positive.sum()


def roc_auc_one_vs_rest(scores: Array, classes: Array, targets: Array, counted: Array) -> Array:
    """Mean over classes of each against the rest, `()`.

    Args:
        scores: Of those classes, `(samples, some classes)`.
        classes: Their indices, `(some classes,)`.
        targets: Indices, `(samples,)`.
        counted: `(samples,)` bool.
    """
    # One after the other: side by side, the sorted copies would take as much room for each class.
    areas = jax.lax.map(
        lambda one: roc_auc(one[0], targets == one[1], counted), (scores.T, classes)
    )
    return areas.mean()


ROUNDING = 2.0**-21
"""Of the mean: as far from 0 a value that was 0 may come back, in single precision."""


def along_last_axis(numbers: tuple[float, ...], like: Any) -> np.ndarray:
    """One number per value, with as many axes as `like` `(..., values)`."""
    return np.reshape(numbers, (1,) * (like.ndim - 1) + (-1,))


def inverse_transform(values: Any, mean: tuple[float, ...], scale: tuple[float, ...]) -> Any:
    """Standardised `(..., values)` in units of their own, from NumPy (in float64) or JAX.

    What is 0 but for rounding is 0, or relative errors would not know what they divide by.
    """
    centre = along_last_axis(mean, values)
    own = values * along_last_axis(scale, values) + centre
    return own * (abs(own) > ROUNDING * abs(centre))


REGRESSION_METRICS: Mapping[str, str] = {
    "loss": MIN,
    "mse": MIN,
    "rmse": MIN,
    "mae": MIN,
    "mape": MIN,
    "r2": MAX,
}
EPSILON = float(np.finfo(np.float64).eps)
"""What scikit-learn divides by where a target is 0."""


class ErrorSums(NamedTuple):
    """Sums over rows, each `(values,)`.

    Attributes:
        squared: Of standardised values.
        absolute: Of standardised values.
        relative: To the target, both in units of their own.
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
        """Of standardised `(batch, ..., values)`, where `counted` `(batch,)`."""
        outputs, targets = where_counted(outputs, counted), where_counted(targets, counted)
        error, own = abs(outputs - targets), abs(inverse_transform(targets, mean, scale))
        relative = error * along_last_axis(scale, error) / jnp.maximum(own, EPSILON)
        kinds = error**2, error, relative
        return cls(*(kind.reshape(-1, kind.shape[-1]).sum(0) for kind in kinds))


def regression_metrics(
    errors: ErrorSums, targets: Array, counted: Array, scale: tuple[float, ...]
) -> Array:
    """`METRICS`, each a mean over the values, `(metrics,)`.

    Args:
        errors: Of all rows.
        targets: Standardised, `(batches, batch, ..., values)`.
        counted: `(batches, batch)` bool.
        scale: Of the units that `mse`, `rmse` and `mae` shall have, in standardised ones.
    """
    rows = counted.sum() * math.prod(targets.shape[2:-1])
    squared, absolute, relative = (total / rows for total in errors)
    units = jnp.asarray(scale)
    mse, rmse, mae = squared * units * units, jnp.sqrt(squared) * units, absolute * units
    r2 = jnp.where(rows > 1, _r2(errors.squared, _total_sum_of_squares(targets, counted)), jnp.nan)
    return jnp.stack([one.mean() for one in (squared, mse, rmse, mae, relative, r2)])


def _r2(squared: Array, spread: Array) -> Array:
    """Coefficients of determination `(values,)`; of constant targets 1 if hit, or else 0."""
    constant = spread == 0
    share = squared / jnp.where(constant, 1.0, spread)
    return jnp.where(constant, (squared == 0).astype(share.dtype), 1.0 - share)


def _total_sum_of_squares(targets: Array, counted: Array) -> Array:
    """Squared deviations of targets from their mean, summed, `(values,)`."""
    repeats = math.prod(targets.shape[2:-1])
    rows, counted = targets.reshape(-1, targets.shape[-1]), jnp.repeat(counted.reshape(-1), repeats)
    # Relative to one of them first: equal targets then spread by 0, whatever they are.
    one = rows[argmax(counted.astype(rows.dtype))]
    moved = where_counted(rows - one[None], counted)
    mean = moved.sum(0) / counted.sum()
    return where_counted((moved - mean[None]) ** 2, counted).sum(0)


def argmax(values: Array) -> Array:
    """Along the last axis of floating-point numbers, the first of equal ones, as int32.

    To the bit `values.argmax(-1)`, of which JAX keeps a trace for each program that has one, as
    long as the process lives.
    """
    axis = values.ndim - 1
    places = jax.lax.broadcasted_iota(np.int32, values.shape, axis)
    none = np.array(-np.inf, values.dtype), np.int32(0)
    _, found = jax.lax.reduce((values, places), none, _greater, (axis,))
    return found


def _greater(new: tuple[Array, Array], old: tuple[Array, Array]) -> tuple[Array, Array]:
    (value, place), (other, before) = new, old
    greater = (value > other) | (value != value)  # NaN is greatest
    first = greater | ((value == other) & (place < before))
    return jax.lax.select(greater, value, other), jax.lax.select(first, place, before)
