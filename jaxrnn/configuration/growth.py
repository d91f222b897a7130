"""Whole numbers that grow by a factor every few epochs: batch sizes and lengths of TBPTT blocks."""

import jax.numpy as jnp

from jaxrnn.types import Array, Number

ROUNDING = 1e-3
"""Tolerance for products in single precision, which may fall just short of a whole number."""
MAX_SIZE = 2.0**24
"""Limit of growth: up to here single precision holds every whole number."""


def size_at(first: Number, factor: Number, every: Number, epoch: Array) -> Array:
    """Compute floor(first * factor ** (epoch // every)), which is `first` where `every` is 0.

    Args:
        first: Size in the first epoch, `()`, at least 0.
        factor: Factor of growth, `()`, at least 1.
        every: Epochs between two growths, `()`; 0 for no growth.
        epoch: Index of the epoch, `()`.

    Returns:
        The size in that epoch, `()` int32, at most 2 ** 24.
    """
    times = jnp.where(every > 0, epoch // jnp.maximum(every, 1), 0)
    size = first * jnp.where(times > 0, factor, 1.0) ** times.astype(jnp.float32)
    return floor(jnp.minimum(size, MAX_SIZE))


def floor(x: Number) -> Array:
    """Round down to a whole number, int32, unless x is just below one by rounding."""
    return jnp.floor(x + ROUNDING).astype(jnp.int32)
