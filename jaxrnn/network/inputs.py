"""The way of inputs into a network: embedded, normalised, disturbed by noise, cropped."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.configuration.registry import CROPS
from jaxrnn.network import dropout
from jaxrnn.network.affine import kernel_gradient
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.dropout import RngStream
from jaxrnn.network.masking import without_padding
from jaxrnn.types import Array, Key

ONE_HOT_LIMIT = 512
"""On accelerators, vocabularies up to this size are embedded by a product with one-hot rows, which
is faster there than to gather and scatter rows."""
EPSILON = 1e-2
"""Least scale of a window, in units of the training data: noise of a flat window stays small."""


class WindowStatistics(NamedTuple):
    """What the normalisation of windows takes away from them.

    Attributes:
        last: Last values, `(batch, features)`.
        scale: Standard deviations, `(batch, features)`.
    """

    last: Array
    scale: Array


class PreparedInputs(NamedTuple):
    """Inputs as the first layer takes them.

    Attributes:
        x: Numbers, `(batch, time, inputs)`.
        lengths: True steps of each sequence after cropping, `(batch,)`.
        window: Statistics for `restore_units`; None where windows are not normalised.
    """

    x: Array
    lengths: Array
    window: WindowStatistics | None


def prepare(
    architecture: Architecture,
    inputs: Array,
    lengths: Array,
    hp: Hyperparameters,
    key: Key | None,
    embedding: Array | None,
) -> PreparedInputs:
    """Prepare inputs for the first layer.

    Args:
        architecture: Architecture, for its optional code.
        inputs: Numbers `(batch, time, features)`, or tokens `(batch, time)`.
        lengths: True steps of each sequence, `(batch,)`.
        hp: Hyperparameters of the member.
        key: Randomness of a training step; without one nothing is dropped or disturbed.
        embedding: Vectors of tokens, `(vocabulary, units)`; None where inputs are numbers.
    """
    uses, window = architecture.uses, None
    x = inputs if embedding is None else embed(embedding, inputs)
    if uses.lengths:
        x = without_padding(x, lengths)
    if uses.window_norm:
        x, window = normalise_windows(x, lengths, hp.window_norm)
    if key is not None and uses.input_noise:
        x = dropout.noise(key, hp.input_noise, x)
    if key is not None and uses.input_dropout:
        x = dropout.dropout(jax.random.fold_in(key, RngStream.INPUTS), hp.input_dropout, x)
    if uses.crop:
        x, lengths = crop(hp, x, lengths, key)
    return PreparedInputs(x, lengths, window)


def embed(table: Array, tokens: Array) -> Array:
    """Look up the row of `table` `(vocabulary, units)` of every token `(batch, time)`."""
    if table.shape[0] > ONE_HOT_LIMIT:
        return table[tokens]
    return _embed_few(table, tokens)


@jax.custom_vjp
def _embed_few(table: Array, tokens: Array) -> Array:
    """Do the same by the faster way on each platform."""
    return jax.lax.platform_dependent(
        table,
        tokens,
        cpu=lambda table, tokens: table[tokens],
        default=lambda table, tokens: _one_hot(tokens, table) @ table,
    )


def _embed_forwards(table: Array, tokens: Array) -> tuple[Array, tuple[Array, Array]]:
    return _embed_few(table, tokens), (table, tokens)


def _embed_backwards(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, None]:
    rows = jax.lax.platform_dependent(*saved, gradient, cpu=_add_rows, default=_multiply_rows)
    return rows, None


def _add_rows(table: Array, tokens: Array, gradient: Array) -> Array:
    """Compute the gradient of `table` from that of the rows looked up, `(batch, time, units)`."""
    return jnp.zeros_like(table).at[tokens].add(gradient)


def _multiply_rows(table: Array, tokens: Array, gradient: Array) -> Array:
    """Compute the same as a product."""
    return kernel_gradient(_one_hot(tokens, table), gradient)


def _one_hot(tokens: Array, table: Array) -> Array:
    return jax.nn.one_hot(tokens, table.shape[0], dtype=table.dtype)


_embed_few.defvjp(_embed_forwards, _embed_backwards)


def normalise_windows(x: Array, lengths: Array, enabled: Array) -> tuple[Array, WindowStatistics]:
    """Express windows relative to their last values, in units of their standard deviations.

    Args:
        x: Standardised inputs, `(batch, time, features)`.
        lengths: True steps of each window, `(batch,)`.
        enabled: True if the member normalises; otherwise nothing changes, `()` bool.

    Returns:
        The windows in the shape of `x`, and what `restore_units` needs.
    """
    true = (jnp.arange(x.shape[1])[None] < lengths[:, None])[..., None]
    last = jnp.take_along_axis(x, (lengths - 1)[:, None, None], axis=1)[:, 0]
    steps = lengths.astype(x.dtype)[:, None]
    mean = jnp.where(true, x, 0.0).sum(1) / steps
    variance = jnp.where(true, (x - mean[:, None]) ** 2, 0.0).sum(1) / steps
    window = WindowStatistics(
        jnp.where(enabled, last, 0.0), jnp.where(enabled, jnp.sqrt(variance + EPSILON**2), 1.0)
    )
    return (x - window.last[:, None]) / window.scale[:, None], window


def restore_units(outputs: Array, window: WindowStatistics, features: tuple[int, ...]) -> Array:
    """Undo the normalisation for outputs `(batch, outputs)`.

    Args:
        outputs: Forecasts relative to their windows.
        window: Statistics of the windows.
        features: Feature that each output is a later value of.
    """
    index = jnp.asarray(features)
    return outputs * window.scale[:, index] + window.last[:, index]


def crop(
    hp: Hyperparameters, inputs: Array, lengths: Array, key: Key | None
) -> tuple[Array, Array]:
    """Keep at most `crop_length` steps of each sequence, and move them to the front.

    Args:
        hp: Hyperparameters of the member; `crop_at` says which steps are kept.
        inputs: Sequences, `(batch, time, features)`.
        lengths: True steps, `(batch,)`.
        key: Randomness of a training step; without one, a random crop is the whole sequence.

    Returns:
        The sequences in the shape of `inputs`, and their new lengths.
    """
    at_random = hp.crop_at == CROPS.index("random")
    steps = jnp.where(hp.crop_length > 0, jnp.minimum(lengths, hp.crop_length), lengths)
    if key is None:
        steps = jnp.where(at_random, lengths, steps)
    spare = lengths - steps
    begin = jnp.where(hp.crop_at == CROPS.index("end"), spare, 0)
    if key is not None:
        draws = jax.random.uniform(jax.random.fold_in(key, RngStream.CROP), lengths.shape)
        offset = jnp.minimum((draws * (spare + 1)).astype(jnp.int32), spare)
        begin = jnp.where(at_random, offset, begin)
    time = jnp.arange(inputs.shape[1])[None]
    index = jnp.minimum(begin[:, None] + time, inputs.shape[1] - 1)
    return jnp.take_along_axis(inputs, index[..., None], axis=1), steps
