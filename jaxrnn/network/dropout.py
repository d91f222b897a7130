"""What is drawn at random while a network trains, independent of lane and padding."""

import math
from enum import IntEnum

import jax
import jax.numpy as jnp

from jaxrnn.types import Array, Key, Number, Shape

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def uniform(key: Key, shape: Shape) -> Array:
    """Numbers from 0 to below 1, the same as from `jax.random.uniform` with a Threefry key."""
    first, second = threefry(jax.random.key_data(key), jnp.arange(math.prod(shape), dtype="uint32"))
    # 23 random bits behind the exponent of 1.
    mantissa = ((first ^ second) >> 9) | jnp.uint32(0x3F800000)
    return (jax.lax.bitcast_convert_type(mantissa, jnp.float32) - 1.0).reshape(shape)


def threefry(key: Array, count: Array) -> tuple[Array, Array]:
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011) of the counters (0, `count`).

    Args:
        key: `(2,)` uint32.
        count: `(n,)` uint32.
    """
    keys = key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(PARITY)
    x, y = jnp.broadcast_to(keys[0], count.shape), count + keys[1]
    for turn in range(5):
        for rotation in ROTATIONS[turn % 2]:
            x = x + y
            y = ((y << rotation) | (y >> (32 - rotation))) ^ x
        x = x + keys[(turn + 1) % 3]
        y = y + keys[(turn + 2) % 3] + jnp.uint32(turn + 1)
    return x, y


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
