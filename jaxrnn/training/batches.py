"""Sequences on the devices: training samples and their order, evaluation batches."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from flax import struct

from jaxrnn.data.split import Split
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.buckets import buckets_of, choose_boundaries
from jaxrnn.training.partial_epoch import StepRange
from jaxrnn.types import AnyArray, Array

EVALUATION_BATCH = 512
"""Most samples of an evaluation batch."""
UNEVEN_BATCH, UNEVEN_BATCHES = 32, 8
"""Fewest samples of an evaluation batch where lengths differ, and about how many batches there are,
so that each holds similar ones."""
EVALUATION_BUCKETS = 3
"""Most buckets of evaluation."""
SAME_SHAPE = 1.25
"""Splits that are at most so many times as large as another are evaluated by one program."""
MAX_STRETCHES, MIN_STRETCH = 64, 16
"""Most stretches that a text is evaluated in, and fewest blocks of each, about; the state starts
anew in each."""
Tree = TypeVar("Tree")


class Samples(NamedTuple):
    """Sequences with their targets, padded to equal length.

    Attributes:
        inputs: `(samples, time, features)`, or tokens `(samples, time)`.
        targets: `(samples, ...)`, as the task wants them.
        lengths: True lengths in steps, `(samples,)`.
    """

    inputs: AnyArray
    targets: AnyArray
    lengths: AnyArray

    @classmethod
    def of(cls, split: Split) -> "Samples":
        """Return all samples of a split."""
        return cls(split.inputs, split.targets, split.lengths)


@struct.dataclass
class RaggedSamples:
    """Samples, ragged ones one behind the other, and the buckets in which they are read.

    Attributes:
        inputs: Inputs of all steps, `(steps, features)`, or tokens `(steps,)`; without offsets
            `(samples, time, ...)`.
        targets: Targets of all steps, `(steps, ...)`, or of all samples, `(samples, ...)`.
        lengths: True lengths in steps, `(samples,)` int32.
        offsets: First step of each sample, `(samples,)` int32; None where all are padded alike.
        per_step: True if targets belong to steps.
        boundaries: Steps that a batch of each bucket has, ascending; the last one holds every
            sample.
    """

    inputs: AnyArray
    targets: AnyArray
    lengths: AnyArray
    offsets: AnyArray
    per_step: bool = struct.field(pytree_node=False)
    boundaries: tuple[int, ...] = struct.field(pytree_node=False)

    @classmethod
    def dense(cls, samples: Samples, per_step: bool) -> "RaggedSamples":
        """Return samples of one bucket with their padding, none of them copied."""
        return cls(*samples, None, per_step, (samples.inputs.shape[1],))

    @classmethod
    def ragged(
        cls, samples: Samples, per_step: bool, boundaries: tuple[int, ...]
    ) -> "RaggedSamples":
        """Return samples without padding between them; some steps are behind the last one."""
        inputs, targets, lengths = samples
        true = np.arange(inputs.shape[1]) < lengths[:, None]
        ends = np.cumsum(lengths)
        behind = boundaries[-1] - int(lengths[-1])
        targets = _lengthened(targets[true], behind) if per_step else targets
        offsets = (ends - lengths).astype(np.int32)
        return cls(
            _lengthened(inputs[true], behind), targets, lengths, offsets, per_step, boundaries
        )

    def resized(self, steps: int, samples: int) -> "RaggedSamples":
        """Return the same, followed by zeros up to so many rows of `inputs` and `lengths`."""
        more_steps, more = steps - len(self.inputs), samples - len(self.lengths)
        offsets = None if self.offsets is None else _lengthened(self.offsets, more)
        return replace(
            self,
            inputs=_lengthened(self.inputs, more_steps),
            targets=_lengthened(self.targets, more_steps if self.per_step else more),
            lengths=_lengthened(self.lengths, more),
            offsets=offsets,
        )

    def read(self, rows: AnyArray, bucket: AnyArray, function: Callable[[Samples], Tree]) -> Tree:
        """Return `function` of some samples, padded to the length of their bucket.

        It is compiled for every bucket. What lies behind the true lengths may be anything.

        Args:
            rows: Indices of the samples, `(batch,)` int32.
            bucket: Index of their bucket, `()` int32.
            function: Function from samples to results whose shapes know no time.
        """

        def branch(time: int) -> Tree:
            return function(self._batch(rows, time))

        return jax.lax.switch(bucket, [partial(branch, time) for time in self.boundaries])

    def _batch(self, rows: AnyArray, time: int) -> Samples:
        if self.offsets is None:
            return Samples(self.inputs[rows], self.targets[rows], self.lengths[rows])

        def slices(values: AnyArray) -> Array:
            slice_at = partial(jax.lax.dynamic_slice_in_dim, values, slice_size=time)
            return jax.vmap(slice_at)(self.offsets[rows])

        targets = slices(self.targets) if self.per_step else self.targets[rows]
        return Samples(slices(self.inputs), targets, self.lengths[rows])


def _lengthened(values: np.ndarray, more: int) -> np.ndarray:
    """Append so many zeros to an array."""
    return np.pad(values, [(0, more)] + [(0, 0)] * (values.ndim - 1)) if more else values


class Segment(NamedTuple):
    """Some of the steps of an epoch, on the same data for all members that are equally far.

    Attributes:
        order: Indices of the samples of every step, `(epoch_window, steps, microbatch)` int32: for
            members with `epoch` epochs behind them, with one more, and so on.
        buckets: Index of the bucket of every step, `(steps,)` int32.
        steps: Steps of the epoch that these are.
        epoch: Index of the first epoch, `()` int32.
    """

    order: AnyArray
    buckets: AnyArray
    steps: StepRange
    epoch: AnyArray

    @classmethod
    def whole(cls, order: np.ndarray, buckets: np.ndarray, epoch: int) -> "Segment":
        """Return all steps of the epochs from `epoch` on."""
        steps = StepRange.whole(order.shape[1])
        return cls(order.astype(np.int32), buckets.astype(np.int32), steps, np.int32(epoch))

    def row_and_epoch(self, epochs: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Return a member's row of `order` and the index of its epoch, each `()` int32.

        In a window of one epoch the two are the same for all members: under `vmap` they have no
        axis of lanes then, and neither have the samples.

        Args:
            epochs: Epochs that the member has trained, `()` int32.
        """
        if len(self.order) == 1:
            return np.int32(0), self.epoch
        return epochs - self.epoch, epochs


