"""Data from arrays in Python."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrnn.data.arrays import check_consistent, check_samples, pad_time
from jaxrnn.data.dataset import Data
from jaxrnn.data.options import TaskOptions
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import PARTS, Sequences


def from_arrays(
    inputs: Any,
    targets: Any,
    seed: int = 0,
    name: str = "arrays",
    lengths: Any = None,
    groups: Any = None,
    task: str | None = None,
    split: Sequence[float] | None = None,
) -> Data:
    """Data divided at random into train, validation and test.

    Classes have the same share in each part; no group is in two of them.

    Args:
        inputs: Finite numbers `(samples, time, features)`, or a list of arrays
            `(time_i, features)`.
        targets: Labels (numbers or text) or values, `(samples,)`; values `(samples, values)`; or
            a label for every step, `(samples, time)`.
        seed: Of the division, at least 0.
        name: For the run folder.
        lengths: `(samples,)`, true steps of each; all steps by default.
        groups: Whom each sample comes from, `(samples,)`.
        task: `classification`, `regression` or `labelling`; guessed by default: numbers with
            fractions are values, anything else is a label.
        split: Shares or counts of the three parts; 70/15/15 by default.

    Raises:
        ValueError: Wrong rank, NaN, counts or shapes that disagree, or a class with too few
            samples.
    """
    sequences = to_sequences(inputs, targets, name, lengths, groups)
    return prepare(sequences, TaskOptions(task), split, seed)


def to_sequences(
    inputs: Any, targets: Any, name: str = "arrays", lengths: Any = None, groups: Any = None
) -> Sequences:
    """Arrays as `from_arrays` takes them, checked, before anything is divided."""
    x, y, true = check_samples("data", inputs, targets, lengths)
    return Sequences(name, x, true, y, None if groups is None else _groups(groups, len(x)))


def _groups(groups: Any, samples: int) -> np.ndarray:
    array = np.asarray(groups)
    if array.shape != (samples,):
        raise ValueError(f"`groups` have the shape {array.shape}, but must be ({samples},).")
    return array


def from_splits(
    train: tuple[Any, ...],
    validation: tuple[Any, ...],
    test: tuple[Any, ...],
    name: str = "arrays",
    task: str | None = None,
) -> Data:
    """Data with parts of your own, each (inputs, targets) or (inputs, targets, lengths).

    Args:
        train: As `from_arrays` takes them; what lies behind the lengths is ignored.
        validation: Likewise, with no class that `train` lacks.
        test: Likewise.
        name: For the run folder.
        task: As `from_arrays`.

    Raises:
        ValueError: As `from_arrays`, or a class unknown to `train`.
    """
    given = dict(zip(PARTS, (train, validation, test), strict=True))
    checked = {part: check_samples(part, *arrays) for part, arrays in given.items()}
    for part, samples in checked.items():
        check_consistent(part, samples, checked["train"])
    inputs, targets, lengths = zip(*checked.values(), strict=True)
    time = max(x.shape[1] for x in inputs)
    if all(y.shape[1:] == x.shape[1:2] for x, y in zip(inputs, targets, strict=True)):
        targets = [pad_time(y, time) for y in targets]
    sequences = Sequences(
        name,
        np.concatenate([pad_time(x, time) for x in inputs]),
        np.concatenate(lengths),
        np.concatenate(targets),
        parts=np.repeat(PARTS, [len(x) for x in inputs]),
    )
    return prepare(sequences, TaskOptions(task))
