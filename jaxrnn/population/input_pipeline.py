"""The input pipeline: training data goes to the devices once, or streams there by segments."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol

import jax
import numpy as np

from jaxrnn.data.dataset import Data
from jaxrnn.data.split import Split
from jaxrnn.data.stream import Stream
from jaxrnn.training.batches import (
    Batches,
    RaggedSamples,
    Samples,
    Segment,
    evaluation_batches,
    stretches,
)
from jaxrnn.training.buckets import (
    MAX_BUCKETS,
    MAX_FIXED_BUCKETS,
    choose_boundaries,
    epoch_buckets,
    epoch_order,
    microbatch_lengths,
    padded_share,
)
from jaxrnn.training.partial_epoch import StepRange

Put = Callable[[Any], Any]
"""Function from arrays on the host to arrays on every device."""
MAX_EPOCH_WINDOW = 32
"""Most epochs whose order lies on the devices at once, of four bytes a sample each."""
MAX_STEPS = 64
"""Most steps of a streamed segment: enough that handing it over costs little."""


class TrainingData(Protocol):
    """Training data by epochs and segments, the same for all members that are at an epoch."""

    streaming: bool

    @property
    def microbatch(self) -> int:
        """Samples of a step."""
        ...

    @property
    def segments(self) -> int:
        """Number of segments of an epoch."""
        ...

    @property
    def padded_share(self) -> float:
        """Share of the steps computed in an epoch that are padding; 0 where it is not known."""
        ...

    def epoch_window(self, epochs: int) -> int:
        """Return over how many of so many epochs members may be spread that share segments."""
        ...

    def example(self, epoch_window: int) -> tuple[RaggedSamples, Segment]:
        """Return arrays of the shapes of every segment, to compile for."""
        ...

    def epochs(self, first: int, epoch_window: int) -> Iterator[tuple[RaggedSamples, Segment]]:
        """Yield the segments of the `epoch_window` epochs from `first` on, on the devices."""
        ...


@dataclass(frozen=True)
class InMemory:
    """A split that lies on the devices.

    Attributes:
        samples: Samples on the devices.
        lengths: True lengths of the samples, on the host.
        microbatch: Samples of a step.
        order: Function from the number of an epoch to its sample indices, `(steps, microbatch)`.
        buckets: Bucket of every step of an epoch, `(steps,)` int32.
        loops_end: Whether loops over time end with the longest sequence, not with its bucket.
        put: Function that puts the order on the devices.
    """

    samples: RaggedSamples
    lengths: np.ndarray
    microbatch: int
    order: Callable[[int], np.ndarray]
    buckets: np.ndarray
    loops_end: bool
    put: Put
    streaming = False
    segments = 1

    @property
    def padded_share(self) -> float:
        """Share of padding in the first epoch, or in all blocks of a text."""
        time = None if self.loops_end else np.array(self.samples.boundaries)[self.buckets]
        return padded_share(self.lengths, self.order(0), time)

    def epoch_window(self, epochs: int) -> int:
        """Return the number of epochs, up to a limit."""
        return min(epochs, MAX_EPOCH_WINDOW)

    def example(self, epoch_window: int) -> tuple[RaggedSamples, Segment]:
        """Return the first epochs, in one segment."""
        return next(self.epochs(0, epoch_window))

    def epochs(self, first: int, epoch_window: int) -> Iterator[tuple[RaggedSamples, Segment]]:
        """Yield all steps in one segment."""
        orders = np.stack([self.order(epoch) for epoch in range(first, first + epoch_window)])
        yield self.samples, self.put(Segment.whole(orders, self.buckets, first))


@dataclass(frozen=True)
class Streaming:
    """A stream, which never lies anywhere as a whole; every member uses a batch that is read once.

    Attributes:
        stream: Source of the batches.
        microbatch: Samples of a step; batches are multiples of it.
        per_step: True if targets belong to steps.
        put: Function that puts a segment on the devices.
    """

    stream: Stream
    microbatch: int
    per_step: bool
    put: Put
    streaming = True
    padded_share = 0.0

    @property
    def steps(self) -> int:
        """Number of steps of an epoch."""
        return len(self.stream) // self.microbatch

    @property
    def batches_per_segment(self) -> int:
        """Number of batches of a segment."""
        return max(1, min(MAX_STEPS, self.steps) * self.microbatch // self.stream.batch)

    @property
    def segments(self) -> int:
        """Number of segments of an epoch, the last one perhaps smaller."""
        return -(-len(self.stream) // (self.batches_per_segment * self.stream.batch))

    def epoch_window(self, epochs: int) -> int:
        """Return one, as another epoch would read other batches."""
        return 1

    def example(self, epoch_window: int = 1) -> tuple[RaggedSamples, Segment]:
        """Return the first segment of the first epoch."""
        return next(self.epochs(0, epoch_window))

    def epochs(self, first: int, epoch_window: int = 1) -> Iterator[tuple[RaggedSamples, Segment]]:
        """Yield one segment after the other, and fetch the next one in the meantime."""
        assert epoch_window == 1
        segments = self._segments(first)
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(next, segments, None)
            while (segment := ahead.result()) is not None:
                ahead = pool.submit(next, segments, None)
                yield segment

    def _segments(self, epoch: int) -> Iterator[tuple[RaggedSamples, Segment]]:
        batches, first = self.stream.epoch(epoch), 0
        most = self.batches_per_segment * self.stream.batch // self.microbatch
        order = np.arange(most * self.microbatch, dtype=np.int32).reshape(1, most, -1)
        buckets = np.zeros(most, np.int32)
        while group := list(islice(batches, self.batches_per_segment)):
            samples = _concatenated(group, most * self.microbatch)
            ragged = RaggedSamples.dense(samples, self.per_step)
            count = len(group) * self.stream.batch // self.microbatch
            steps = StepRange(np.int32(count), np.int32(first), np.int32(self.steps))
            yield self.put((ragged, Segment(order, buckets, steps, np.int32(epoch))))
            first += count


def microbatch_of(train: Split | Stream, asked: int | None) -> int:
    """Return the samples of a step: as asked, or by the size of the training data.

    Raises:
        ValueError: More than there are, less than 1, or no divisor of a stream's batches.
    """
    if isinstance(train, Stream):
        if asked is not None and (asked < 1 or train.batch % asked):
            raise ValueError(
                f"`microbatch` is {asked}, but must divide the stream's batches of {train.batch}."
            )
        return train.batch if asked is None else asked
    samples = len(train)
    size = 1 << max(0, min(32, samples // 8).bit_length() - 1) if asked is None else asked
    if not 1 <= size <= samples:
        raise ValueError(
            f"`microbatch` is {size}, but must be from 1 to {samples}, "
            "the size of the training split."
        )
    return size


def training_data(
    data: Data, microbatch: int, seed: int, put: Put, loops_end: bool = True
) -> TrainingData:
    """Return the training data of a search.

    Args:
        data: Data set.
        microbatch: Samples of a step.
        seed: Seed of the order.
        put: Function that puts arrays on the devices.
        loops_end: Whether loops over time end with the longest sequence of a microbatch, as those
            that are not unrolled do; others need more buckets.
    """
    train, spec = data.train, data.spec
    if isinstance(train, Stream):
        return Streaming(train, microbatch, spec.per_step, put)
    lengths, all_samples = train.lengths, Samples.of(train)
    if spec.stateful:
        samples, steps = RaggedSamples.dense(all_samples, spec.per_step), len(train) // microbatch
        in_order = stretches(steps, microbatch)
        buckets = np.zeros(steps, np.int32)
        return InMemory(
            put(samples), lengths, microbatch, lambda _: in_order, buckets, loops_end, put
        )
    most = MAX_BUCKETS if loops_end else MAX_FIXED_BUCKETS
    boundaries = choose_boundaries(microbatch_lengths(lengths, microbatch), microbatch, most)
    if lengths.min() == train.time:
        samples = RaggedSamples.dense(all_samples, spec.per_step)
    else:
        samples = RaggedSamples.ragged(all_samples, spec.per_step, boundaries)
    buckets = epoch_buckets(lengths, microbatch, seed, boundaries)

    @lru_cache(MAX_EPOCH_WINDOW)  # turn after turn asks for almost the same ones
    def order(epoch: int) -> np.ndarray:
        return epoch_order(lengths, microbatch, seed, epoch, boundaries)

    return InMemory(put(samples), lengths, microbatch, order, buckets, loops_end, put)


def evaluation_splits(data: Data) -> dict[str, Batches]:
    """Return validation and test split on the host, see `evaluation_batches`."""
    batches = evaluation_batches([data.validation, data.test], data.spec)
    return dict(zip(("validation", "test"), batches, strict=True))


def _concatenated(splits: list[Split], size: int) -> Samples:
    """Return the samples of some splits of one shape, padded to `size` samples."""

    def concatenate(*leaves: np.ndarray) -> np.ndarray:
        rows = np.concatenate(leaves)
        return np.pad(rows, [(0, size - len(rows))] + [(0, 0)] * (rows.ndim - 1))

    return jax.tree.map(concatenate, *map(Samples.of, splits))
