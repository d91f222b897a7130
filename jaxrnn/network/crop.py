"""Cropping: a member that reads only some steps of every sequence."""

import jax
import jax.numpy as jnp

from jaxrnn.configuration.entries import CROPS
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.network.randomness import Use
from jaxrnn.types import Array, Key


def crop(
    numbers: Hyperparameters, inputs: Array, lengths: Array, key: Key | None
) -> tuple[Array, Array]:
    """At most `crop_length` steps of each sequence, moved to the front, and the new lengths.

    Args:
        numbers: The member's; `crop_at` says which steps.
        inputs: `(batch, time, features)`.
        lengths: True steps, `(batch,)`.
        key: Of a training step; without one, a crop at random is the whole sequence.
    """
    at_random = numbers.crop_at == CROPS.index("random")
    keep = jnp.where(numbers.crop_length > 0, jnp.minimum(lengths, numbers.crop_length), lengths)
    if key is None:
        keep = jnp.where(at_random, lengths, keep)
    spare = lengths - keep
    begin = jnp.where(numbers.crop_at == CROPS.index("end"), spare, 0)
    if key is not None:
        draws = jax.random.uniform(jax.random.fold_in(key, Use.CROP), lengths.shape)
        drawn = jnp.minimum((draws * (spare + 1)).astype(jnp.int32), spare)
        begin = jnp.where(at_random, drawn, begin)
    time = jnp.arange(inputs.shape[1])[None]
    index = jnp.minimum(begin[:, None] + time, inputs.shape[1] - 1)
    return jnp.take_along_axis(inputs, index[..., None], axis=1), keep