class Batches(NamedTuple):
    """Samples in whole batches.

    Attributes:
        samples: All samples.
        rows: Indices of the samples of every batch, `(batches, batch)` int32.
        buckets: Index of the bucket of every batch, `(batches,)` int32.
        weights: `(batches, batch)`, 1 for a sample and 0 for padding.
        used: Number of batches that hold samples, `()` int32; others are never looked at.
    """

    samples: RaggedSamples
    rows: AnyArray
    buckets: AnyArray
    weights: AnyArray
    used: AnyArray

    @property
    def targets_and_lengths(self) -> tuple[AnyArray, AnyArray]:
        """Targets, None where they belong to steps, and true lengths, `(batches, batch, ...)`."""
        samples = self.samples
        targets = None if samples.per_step else samples.targets[self.rows]
        return targets, samples.lengths[self.rows]


def evaluation_batches(splits: Sequence[Split], spec: TaskSpec) -> list[Batches]:
    """Return splits in batches: of one shape if the splits are about equally large.

    They share a program then. Otherwise each is in its own shape, or the smaller would cost what
    the larger does.

    Args:
        splits: Splits, the one first that is read after every epoch.
        spec: Specification of the networks.
    """
    sizes = [len(split) for split in splits]
    if max(sizes) <= SAME_SHAPE * min(sizes):
        return _of_one_shape(splits, spec)
    return [batches for split in splits for batches in _of_one_shape([split], spec)]


def _of_one_shape(splits: Sequence[Split], spec: TaskSpec) -> list[Batches]:
    """Return splits in batches of one shape, which suits the smallest split.

    Short sequences come first; where state is carried from sample to sample, each row of the
    batches is a stretch of the text.

    Args:
        splits: Splits, the one first that is read after every epoch: buckets suit its lengths.
        spec: Specification of the networks.
    """
    size = batch_size([len(split) for split in splits], spec)
    count = max(-(-len(split) // size) for split in splits)
    orders = [_evaluation_order(split, size, count, spec) for split in splits]
    longest = [split.lengths[rows].max(1) for split, (rows, _) in zip(splits, orders, strict=True)]
    used = [-(-len(split) // size) for split in splits]
    most = max(int(split.lengths.max()) for split in splits)
    if spec.lengths_differ:
        often_read = np.append(longest[0][: used[0] - 1], most)
        boundaries = choose_boundaries(often_read, size, EVALUATION_BUCKETS)
        make = partial(RaggedSamples.ragged, per_step=spec.per_step, boundaries=boundaries)
        samples = [make(Samples.of(split)) for split in splits]
    else:
        samples = [RaggedSamples.dense(Samples.of(split), spec.per_step) for split in splits]
    steps = max(len(part.inputs) for part in samples)
    rows_of_all = max(len(part.lengths) for part in samples)
    return [
        Batches(
            part.resized(steps, rows_of_all),
            rows,
            buckets_of(most_steps, part.boundaries),
            weights,
            np.int32(batches),
        )
        for part, (rows, weights), most_steps, batches in zip(
            samples, orders, longest, used, strict=True
        )
    ]


def batch_size(sizes: Sequence[int], spec: TaskSpec) -> int:
    """Return the samples of an evaluation batch for splits of these sizes.

    The smallest split is cut into equal parts: of similar lengths, or as large as they may be.
    """
    smallest = min(sizes)
    if spec.stateful:
        return max(1, min(MAX_STRETCHES, smallest // MIN_STRETCH))
    most = EVALUATION_BATCH
    if spec.lengths_differ:
        most = min(most, max(UNEVEN_BATCH, smallest // UNEVEN_BATCHES))
    return -(-smallest // -(-smallest // most))


def _evaluation_order(
    split: Split, size: int, count: int, spec: TaskSpec
) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and weights of all batches, each `(batches, batch)`; padding is the first row."""
    used = -(-len(split) // size)
    if spec.stateful:
        order = stretches(used, size).reshape(-1)
    else:
        order = np.argsort(split.lengths, kind="stable")
    rows = np.full(count * size, len(split))
    rows[: len(order)] = order
    true = rows < len(split)
    rows, weights = np.where(true, rows, order[0]).astype(np.int32), true.astype(np.float32)
    return rows.reshape(count, size), weights.reshape(count, size)


def stretches(steps: int, rows: int) -> np.ndarray:
    """Return blocks of a text, `(steps, rows)`: every row is a stretch of so many steps."""
    return np.arange(rows)[None] * steps + np.arange(steps)[:, None]
