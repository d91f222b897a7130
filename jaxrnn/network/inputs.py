"""Inputs of a network: cropped, embedded, or relative to the end of their window."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.configuration.registry import CROPS
from jaxrnn.network.dropout import Use
from jaxrnn.types import Array, Key


def crop(
    hp: Hyperparameters, inputs: Array, lengths: Array, key: Key | None
) -> tuple[Array, Array]:
    """At most `crop_length` steps of each sequence, moved to the front, and the new lengths.

    Args:
        hp: The member's; `crop_at` says which steps.
        inputs: `(batch, time, features)`.
        lengths: True steps, `(batch,)`.
        key: Of a training step; without one, a crop at random is the whole sequence.
    """
    at_random = hp.crop_at == CROPS.index("random")
    keep = jnp.where(hp.crop_length > 0, jnp.minimum(lengths, hp.crop_length), lengths)
    if key is None:
        keep = jnp.where(at_random, lengths, keep)
    spare = lengths - keep
    begin = jnp.where(hp.crop_at == CROPS.index("end"), spare, 0)
    if key is not None:
        draws = jax.random.uniform(jax.random.fold_in(key, Use.CROP), lengths.shape)
        drawn = jnp.minimum((draws * (spare + 1)).astype(jnp.int32), spare)
        begin = jnp.where(at_random, drawn, begin)
    time = jnp.arange(inputs.shape[1])[None]
    index = jnp.minimum(begin[:, None] + time, inputs.shape[1] - 1)
    return jnp.take_along_axis(inputs, index[..., None], axis=1), keep


FEW = 512
"""Up to so many tokens a product with one-hot rows is faster than to gather and scatter rows."""


def embed(table: Array, tokens: Array) -> Array:
    """The row of `table` `(vocabulary, units)` of every token `(batch, time)`."""
    if table.shape[0] > FEW:
        return table[tokens]
    return jax.nn.one_hot(tokens, table.shape[0], dtype=table.dtype) @ table


EPSILON = 1e-2
"""Least deviation, in units of the training data's: a flat window is not blown up."""


class Window(NamedTuple):
    """Where windows end and how far they spread, each `(batch, features)`."""

    last: Array
    spread: Array


def normalise(x: Array, lengths: Array, wanted: Array) -> tuple[Array, Window]:
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
    own = Window(
        jnp.where(wanted, last, 0.0), jnp.where(wanted, jnp.sqrt(square + EPSILON**2), 1.0)
    )
    return (x - own.last[:, None]) / own.spread[:, None], own


def undo(outputs: Array, window: Window, features: tuple[int, ...]) -> Array:
    """Outputs `(batch, outputs)`, each a later value of one of the `features`, as they were."""
    index = jnp.asarray(features)
    return outputs * window.spread[:, index] + window.last[:, index]
