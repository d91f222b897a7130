"""Sequences on the devices: training samples and their order, evaluation batches."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from jaxrnn.data.split import Split
from jaxrnn.network.scan import steps_read
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.types import AnyArray

EVALUATION_BATCH = 512
MOST_STRETCHES, SHORTEST_STRETCH = 64, 16
"""A text is evaluated in at most so many stretches, each of about so many blocks at least: the
state starts anew in each."""
POOL = 16
"""Microbatches within which sequences are sorted by length."""


class Samples(NamedTuple):
    """Sequences with their targets.

    Attributes:
        inputs: `(samples, time, features)`, or tokens `(samples, time)`.
        targets: `(samples, ...)`, as the task wants them.
        lengths: True steps, `(samples,)`.
    """

    inputs: AnyArray
    targets: AnyArray
    lengths: AnyArray

    @classmethod
    def of(cls, split: Split) -> "Samples":
        """All of a split."""
        return cls(split.inputs, split.targets, split.lengths)


class Piece(NamedTuple):
    """Some of the steps of an epoch, on the same data for all members that are equally far.

    Attributes:
        order: Indices of the samples of every step, `(spread, steps, microbatch)` int32: for
            members with `epoch` epochs behind them, with one more, and so on.
        used: How many of the steps there are, `()` int32; the others are never looked at.
        first: Steps of the epoch before them, `()` int32.
        steps: Steps of the whole epoch, `()` int32.
        epoch: Epochs behind the first of them, `()` int32.
    """

    order: AnyArray
    used: AnyArray
    first: AnyArray
    steps: AnyArray
    epoch: AnyArray

    @classmethod
    def whole(cls, order: np.ndarray, epoch: int) -> "Piece":
        """All steps of the epochs from `epoch` on."""
        steps = np.int32(order.shape[1])
        return cls(order.astype(np.int32), steps, np.int32(0), steps, np.int32(epoch))

    def position(self, epochs: AnyArray) -> tuple[AnyArray, AnyArray]:
        """Where in `order` the order of a member is, and the epochs behind it, each `()` int32.

        Where all members of a turn are equally far, both are theirs together: under `vmap` they
        have no axis of lanes then, and neither have the samples.

        Args:
            epochs: Behind the member, `()` int32.
        """
        if len(self.order) == 1:
            return np.int32(0), self.epoch
        return epochs - self.epoch, epochs


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
    def of(cls, split: Split, sizes: Sequence[int], time: int, spec: TaskSpec) -> "Batches":
        """A split in shapes that splits of all `sizes` fit, samples having `time` steps.

        Short sequences come first, so that their batches are read fast; where state is carried from
        sample to sample, each row of the batches is a stretch of the text.
        """
        most = max(sizes)
        size = -(-most // -(-most // EVALUATION_BATCH))
        if spec.stateful:
            size = max(1, min(MOST_STRETCHES, min(sizes) // SHORTEST_STRETCH))
        count = -(-most // size)
        used = -(-len(split) // size)
        rows = np.full(count * size, len(split))  # beyond the last sample lies padding
        if spec.stateful:
            rows[: used * size] = stretches(used, size).reshape(-1)
        else:
            rows[: len(split)] = np.argsort(split.lengths, kind="stable")
        rows = np.minimum(rows, len(split))

        def take(values: np.ndarray, timed: bool = False, behind: float = 0) -> np.ndarray:
            extra = time - values.shape[1] if timed else 0
            padding = [(0, 1), *[(0, extra), (0, 0), (0, 0)][: values.ndim - 1]]
            padded = np.pad(values, padding, constant_values=behind)
            return padded[rows].reshape(count, size, *padded.shape[1:])

        samples = Samples(
            take(split.inputs, timed=True),
            take(split.targets, timed=spec.per_step),
            take(split.lengths, behind=1),
        )
        return cls(samples, take(np.ones(len(split), np.float32)), np.int32(used))


def stretches(steps: int, rows: int) -> np.ndarray:
    """Blocks of a text, `(steps, rows)`: every row is a stretch of so many steps."""
    return np.arange(rows)[None] * steps + np.arange(steps)[:, None]


def epoch_order(
    lengths: np.ndarray, microbatch: int, seed: int, epoch: int, carries: bool = False
) -> np.ndarray:
    """Sample indices of one epoch, `(steps, microbatch)`, the same for every member.

    A new permutation for every epoch; the incomplete microbatch at its end is left out. Where
    lengths differ, microbatches hold sequences of about the same one. Where state is carried, each
    row goes through a stretch of the text, and what is left over at its end is left out.

    Args:
        lengths: True steps of all samples, `(samples,)`.
        microbatch: Samples of a step.
        seed: Of all epochs.
        epoch: Epochs behind.
        carries: Whether state is carried from sample to sample.
    """
    steps = len(lengths) // microbatch
    if carries:
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
    """Share of the steps computed in an epoch that are padding, from 0 to 1.

    Args:
        lengths: True steps of all samples, `(samples,)`.
        order: Of the epoch, `(steps, microbatch)`.
        time: Steps that the samples are padded to.
        chunked: Whether chunks of padding are skipped.
    """
    in_order = lengths[order]
    read = steps_read(time, in_order.max(1)) if chunked else np.full(len(order), time)
    return float(1.0 - in_order.sum() / (read.sum() * order.shape[1]))
