"""Where the greatest lies, by a reduction that JAX need not keep for ever."""

import jax
import numpy as np

from jaxrnn.types import Array


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
