"""Window normalisation: networks see a window relative to its end, and forecast changes.

Series drift: what a variable does next is closer to where it is than to where it was on average in
training (Kim et al. 2022, reversible instance normalisation, here with the last value as centre).
"""

from typing import NamedTuple

import jax.numpy as jnp

from jaxrnn.types import Array

EPSILON = 1e-2
"""Least deviation, in units of the training data's: a flat window is not blown up."""


class Seen(NamedTuple):
    """Where windows end and how far they spread, each `(batch, features)`."""

    last: Array
    spread: Array


def normalise(x: Array, lengths: Array, wanted: Array) -> tuple[Array, Seen]:
    """Windows `(batch, time, features)` relative to their ends, if `wanted` `()` says so.

    Args:
        x: Standardised inputs.
        lengths: True steps of each, `(batch,)`.
        wanted: `()` bool.

    Returns:
        The windows in the shape of `x`, and what `undo` needs.
    """
    true = (jnp.arange(x.shape[1])[None] < lengths[:, None])[..., None]
    last = jnp.take_along_axis(x, (lengths - 1)[:, None, None], axis=1)[:, 0]
    steps = lengths.astype(x.dtype)[:, None]
    mean = jnp.where(true, x, 0.0).sum(1) / steps
    square = jnp.where(true, (x - mean[:, None]) ** 2, 0.0).sum(1) / steps
    own = Seen(jnp.where(wanted, last, 0.0), jnp.where(wanted, jnp.sqrt(square + EPSILON**2), 1.0))
    return (x - own.last[:, None]) / own.spread[:, None], own


def undo(outputs: Array, window: Seen, features: tuple[int, ...]) -> Array:
    """Outputs `(batch, outputs)`, each a later value of one of the `features`, as they were."""
    index = jnp.asarray(features)
    return outputs * window.spread[:, index] + window.last[:, index]
