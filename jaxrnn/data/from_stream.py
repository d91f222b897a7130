"""A first pass over a stream learns all that must be known before training."""

from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from jaxrnn.data import targets
from jaxrnn.data.arrays import check_consistent, step_mask, unpack_samples
from jaxrnn.data.checks import check_splits
from jaxrnn.data.dataset import Data
from jaxrnn.data.encoding import encode_split
from jaxrnn.data.records import Sequences
from jaxrnn.data.scaling import Scaling, add_rows
from jaxrnn.data.stream import Batches, Stream, check_batches
from jaxrnn.tasks.task import Task


def from_stream(
    batches: Batches,
    validation: tuple[Any, ...],
    test: tuple[Any, ...],
    name: str = "stream",
    task: str | None = None,
) -> Data:
    """Make data whose training part is read batch by batch, in every epoch anew.

    One pass at the start counts samples and learns scale and classes; it keeps no batch.

    Args:
        batches: Function from the number of an epoch to an iterator, or something that can be
            iterated over again and again, such as a Grain data set or a list; of (inputs, targets)
            or (inputs, targets, lengths), arrays as in `from_arrays`. All have the size of the
            first one, except a smaller last one, which is left out; every epoch has as many.
        validation: (inputs, targets) or (inputs, targets, lengths) in memory, to prune and to
            select by.
        test: The same, to score the winner on.
        name: Name of the data, as the run folder shows it.
        task: `classification`, `regression` or `labelling`; by default the targets decide.

    Raises:
        ValueError: Arrays are refused as by `from_splits`, or batches are missing or differ.
    """
    if hasattr(batches, "__next__"):
        raise ValueError(
            "`batches` is an iterator, which has one epoch only, but must be a function from the "
            "number of an epoch to an iterator, or something that can be iterated over again."
        )
    if not callable(batches) and not hasattr(batches, "__iter__"):
        raise ValueError(
            f"`batches` is {type(batches).__name__}, but must be a function from the number of an "
            "epoch to an iterator, or something that can be iterated over again."
        )
    evaluated = [unpack_samples("validation", validation), unpack_samples("test", test)]
    statistics = StreamStatistics(task)
    for batch in check_batches(batches, 0):
        statistics.add(batch)
    if statistics.first is None:
        raise ValueError("`batches` is empty, but must give at least one batch.")
    for part in evaluated:
        check_consistent(part, statistics.first)
    fitted = statistics.task(max(len(part.inputs) for part in evaluated))
    scaling = Scaling.from_moments(statistics.inputs, "`train` inputs")
    splits = {part.name: encode_split(part, fitted, scaling) for part in evaluated}
    stream = statistics.stream(batches, fitted, scaling)
    size = f"train is a stream of {stream.batches:,} batches of {stream.batch:,}."
    notes = size, *check_splits(fitted, splits)
    return Data(name, fitted, stream, **splits, encoder=scaling, notes=notes)


class StreamStatistics:
    """What the batches of a stream were like so far.

    Attributes:
        first: First batch, or None.
        batches: Number of batches.
        time: Longest true length.
        shortest: Least true length.
        inputs: Moments of the true steps.
    """

    def __init__(self, task: str | None) -> None:
        self.first: Sequences | None = None
        self.batches = self.time = 0
        self.shortest = np.iinfo(np.int32).max
        self.inputs = StandardScaler()
        self._task = task
        self._kinds: set[str] = set()
        self._values = StandardScaler()
        self._classes: set[Any] = set()

    def add(self, batch: Sequences) -> None:
        """Take a batch into account."""
        x, y, lengths = batch.inputs, batch.targets, batch.lengths
        self.first = self.first or batch
        self.batches += 1
        self.time = max(self.time, int(lengths.max()))
        self.shortest = min(self.shortest, int(lengths.min()))
        add_rows(self.inputs, x[step_mask(lengths, x)])
        kind = targets.kind_of(self._task, y, x.shape[1])
        self._kinds.add(kind)
        if kind == targets.LABELLING:
            y = y[step_mask(lengths, y)]
        elif y.dtype.kind != "U":
            add_rows(self._values, targets.as_columns(y))
        if targets.REGRESSION not in self._kinds:
            self._classes.update(np.unique(y).tolist())

    def task(self, evaluated: int) -> Task:
        """Return the task that all targets define; whole numbers may be values as well."""
        if targets.REGRESSION in self._kinds:
            return targets.regression(Scaling.from_moments(self._values, "`train` targets"))
        (kind,) = self._kinds
        return targets.labels_of_classes(kind, tuple(sorted(self._classes)), evaluated)

    def stream(self, source: Batches, task: Task, scaling: Scaling) -> Stream:
        """Make the stream of these batches."""
        assert self.first
        size = len(self.first.inputs)
        return Stream(source, task, scaling, size, self.batches, self.time, self.shortest)
