"""Sequences of different true lengths, read forwards and backwards."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from jaxrnn.types import Array


def without_padding(x: Array, lengths: Array) -> Array:
    """Set steps of `(batch, time, units)` behind the true lengths to 0, whatever they hold.

    Gradients pass through them as 0, and 0 times NaN would be NaN.
    """
    true = jnp.arange(x.shape[1])[None] < lengths[:, None]
    return jnp.where(true[..., None], x, 0.0)


@jax.custom_batching.custom_vmap
def longest_of(lengths: Array) -> Array:
    """Return the greatest of lengths `(batch,)`, and of those of all lanes under `vmap`, `()`.

    A loop that ends there has one number of turns for every lane.
    """
    return lengths.max()


@longest_of.def_vmap
def _(size: int, batched: list[bool], lengths: Array) -> tuple[Array, bool]:
    del size, batched
    return longest_of(lengths.reshape(-1)), False


def reverse(x: Array, lengths: Array | None) -> Array:
    """Reverse the true steps of `(batch, time, units)`; padding stays behind them."""
    if lengths is None:
        return x[:, ::-1]
    time = jnp.arange(x.shape[1])[None]
    index = jnp.where(time < lengths[:, None], lengths[:, None] - 1 - time, time)
    return jnp.take_along_axis(x, index[..., None], axis=1)


def interleave(directions: Sequence[Array]) -> Array:
    """Join directions to `(..., units * directions)`, the directions of a unit side by side.

    So units that are padding come last, whatever the number of directions.
    """
    if len(directions) == 1:
        return directions[0]
    return jnp.stack(directions, axis=-1).reshape(*directions[0].shape[:-1], -1)


def ends(x: Array, lengths: Array) -> Array:
    """Pick outputs at the end of reading: forwards at the last true step, backwards at step 0.

    Args:
        x: Outputs in order of time, `(batch, time, units, directions)`.
        lengths: True steps, `(batch,)`.

    Returns:
        Outputs, `(batch, units, directions)`.
    """
    forwards = _step_of_each(x[..., :1], lengths - 1)
    return jnp.concatenate([forwards, x[:, 0, :, 1:]], axis=-1)


@jax.custom_vjp
def _step_of_each(x: Array, index: Array) -> Array:
    """Pick from `(batch, time, ...)` the step `index` `(batch,)` of each sequence.

    Its gradient is a comparison with `index`, not a scatter: nothing is filled with zeros first.
    """
    return jnp.take_along_axis(x, index.reshape(-1, *[1] * (x.ndim - 1)), axis=1)[:, 0]


def _step_forwards(x: Array, index: Array) -> tuple[Array, tuple[Array, Array]]:
    return _step_of_each(x, index), (x, index)


def _step_backwards(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, None]:
    x, index = saved
    steps = jax.lax.broadcasted_iota(index.dtype, x.shape, 1)
    picked = steps == index.reshape(-1, *[1] * (x.ndim - 1))
    return jnp.where(picked, gradient[:, None], 0), None


_step_of_each.defvjp(_step_forwards, _step_backwards)
