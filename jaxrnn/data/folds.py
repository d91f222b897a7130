"""Cross-validation: each fold in turn validates, and all share one test part."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from jaxrnn.data import targets
from jaxrnn.data.arrays import check_seed
from jaxrnn.data.dataset import Data
from jaxrnn.data.from_arrays import to_sequences
from jaxrnn.data.options import TaskOptions
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import LabelledTexts, LongText, PianoRolls, Record, Sequences, TimeSeries
from jaxrnn.data.splitting import Constraints, Ranges, divide_rows

SPLITTERS = {(True, False): StratifiedKFold, (False, True): GroupKFold, (False, False): KFold}
"""Splitters of scikit-learn, by whether there are labels and groups; with both, another one."""


def folds(
    source: Record | tuple[Any, ...],
    k: int = 5,
    *,
    test: float = 0.15,
    groups: Any = None,
    seed: int = 0,
    **options: Any,
) -> list[Data]:
    """Divide data `k` times, with the same test part and another fold to validate on.

    Classes have the same share in all folds, and no group is in two. A text or a series is cut in
    order of time, and what lies before a fold trains.

    Args:
        source: (inputs, targets) or (inputs, targets, lengths) as arrays, or what
            `jaxrnn.read_data` returns.
        k: Number of folds, at least 2.
        test: Share of the test part, between 0 and 1, where the data has none of its own.
        groups: Group of each sample of arrays, `(samples,)`, such as the patient it comes from.
        seed: Seed of the order of samples, from 0 to 2**32 - 1.
        **options: `task`, `look_back`, `horizon`, `reach_back`, `block` and `unit`, as in
            `jaxrnn.load_data`.

    Raises:
        ValueError: An option does not fit the source, or there are too few samples for so many
            folds.
    """
    if not isinstance(source, Record) and (
        not isinstance(source, tuple) or len(source) not in (2, 3)
    ):
        raise ValueError(
            f"`source` is {type(source).__name__}, but must be (inputs, targets) or (inputs, "
            "targets, lengths), or what `jaxrnn.read_data` returns."
        )
    if isinstance(source, tuple):
        lengths = source[2] if len(source) > 2 else None
        source = to_sequences(*source[:2], lengths=lengths, groups=groups)
    elif groups is not None:
        raise ValueError("`groups` are given, but belong to arrays; a record has its own.")
    return fold_record(source, k, TaskOptions.of_folds(options), test, seed)


def fold_record(record: Record, k: int, options: TaskOptions, test: float, seed: int) -> list[Data]:
    """Divide a record `k` times; see `folds`."""
    check_seed(seed)
    if not isinstance(k, int | np.integer):
        raise ValueError(f"`k` is {k!r}, but must be a whole number.")
    if k < 2:
        raise ValueError(f"`k` is {k}, but must be at least 2.")
    if not 0 < test < 1:
        raise ValueError(f"`test` is {test}, but must be a share between 0 and 1.")
    if isinstance(record, TimeSeries | LongText):
        splits = (partial(fold_in_order, fold=fold, k=k, test=test) for fold in range(k))
        return [prepare(record, options, split) for split in splits]
    constraints = _constraints(record, options.task)
    return [
        prepare(replace(record, parts=parts), options, seed=seed)
        for parts in _parts(_samples(record), constraints, k, test, seed)
    ]


def fold_in_order(rows: int, fold: int, k: int, test: float) -> Ranges:
    """Return where the parts lie if fold number `fold` of `k` validates."""
    early = rows - max(1, int(rows * test))
    if early <= k:
        raise ValueError(f"`k` is {k}, but there are only {early} rows for as many folds.")
    train, validation = list(TimeSeriesSplit(k).split(np.arange(early)))[fold]
    return [(0, len(train)), (len(train), len(train) + len(validation)), (early, rows)]


def _samples(record: Sequences | LabelledTexts | PianoRolls) -> int:
    return len(record.rolls if isinstance(record, PianoRolls) else record.inputs)


def _constraints(record: Sequences | LabelledTexts | PianoRolls, task: str | None) -> Constraints:
    """Collect what folds must respect; labels are classes of whole sequences."""
    labels = None
    if not isinstance(record, PianoRolls):
        y = record.targets
        time = record.inputs.shape[1] if isinstance(record, Sequences) else 1
        labels = y if targets.kind_of(task, y, time) == targets.CLASSIFICATION else None
    return Constraints(labels, record.groups, record.parts)


def _parts(
    samples: int, constraints: Constraints, k: int, test: float, seed: int
) -> Iterator[np.ndarray]:
    """Yield for every fold the name of the part of each sample."""
    rows = np.arange(samples)
    if constraints.parts is not None:
        in_test = constraints.parts == "test"
        folded, held_out = rows[~in_test], rows[in_test]
    else:
        count = max(1, int(samples * test))
        counts = np.array([samples - count, count])
        folded, held_out = divide_rows(rows, counts, constraints, seed)
    for _, fold in _fold_rows(constraints, folded, k, seed):
        names = np.full(samples, "train", dtype="<U10")
        names[held_out], names[folded[fold]] = "test", "validation"
        yield names


def _fold_rows(constraints: Constraints, rows: np.ndarray, k: int, seed: int) -> Iterator[Any]:
    labels, groups = (
        None if values is None else values[rows]
        for values in (constraints.labels, constraints.groups)
    )
    _check_enough("samples", len(rows), k)
    if groups is not None:
        _check_enough("groups", len(np.unique(groups)), k)
    if labels is not None:
        _check_enough("samples of a class", np.unique(labels, return_counts=True)[1].min(), k)
    splitter = SPLITTERS.get((labels is not None, groups is not None), StratifiedGroupKFold)
    return splitter(k, shuffle=True, random_state=seed).split(rows, labels, groups)


def _check_enough(what: str, count: int, k: int) -> None:
    if count < k:
        raise ValueError(f"`k` is {k}, but there are only {count} {what} outside the test part.")
