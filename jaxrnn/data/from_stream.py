"""A first pass over a stream learns all that must be known before training."""

from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from jaxrnn.data import targets
from jaxrnn.data.arrays import Checked, check_consistent, check_samples, step_mask
from jaxrnn.data.checks import check_splits
from jaxrnn.data.dataset import Data
from jaxrnn.data.encoding import encode_split
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
    """Data whose training part is read batch by batch, in every epoch anew.

    One pass at the start counts samples and learns scale and classes, nothing of which stays.

    Args:
        batches: From the number of an epoch to an iterator, or something that can be iterated over
            again and again, such as a Grain data set or a list; of (inputs, targets) or (inputs,
            targets, lengths), as `from_arrays` takes them. All have the size of the first one, but
            for a smaller last one, which is left out; every epoch has as many.
        validation: (inputs, targets) or (inputs, targets, lengths), in memory.
        test: Likewise.
        name: For the run folder.
        task: As `from_arrays`.

    Raises:
        ValueError: As `from_splits`, or batches that are no such thing.
    """
    if hasattr(batches, "__next__"):
        raise ValueError(
            "`batches` is an iterator, which has one epoch only, but must be a function from the "
            "number of an epoch to an iterator, or something that can be iterated over again."
        )
    given = {"validation": validation, "test": test}
    evaluated = {part: check_samples(part, *arrays) for part, arrays in given.items()}
    survey = StreamStatistics(task)
    for samples in check_batches(batches, 0):
        survey.add(samples)
    if survey.first is None:
        raise ValueError("`batches` is empty, but must give at least one batch.")
    for part, samples in evaluated.items():
        check_consistent(part, samples, survey.first)
    about = survey.task(max(len(x) for x, _, _ in evaluated.values()))
    scaling = Scaling.from_moments(survey.inputs, "`train` inputs")
    splits = {
        part: encode_split(part, samples, about, scaling) for part, samples in evaluated.items()
    }
    size = len(survey.first[0])
    stream = Stream(batches, about, scaling, size, survey.batches, survey.time, survey.shortest)
    said = (
        f"train is a stream of {survey.batches:,} batches of {size:,}.",
        *check_splits(about, splits),
    )
    return Data(name, about, stream, **splits, encoder=scaling, notes=said)


class StreamStatistics:
    """What was seen of a stream so far.

    Attributes:
        first: The first batch.
        batches: How many there were.
        time: The longest true length.
        shortest: The least.
        inputs: Moments of the true steps.
    """

    def __init__(self, kind: str | None) -> None:
        self.first: Checked | None = None
        self.batches = self.time = 0
        self.shortest = np.iinfo(np.int32).max
        self.inputs = StandardScaler()
        self._asked = kind
        self._kinds: set[str] = set()
        self._values = StandardScaler()
        self._classes: set[Any] = set()

    def add(self, samples: Checked) -> None:
        """Count a batch."""
        x, y, lengths = samples
        self.first = self.first or samples
        self.batches += 1
        self.time = max(self.time, int(lengths.max()))
        self.shortest = min(self.shortest, int(lengths.min()))
        add_rows(self.inputs, x[step_mask(lengths, x)])
        kind = targets.kind_of(self._asked, y, x.shape[1])
        self._kinds.add(kind)
        if kind == targets.LABELLING:
            y = y[step_mask(lengths, y)]
        elif y.dtype.kind != "U":
            add_rows(self._values, targets.as_columns(y))
        if targets.REGRESSION not in self._kinds:
            self._classes.update(np.unique(y).tolist())

    def task(self, evaluated: int) -> Task:
        """The task that all targets define; whole numbers may be values as well."""
        if targets.REGRESSION in self._kinds:
            return targets.regression(Scaling.from_moments(self._values, "`train` targets"))
        (kind,) = self._kinds
        return targets.labels_of_classes(kind, tuple(sorted(self._classes)), evaluated)
