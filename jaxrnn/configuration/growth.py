"""Whole numbers that grow by a factor every few epochs: batch sizes and block lengths."""

import jax.numpy as jnp

from jaxrnn.types import Array, Number

ROUNDING = 1e-3
"""Products of single precision may fall just short of the whole number that they are."""
MOST = 2.0**24


def grown(first: Number, factor: Number, every: Number, epoch: Array) -> Array:
    """floor(first * factor ** (epoch // every)), `()` int32; `first` where `every` is 0."""
    times = jnp.where(every > 0, epoch // jnp.maximum(every, 1), 0)
    size = first * jnp.where(times > 0, factor, 1.0) ** times.astype(jnp.float32)
    return floor(jnp.minimum(size, MOST))


def floor(x: Number) -> Array:
    """The whole number at or below x, or just above it by rounding."""
    return jnp.floor(x + ROUNDING).astype(jnp.int32)
