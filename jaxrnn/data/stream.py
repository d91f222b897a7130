"""Streams: training data that never lies in memory whole, and their batches."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from jaxrnn.data.arrays import Checked, check_consistent, check_samples, pad_time
from jaxrnn.data.encoding import encode_split
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.tasks.task import Task

Batches: TypeAlias = Callable[[int], Iterable[Any]] | Iterable[Any]
"""From the number of an epoch to its batches, or something to iterate over in every epoch."""


@dataclass(frozen=True, eq=False)
class Stream:
    """Batches of the training part, one after another.

    Attributes:
        given: Where they come from.
        task: What there is to learn.
        scaling: Of inputs.
        batch: Samples of each batch.
        batches: Of an epoch.
        time: Steps that every sample is padded to, the longest true length.
        shortest: The least true length.
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
        """The batches of an epoch, all of one shape.

        Raises:
            ValueError: Batches that differ from those of the first pass in number, size or length.
        """
        count = 0
        for number, samples in enumerate(check_batches(self.source, index)):
            count = number + 1
            if count > self.batches:
                break
            one = encode_split(f"batch {number}", samples, self.task, self.scaling)
            self._check(one, f"`batch {number}` of epoch {index}")
            yield self._padded(one)
        if count != self.batches:
            more = "more" if count > self.batches else f"{count}"
            raise ValueError(
                f"`batches` gives {more} in epoch {index}, but must give {self.batches} as in the "
                "first pass."
            )

    def _check(self, one: Split, called: str) -> None:
        if len(one) != self.batch:
            raise ValueError(f"{called} holds {len(one)} samples, but must hold {self.batch}.")
        # Where all lengths were the same, programs are compiled that know no other.
        least = self.time if self.shortest == self.time else 1
        if not least <= one.shortest <= one.time <= self.time:
            raise ValueError(
                f"{called} holds {one.shortest} to {one.time} steps, but must hold {least} to "
                f"{self.time} as in the first pass."
            )

    def _padded(self, one: Split) -> Split:
        targets = pad_time(one.targets, self.time) if self.task.per_step else one.targets
        return Split(pad_time(one.inputs, self.time), targets, one.lengths)


def check_batches(batches: Batches, epoch: int) -> Iterator[Checked]:
    """All batches of an epoch that are of the size of the first one.

    A smaller one at the end is left out.

    Raises:
        ValueError: Something that is no batch, or one of another size or shape, with its number.
    """
    first, smaller = None, None
    for number, given in enumerate(batches(epoch) if callable(batches) else batches):
        if smaller is not None:
            raise ValueError(smaller)
        batch = _batch(f"batch {number}", given)
        first = first or batch
        check_consistent(f"batch {number}", batch, first)
        size, own = len(first[0]), len(batch[0])
        wrong = f"`batch {number}` holds {own} samples, but must hold {size} as the first one."
        if own > size:
            raise ValueError(wrong)
        if own < size:
            smaller = wrong
        else:
            yield batch


def _batch(key: str, given: Any) -> Checked:
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(
            f"`{key}` is a {type(given).__name__}, but must be (inputs, targets) or "
            "(inputs, targets, lengths)."
        )
    return check_samples(key, *given)
