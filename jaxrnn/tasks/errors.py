"""Metrics of numbers, as scikit-learn has them with averages over the values."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.argmax import argmax
from jaxrnn.tasks.steps import only
from jaxrnn.tasks.task import MAX, MIN
from jaxrnn.tasks.units import in_units, of_values
from jaxrnn.types import AnyArray, Array

METRICS: Mapping[str, str] = {
    "loss": MIN,
    "mse": MIN,
    "rmse": MIN,
    "mae": MIN,
    "mape": MIN,
    "r2": MAX,
}
LEAST = float(np.finfo(np.float64).eps)
"""What scikit-learn divides by where a target is 0."""


class Errors(NamedTuple):
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
    def of(
        cls,
        outputs: Array,
        targets: AnyArray,
        counted: Array,
        mean: tuple[float, ...],
        scale: tuple[float, ...],
    ) -> "Errors":
        """Of standardised `(batch, ..., values)`, where `counted` `(batch,)`."""
        outputs, targets = only(outputs, counted), only(targets, counted)
        error, own = abs(outputs - targets), abs(in_units(targets, mean, scale))
        relative = error * of_values(scale, error) / jnp.maximum(own, LEAST)
        kinds = error**2, error, relative
        return cls(*(kind.reshape(-1, kind.shape[-1]).sum(0) for kind in kinds))


def scores(errors: Errors, targets: Array, counted: Array, scale: tuple[float, ...]) -> Array:
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
    r2 = jnp.where(rows > 1, _r2(errors.squared, _spread(targets, counted)), jnp.nan)
    return jnp.stack([one.mean() for one in (squared, mse, rmse, mae, relative, r2)])


def _r2(squared: Array, spread: Array) -> Array:
    """Coefficients of determination `(values,)`; of constant targets 1 if hit, or else 0."""
    constant = spread == 0
    share = squared / jnp.where(constant, 1.0, spread)
    return jnp.where(constant, (squared == 0).astype(share.dtype), 1.0 - share)


def _spread(targets: Array, counted: Array) -> Array:
    """Squared deviations of targets from their mean, summed, `(values,)`."""
    repeats = math.prod(targets.shape[2:-1])
    rows, counted = targets.reshape(-1, targets.shape[-1]), jnp.repeat(counted.reshape(-1), repeats)
    # Relative to one of them first: equal targets then spread by 0, whatever they are.
    one = rows[argmax(counted.astype(rows.dtype))]
    moved = only(rows - one[None], counted)
    mean = moved.sum(0) / counted.sum()
    return only((moved - mean[None]) ** 2, counted).sum(0)
