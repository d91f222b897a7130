"""Streams: training data that never lies in memory whole, and their batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from jaxrnn.data.arrays import check_consistent, pad_time, unpack_samples
from jaxrnn.data.encoding import encode_split
from jaxrnn.data.records import Sequences
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.tasks.task import Task

Batches: TypeAlias = Callable[[int], Iterable[Any]] | Iterable[Any]
"""Function from the number of an epoch to its batches, or something to iterate over anew."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Batches of the training part, one after another.

    Attributes:
        source: Source of the batches.
        task: Task to learn.
        scaling: Scaling of inputs.
        batch: Samples of each batch.
        batches: Batches of an epoch.
        time: Steps that every sample is padded to, the longest true length.
        shortest: Least true length.
    """

    source: Batches
    task: Task
    scaling: Scaling
    batch: int
    batches: int
    time: int
    shortest: int

    def __len__(self) -> int:
        return self.batch * self.batches

    def epoch(self, index: int) -> Iterator[Split]:
        """Yield the batches of an epoch, all of one shape.

        Raises:
            ValueError: Batches differ from those of the first pass in number, size or length.
        """
        count = 0
        for number, samples in enumerate(check_batches(self.source, index)):
            count = number + 1
            if count > self.batches:
                break
            split = encode_split(samples, self.task, self.scaling)
            self._check(split, f"`{samples.name}` of epoch {index}")
            yield self._pad(split)
        if count != self.batches:
            more = "more" if count > self.batches else f"{count}"
            raise ValueError(
                f"`batches` gives {more} in epoch {index}, but must give {self.batches} as in the "
                "first pass."
            )

    def _check(self, split: Split, name: str) -> None:
        if len(split) != self.batch:
            raise ValueError(f"{name} holds {len(split)} samples, but must hold {self.batch}.")
        # Where all lengths were the same, programs are compiled that know no other.
        least = self.time if self.shortest == self.time else 1
        if not least <= split.shortest <= split.time <= self.time:
            raise ValueError(
                f"{name} holds {split.shortest} to {split.time} steps, but must hold {least} to "
                f"{self.time} as in the first pass."
            )

    def _pad(self, split: Split) -> Split:
        targets = pad_time(split.targets, self.time) if self.task.per_step else split.targets
        return Split(pad_time(split.inputs, self.time), targets, split.lengths)


def check_batches(batches: Batches, epoch: int) -> Iterator[Sequences]:
    """Yield all batches of an epoch that are of the size of the first one, checked.

    A smaller one at the end is left out.

    Raises:
        ValueError: Something is no batch, or differs from the first in size or shape; the message
            says which.
    """
    first, smaller = None, None
    for number, arrays in enumerate(batches(epoch) if callable(batches) else batches):
        if smaller is not None:
            raise ValueError(smaller)
        batch = unpack_samples(f"batch {number}", arrays)
        first = first or batch
        check_consistent(batch, first)
        size, samples = len(first.inputs), len(batch.inputs)
        wrong = f"`{batch.name}` holds {samples} samples, but must hold {size} as the first one."
        if samples > size:
            raise ValueError(wrong)
        if samples < size:
            smaller = wrong
        else:
            yield batch
