"""Sequences on the devices: training samples, evaluation batches, the order of an epoch."""

from typing import NamedTuple

import jax
import numpy as np

from jaxrnn.data.data import Split
from jaxrnn.types import AnyArray, Array

EVALUATION_BATCH = 512


class Samples(NamedTuple):
    """Labelled sequences.

    Attributes:
        inputs: `(samples, time, features)`.
        labels: `(samples,)`.
        lengths: True steps, `(samples,)`.
    """

    inputs: AnyArray
    labels: AnyArray
    lengths: AnyArray

    @classmethod
    def of(cls, split: Split) -> "Samples":
        """All of a split."""
        return cls(split.inputs, split.labels, split.lengths)


class Batches(NamedTuple):
    """Samples in whole batches.

    Attributes:
        samples: `(batches, batch, ...)`.
        weights: `(batches, batch)`, 1 for a sample and 0 for padding.
        used: `()` int32, how many batches hold samples; the others are never looked at.
    """

    samples: Samples
    weights: AnyArray
    used: AnyArray

    @classmethod
    def of(cls, split: Split, most: int) -> "Batches":
        """A split in the shapes of one with `most` samples, so that both fit one program."""
        count = -(-most // EVALUATION_BATCH)
        size = -(-most // count)

        def fill(values: np.ndarray, with_: float = 0) -> np.ndarray:
            padding = [(0, count * size - len(values))] + [(0, 0)] * (values.ndim - 1)
            padded = np.pad(values, padding, constant_values=with_)
            return padded.reshape(count, size, *values.shape[1:])

        samples = Samples(fill(split.inputs), fill(split.labels), fill(split.lengths, 1))
        used = np.asarray(-(-len(split) // size), np.int32)
        return cls(samples, fill(np.ones(len(split), np.float32)), used)


def epoch_order(seed: Array | int, epoch: Array | int, samples: int, microbatch: int) -> Array:
    """Sample indices of one epoch, `(steps, microbatch)`: a new permutation for every epoch.

    The incomplete microbatch at its end is left out; the next epoch's permutation is another one.
    """
    steps = samples // microbatch
    key = jax.random.fold_in(jax.random.key(seed), epoch)
    return jax.random.permutation(key, samples)[: steps * microbatch].reshape(steps, microbatch)
