"""A first pass over a stream learns all that must be known before training."""

from typing import Any

import numpy as np
from sklearn.preprocessing import StandardScaler

from jaxrnn.data import targets
from jaxrnn.data.arrays import Checked, check_alike, check_samples, true_steps
from jaxrnn.data.checks import notes
from jaxrnn.data.dataset import Data
from jaxrnn.data.encoding import read
from jaxrnn.data.scaling import Scaling, count
from jaxrnn.data.stream import Batches, Stream, opened
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
    survey = Survey(task)
    for samples in opened(batches, 0):
        survey.see(samples)
    if survey.first is None:
        raise ValueError("`batches` is empty, but must give at least one batch.")
    for part, samples in evaluated.items():
        check_alike(part, samples, survey.first)
    about = survey.task(max(len(x) for x, _, _ in evaluated.values()))
    scaling = Scaling.of(survey.inputs, "`train` inputs")
    splits = {part: read(part, samples, about, scaling) for part, samples in evaluated.items()}
    size = len(survey.first[0])
    stream = Stream(batches, about, scaling, size, survey.batches, survey.time, survey.shortest)
    said = f"train is a stream of {survey.batches:,} batches of {size:,}.", *notes(about, splits)
    return Data(name, about, stream, **splits, encoder=scaling, notes=said)


class Survey:
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

    def see(self, samples: Checked) -> None:
        """Count a batch."""
        x, y, lengths = samples
        self.first = self.first or samples
        self.batches += 1
        self.time = max(self.time, int(lengths.max()))
        self.shortest = min(self.shortest, int(lengths.min()))
        count(self.inputs, x[true_steps(lengths, x)])
        kind = targets.kind_of(self._asked, y, x.shape[1])
        self._kinds.add(kind)
        if kind == targets.LABELLING:
            y = y[true_steps(lengths, y)]
        elif y.dtype.kind != "U":
            count(self._values, targets.columns(y))
        if targets.REGRESSION not in self._kinds:
            self._classes.update(np.unique(y).tolist())

    def task(self, evaluated: int) -> Task:
        """The task that all targets define; whole numbers may be values as well."""
        if targets.REGRESSION in self._kinds:
            return targets.regression(Scaling.of(self._values, "`train` targets"))
        (kind,) = self._kinds
        return targets.labels_task(kind, tuple(sorted(self._classes)), evaluated)
