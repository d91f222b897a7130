"""One step of an array over time is read and written in place, also under `vmap`.

`jax.vmap` makes a gather of a slice and a scatter of an update, although all lanes are at the same
time step. On a GPU or TPU these cost a kernel more each, and the clamping of their indices; here
the axis of the lanes goes in front, and slices stay slices.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxrnn.types import Array


def at(array: Array, t: Array) -> Array:
    """Return `array[t]` for an index within bounds that is the same for every lane."""
    return _lifted(_at, 0)(array, t)


def put(array: Array, row: Array, t: Array) -> Array:
    """Return `array` with `row` at such an index `t`."""
    return _lifted(_put, 0)(array, row, t)


# Indices are known to lie within bounds, which `x[t]` and `x.at[t].set` would check at every step.
def _at(array: Array, t: Array, axis: int) -> Array:
    return jax.lax.dynamic_index_in_dim(array, t, axis, False, allow_negative_indices=False)


def _put(array: Array, row: Array, t: Array, axis: int) -> Array:
    return jax.lax.dynamic_update_index_in_dim(array, row, t, axis, allow_negative_indices=False)


def _lifted(function: Callable[..., Array], axis: int) -> Callable[..., Array]:
    """Return `function` at `axis`, and under `vmap` at the next one."""

    @jax.custom_batching.custom_vmap
    def lifted(*arguments: Array) -> Array:
        return function(*arguments, axis)

    @lifted.def_vmap
    def _(size: int, batched: list[bool], *arguments: Array) -> Any:
        *arrays, t = arguments
        assert not batched[-1], "lanes are at the same time step"
        stacked = [
            array if has_lanes else jnp.broadcast_to(array[None], (size, *array.shape))
            for array, has_lanes in zip(arrays, batched, strict=False)
        ]
        return _lifted(function, axis + 1)(*stacked, t), True

    return lifted
