"""Truncated back-propagation through time: where gradients stop (Williams and Peng 1990).

A sequence is cut into blocks of `tbptt_length` K steps, each sharing O = `tbptt_overlap` K with the
one before, so that they start S = K - O steps apart. State is carried over; block b starts with a
state that is a constant, at step b S. The loss at step t belongs to block max(0, (t - O) // S): its
gradient reaches back O to K - 1 steps.

K is a traced number, so members with different blocks share a program. What differs is where
gradients stop, not what is computed. With overlap, the gradients of two blocks pass through the
same steps, one of them beyond the start of the other: even and odd blocks then go through the
network as two streams that differ in their stops alone. Two are enough while O is at most K / 2.
"""

import jax.numpy as jnp

from jaxrnn.configuration.growth import floor, size_at
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.types import Array


def stop_gradient_at(hp: Hyperparameters, epoch: Array, time: int, streams: int) -> Array:
    """Return the steps whose incoming state is a constant, `(streams, time)` bool.

    Args:
        hp: Hyperparameters of the member.
        epoch: Index of the epoch, `()`, since blocks may grow.
        time: Steps of a sequence.
        streams: Streams that the blocks are dealt to: 2 with overlap, else 1.
    """
    _, stride = _overlap_and_stride(hp, epoch)
    step = jnp.arange(time)[None]
    starts = (step % stride == 0) & (step > 0) & (hp.tbptt_length > 0)
    return starts & ((step // stride) % streams == jnp.arange(streams)[:, None])


def stream_of(hp: Hyperparameters, epoch: Array, time: int, streams: int) -> Array:
    """Return the stream whose gradients the loss at every step takes, `(time,)` int32.

    Arguments are those of `stop_gradient_at`.
    """
    overlap, stride = _overlap_and_stride(hp, epoch)
    block = jnp.maximum((jnp.arange(time) - overlap) // stride, 0)
    return jnp.where(hp.tbptt_length > 0, block % streams, 0)


def _overlap_and_stride(hp: Hyperparameters, epoch: Array) -> tuple[Array, Array]:
    length = size_at(hp.tbptt_length, hp.tbptt_growth, hp.tbptt_growth_epochs, epoch)
    overlap = floor(hp.tbptt_overlap * length)
    return overlap, jnp.maximum(length - overlap, 1)
