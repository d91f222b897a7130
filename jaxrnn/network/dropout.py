"""Random numbers of training: dropout and noise, independent of lane and padding."""

import math
from enum import IntEnum

import jax
import jax.numpy as jnp

from jaxrnn.types import Array, Key, Number, Shape

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


class RngStream(IntEnum):
    """Numbers that are folded into the key of a step, one for each use of it."""

    NOISE = 1
    INPUTS = 2
    CROP = 3
    READOUT = 4
    LAYER = 10
    """Dropout above a layer; the layer is added."""
    RECURRENT = 20
    """Recurrent dropout; twice the layer and the direction are added."""


def uniform(key: Key, shape: Shape) -> Array:
    """Draw from [0, 1), the same as `jax.random.uniform` does with a Threefry key."""
    first, second = threefry(jax.random.key_data(key), jnp.arange(math.prod(shape), dtype="uint32"))
    # 23 random bits behind the exponent of 1 are a number from 1 to below 2.
    mantissa = ((first ^ second) >> 9) | jnp.uint32(0x3F800000)
    return (jax.lax.bitcast_convert_type(mantissa, jnp.float32) - 1.0).reshape(shape)


def threefry(key: Array, count: Array) -> tuple[Array, Array]:
    """Apply Threefry-2x32 with 20 rounds (Salmon et al. 2011) to the counters (0, `count`).

    Args:
        key: Key, `(2,)` uint32.
        count: Second words of the counters, `(n,)` uint32.

    Returns:
        Both words of the results, each `(n,)` uint32.
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


def noise(key: Key, deviation: Number, x: Array) -> Array:
    """Add Gaussian noise of a standard deviation to `x`."""
    return x + deviation * jax.random.normal(jax.random.fold_in(key, RngStream.NOISE), x.shape)


def dropout_mask(key: Key, rate: Number, shape: tuple[int, ...]) -> Array:
    """Draw factors of dropout, `shape`: 0 with probability `rate`, else 1 / (1 - rate).

    The draw runs over units (the last axis) first, so that unit k of a padded layer draws what unit
    k of the same layer draws without padding (threefry numbers depend on the position alone).
    """
    draws = uniform(key, (shape[-1], *shape[:-1]))
    return jnp.where(jnp.moveaxis(draws, 0, -1) >= rate, 1.0 / (1.0 - rate), 0.0)


def dropout(key: Key, rate: Number, x: Array) -> Array:
    """Set elements of `x` `(batch, ..., units)` to 0 with probability `rate`, scale the others."""
    return x * dropout_mask(key, rate, x.shape)
