"""What is drawn at random while a network trains, independent of lane and padding."""

from enum import IntEnum

import jax
import jax.numpy as jnp

from jaxrnn.network.threefry import uniform
from jaxrnn.types import Array, Key, Number


class Use(IntEnum):
    """Where a key of a step goes: each use folds its own number in."""

    NOISE = 1
    INPUTS = 2
    CROP = 3
    READOUT = 4
    LAYER = 10
    """Plus the layer: dropout above it."""
    RECURRENT = 20
    """Plus twice the layer, plus the direction."""


def noise(key: Key, deviation: Number, x: Array) -> Array:
    """`x` with Gaussian noise."""
    return x + deviation * jax.random.normal(jax.random.fold_in(key, Use.NOISE), x.shape)


def kept(key: Key, rate: Number, shape: tuple[int, ...]) -> Array:
    """Factors of dropout, `shape`: 0 with probability `rate`, else 1 / (1 - rate).

    The draw runs over units (the last axis) first, so that unit k of a padded layer draws what unit
    k of the same layer draws without padding (threefry numbers depend on the position alone).
    """
    draws = uniform(key, (shape[-1], *shape[:-1]))
    return jnp.where(jnp.moveaxis(draws, 0, -1) >= rate, 1.0 / (1.0 - rate), 0.0)


def dropout(key: Key, rate: Number, x: Array) -> Array:
    """Zero each entry of `x` `(batch, ..., units)` with probability `rate`, scale up the rest."""
    return x * kept(key, rate, x.shape)
