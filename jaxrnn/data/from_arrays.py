"""Data from arrays in Python."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from jaxrnn.data.arrays import check_consistent, check_samples, pad_time, unpack_samples
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
    """Divide arrays at random into train, validation and test.

    Classes have the same share in each part, and no group is in two of them.

    Args:
        inputs: Finite numbers `(samples, time, features)`, or a list of arrays
            `(time_i, features)`.
        targets: Labels (numbers or text) or values, `(samples,)`; values `(samples, values)`; or
            a label for every step, `(samples, time)`.
        seed: Seed of the division, from 0 to 2**32 - 1.
        name: Name of the data, as the run folder shows it.
        lengths: True steps of each sample, `(samples,)`; all steps by default.
        groups: Group of each sample, `(samples,)`, such as the patient it comes from.
        task: `classification`, `regression` or `labelling`. By default the targets decide: numbers
            with fractions are values, anything else is a label.
        split: Shares or whole counts of the three parts; 70/15/15 by default.

    Raises:
        ValueError: Arrays have a wrong rank or hold NaN, counts or shapes disagree, or a class has
            too few samples.
    """
    sequences = to_sequences(inputs, targets, name, lengths, groups)
    return prepare(sequences, TaskOptions(task), split, seed)


def to_sequences(
    inputs: Any, targets: Any, name: str = "arrays", lengths: Any = None, groups: Any = None
) -> Sequences:
    """Check arrays as `from_arrays` takes them, and make a record of them."""
    sequences = check_samples("data", inputs, targets, lengths)
    groups = None if groups is None else _groups(groups, len(sequences.inputs))
    return replace(sequences, name=name, groups=groups)


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
    """Make data of three parts that are divided already.

    Args:
        train: (inputs, targets) or (inputs, targets, lengths) to train on, arrays as in
            `from_arrays`.
        validation: The same to prune and to select by, with no class that `train` lacks.
        test: The same to score the winner on, with no class that `train` lacks.
        name: Name of the data, as the run folder shows it.
        task: `classification`, `regression` or `labelling`; by default the targets decide.

    Raises:
        ValueError: Arrays are refused as by `from_arrays`, the parts don't fit each other, or a
            class is unknown to `train`.
    """
    arrays = dict(zip(PARTS, (train, validation, test), strict=True))
    parts = [unpack_samples(part, samples) for part, samples in arrays.items()]
    for part in parts:
        check_consistent(part, parts[0])
    time = max(part.inputs.shape[1] for part in parts)
    per_step = all(part.per_step for part in parts)
    sequences = Sequences(
        name,
        np.concatenate([pad_time(part.inputs, time) for part in parts]),
        np.concatenate([part.lengths for part in parts]),
        np.concatenate([pad_time(p.targets, time) if per_step else p.targets for p in parts]),
        parts=np.repeat(PARTS, [len(part.inputs) for part in parts]),
    )
    return prepare(sequences, TaskOptions(task))
