"""Training data on its way to the devices: whole and once, or piece by piece while others train."""

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
from jaxrnn.training.batches import Batches, Piece, Samples, epoch_order, padded_share

Put = Callable[[Any], Any]
"""From arrays on the host to arrays on every device."""
MAX_EPOCH_WINDOW = 32
"""Most epochs whose order lies on the devices at once, of four bytes a sample each."""
STEPS = 64
"""Most steps of a streamed piece: enough that handing it over costs little."""


class TrainingData(Protocol):
    """What a trainer reads; an epoch's pieces, the same for all members that are at it."""

    in_pieces: bool

    @property
    def microbatch(self) -> int:
        """Samples of a step."""
        ...

    @property
    def pieces(self) -> int:
        """How many an epoch has."""
        ...

    @property
    def padded_share(self) -> float:
        """Share of the steps computed in an epoch that are padding; 0 where nobody knows."""
        ...

    def epoch_window(self, epochs: int) -> int:
        """Over how many of so many epochs members may be spread, and yet read the same pieces."""
        ...

    def example(self, epoch_window: int) -> tuple[Samples, Piece]:
        """Arrays of the shapes of every piece, to compile for."""
        ...

    def epochs(self, first: int, epoch_window: int) -> Iterator[tuple[Samples, Piece]]:
        """Yield the pieces of the `epoch_window` epochs from `first` on, on the devices."""
        ...


@dataclass(frozen=True)
class InMemory:
    """A split that lies on the devices.

    Attributes:
        samples: There.
        lengths: True steps of them all, on the host.
        microbatch: Samples of a step.
        order: From the number of an epoch to the indices of its samples, `(steps, microbatch)`.
        chunked: Whether chunks of padding are skipped.
        put: Puts the order there.
    """

    samples: Samples
    lengths: np.ndarray
    microbatch: int
    order: Callable[[int], np.ndarray]
    chunked: bool
    put: Put
    in_pieces = False
    pieces = 1

    @property
    def padded_share(self) -> float:
        """Of the first epoch, or of all blocks of a text."""
        time = self.samples.inputs.shape[1]
        return padded_share(self.lengths, self.order(0), time, self.chunked)

    def epoch_window(self, epochs: int) -> int:
        """As many as there are, up to a limit."""
        return min(epochs, MAX_EPOCH_WINDOW)

    def example(self, epoch_window: int) -> tuple[Samples, Piece]:
        """The first epochs, in one piece."""
        return next(self.epochs(0, epoch_window))

    def epochs(self, first: int, epoch_window: int) -> Iterator[tuple[Samples, Piece]]:
        """All steps in one piece."""
        orders = np.stack([self.order(epoch) for epoch in range(first, first + epoch_window)])
        yield self.samples, self.put(Piece.whole(orders, first))


@dataclass(frozen=True)
class Streaming:
    """Data that never lies anywhere as a whole: each batch is read once, and used by every member.

    Attributes:
        stream: Where batches come from.
        microbatch: Samples of a step; batches are multiples of it.
        put: Puts a piece on the devices.
    """

    stream: Stream
    microbatch: int
    put: Put
    in_pieces = True
    padded_share = 0.0

    @property
    def steps(self) -> int:
        """Of a whole epoch."""
        return len(self.stream) // self.microbatch

    @property
    def batches_per_piece(self) -> int:
        """Batches of a piece."""
        return max(1, min(STEPS, self.steps) * self.microbatch // self.stream.batch)

    @property
    def pieces(self) -> int:
        """Of an epoch, the last one perhaps smaller."""
        return -(-len(self.stream) // (self.batches_per_piece * self.stream.batch))

    def epoch_window(self, epochs: int) -> int:
        """One: what another epoch reads lies elsewhere."""
        return 1

    def example(self, epoch_window: int = 1) -> tuple[Samples, Piece]:
        """The first piece of the first epoch."""
        return next(self.epochs(0, epoch_window))

    def epochs(self, first: int, epoch_window: int = 1) -> Iterator[tuple[Samples, Piece]]:
        """One piece after the other, the next one fetched while this one is worked on."""
        assert epoch_window == 1
        pieces = self._pieces(first)
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(next, pieces, None)
            while (piece := ahead.result()) is not None:
                ahead = pool.submit(next, pieces, None)
                yield piece

    def _pieces(self, index: int) -> Iterator[tuple[Samples, Piece]]:
        batches, first = self.stream.epoch(index), 0
        room = self.batches_per_piece * self.stream.batch // self.microbatch
        order = np.arange(room * self.microbatch, dtype=np.int32).reshape(1, room, -1)
        while group := list(islice(batches, self.batches_per_piece)):
            samples = _joined(group, room * self.microbatch)
            used = len(group) * self.stream.batch // self.microbatch
            numbers = map(np.int32, (used, first, self.steps, index))
            yield self.put((samples, Piece(order, *numbers)))
            first += used


def microbatch_of(train: Split | Stream, asked: int | None) -> int:
    """Samples of a step: as asked, or by how many there are.

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


def training_data(data: Data, microbatch: int, seed: int, put: Put) -> TrainingData:
    """The training data of a search."""
    train = data.train
    if isinstance(train, Stream):
        return Streaming(train, microbatch, put)
    samples, lengths, problem = put(Samples.of(train)), train.lengths, data.spec

    @lru_cache(MAX_EPOCH_WINDOW)  # turn after turn asks for almost the same ones
    def order(epoch: int) -> np.ndarray:
        return epoch_order(lengths, microbatch, seed, epoch, problem.stateful)

    return InMemory(samples, lengths, microbatch, order, problem.lengths_differ, put)


def evaluation_splits(data: Data) -> dict[str, Batches]:
    """Validation and test in one shape, on the host."""
    splits = {"validation": data.validation, "test": data.test}
    sizes = [len(split) for split in splits.values()]
    time, problem = max(split.time for split in splits.values()), data.spec
    return {name: Batches.of(one, sizes, time, problem) for name, one in splits.items()}


def _joined(splits: list[Split], room: int) -> Samples:
    """The samples of some splits of one shape, filled up to `room`."""

    def join(*leaves: np.ndarray) -> np.ndarray:
        joined = np.concatenate(leaves)
        return np.pad(joined, [(0, room - len(joined))] + [(0, 0)] * (joined.ndim - 1))

    return jax.tree.map(join, *map(Samples.of, splits))
