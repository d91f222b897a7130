"""The same data in memory and as a stream."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxrnn.data.dataset import Data
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.stream import Stream
from jaxrnn.tasks.classification import Classification
from jaxrnn.training.buckets import epoch_order

TIME, MICROBATCH, SEED = 9, 8, 3
TASK = Classification((0, 1, 2))
Batch = tuple[np.ndarray, ...]


def split(samples: int, seed: int, even: bool = False) -> Split:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, TIME + 1, samples)
    lengths[:3] = 1, TIME, TIME
    lengths = np.full(samples, TIME) if even else lengths
    x = rng.normal(size=(samples, TIME, 3))
    x[np.arange(TIME) >= lengths[:, None]] = 0.0
    labels = np.where(rng.random(samples) < 0.3, 2, x.sum((1, 2)) > 0)
    labels[:3] = 0, 1, 2
    return Split(x.astype(np.float32), labels.astype(np.int32), lengths.astype(np.int32))


def in_memory(samples: int = 40, even: bool = False) -> Data:
    parts = [split(count, seed, even) for seed, count in enumerate((samples, 30, 20))]
    return Data("memory", TASK, *parts, encoder=Scaling.identity(3))


def streamed(data: Data, microbatches: int, given: Any = None) -> Data:
    """The same in the same order, so many microbatches a batch."""
    train: Any = data.train
    size = MICROBATCH * microbatches
    count = len(train) // size

    def batches(epoch: int) -> Iterator[Batch]:
        order = epoch_order(train.lengths, MICROBATCH, SEED, epoch, (TIME,))
        for rows in order[: count * microbatches].reshape(count, -1):
            yield train.inputs[rows], train.targets[rows], train.lengths[rows]

    shortest = int(train.lengths.min())
    source = given or batches
    stream = Stream(source, TASK, Scaling.identity(3), size, count, TIME, shortest)
    return Data("stream", TASK, stream, data.validation, data.test, Scaling.identity(3))
