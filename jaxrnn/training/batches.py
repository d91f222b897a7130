"""Sequences on the devices: training samples and their order, evaluation batches."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxrnn.data.split import Split
from jaxrnn.network.scan import steps_read
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.partial_epoch import StepRange
from jaxrnn.types import AnyArray

EVALUATION_BATCH = 512
MAX_STRETCHES, MIN_STRETCH = 64, 16
"""Most stretches that a text is evaluated in, and fewest blocks of each, about; the state starts
anew in each."""
POOL = 16
"""Microbatches within which sequences are sorted by length."""


class Samples(NamedTuple):
    """Sequences with their targets.

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


class Segment(NamedTuple):
    """Some of the steps of an epoch, on the same data for all members that are equally far.

    Attributes:
        order: Indices of the samples of every step, `(epoch_window, steps, microbatch)` int32: for
            members with `epoch` epochs behind them, with one more, and so on.
        steps: Steps of the epoch that these are.
        epoch: Index of the first epoch, `()` int32.
    """

    order: AnyArray
    steps: StepRange
    epoch: AnyArray

    @classmethod
    def whole(cls, order: np.ndarray, epoch: int) -> "Segment":
        """Return all steps of the epochs from `epoch` on."""
        return cls(order.astype(np.int32), StepRange.whole(order.shape[1]), np.int32(epoch))

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
        samples: `(batches, batch, ...)`.
        weights: `(batches, batch)`, 1 for a sample and 0 for padding.
        used: Number of batches that hold samples, `()` int32; others are never looked at.
    """

    samples: Samples
    weights: AnyArray
    used: AnyArray

    @classmethod
    def of(cls, split: Split, sizes: Sequence[int], time: int, spec: TaskSpec) -> "Batches":
        """Return a split in shapes that fit splits of all `sizes`, with `time` steps a sample.

        Short sequences come first, so that their batches are read fast; where state is carried from
        sample to sample, each row of the batches is a stretch of the text.
        """
        largest = max(sizes)
        size = -(-largest // -(-largest // EVALUATION_BATCH))
        if spec.stateful:
            size = max(1, min(MAX_STRETCHES, min(sizes) // MIN_STRETCH))
        count = -(-largest // size)
        used = -(-len(split) // size)
        rows = np.full(count * size, len(split))  # beyond the last sample lies padding
        if spec.stateful:
            rows[: used * size] = stretches(used, size).reshape(-1)
        else:
            rows[: len(split)] = np.argsort(split.lengths, kind="stable")
        rows = np.minimum(rows, len(split))

        def take(values: np.ndarray, timed: bool = False, fill: float = 0) -> np.ndarray:
            missing = time - values.shape[1] if timed else 0
            padding = [(0, 1), *[(0, missing), (0, 0), (0, 0)][: values.ndim - 1]]
            padded = np.pad(values, padding, constant_values=fill)
            return padded[rows].reshape(count, size, *padded.shape[1:])

        samples = Samples(
            take(split.inputs, timed=True),
            take(split.targets, timed=spec.per_step),
            take(split.lengths, fill=1),
        )
        return cls(samples, take(np.ones(len(split), np.float32)), np.int32(used))


def stretches(steps: int, rows: int) -> np.ndarray:
    """Return blocks of a text, `(steps, rows)`: every row is a stretch of so many steps."""
    return np.arange(rows)[None] * steps + np.arange(steps)[:, None]


def epoch_order(
    lengths: np.ndarray, microbatch: int, seed: int, epoch: int, stateful: bool = False
) -> np.ndarray:
    """Return the sample indices of one epoch, `(steps, microbatch)`, the same for every member.

    A new permutation for every epoch; the incomplete microbatch at its end is left out. Where
    lengths differ, microbatches hold sequences of about the same one. Where state is carried, each
    row goes through a stretch of the text, and what is left over at its end is left out.

    Args:
        lengths: True lengths of all samples, `(samples,)`.
        microbatch: Samples of a step.
        seed: Seed of all epochs.
        epoch: Index of the epoch.
        stateful: Whether state is carried from sample to sample.
    """
    steps = len(lengths) // microbatch
    if stateful:
        return stretches(steps, microbatch)
    rng = np.random.default_rng((seed, epoch))
    order = rng.permutation(len(lengths)).astype(np.int32)[: steps * microbatch]
    if lengths.min() == lengths.max():
        return order.reshape(steps, microbatch)
    pool = POOL * microbatch
    pools = (order[begin : begin + pool] for begin in range(0, len(order), pool))
    alike = [part[np.argsort(lengths[part], kind="stable")] for part in pools]
    return rng.permutation(np.concatenate(alike).reshape(steps, microbatch))


def padded_share(lengths: np.ndarray, order: np.ndarray, time: int, chunked: bool) -> float:
    """Return the share of the steps computed in an epoch that are padding, from 0 to 1.

    Args:
        lengths: True lengths of all samples, `(samples,)`.
        order: Sample indices of the epoch, `(steps, microbatch)`.
        time: Steps that the samples are padded to.
        chunked: Whether chunks of padding are skipped.
    """
    in_order = lengths[order]
    read = steps_read(time, in_order.max(1)) if chunked else np.full(len(order), time)
    return float(1.0 - in_order.sum() / (read.sum() * order.shape[1]))
