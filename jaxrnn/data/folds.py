"""Cross-validation: each fold in turn validates, and all share one test part."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.model_selection import TimeSeriesSplit as InTime

from jaxrnn.data import targets
from jaxrnn.data.arrays import check_seed, check_targets
from jaxrnn.data.dataset import Data
from jaxrnn.data.from_arrays import to_sequences
from jaxrnn.data.prepare import Record, prepare
from jaxrnn.data.records import LabelledTexts, LongText, PianoRolls, Sequences, TimeSeries
from jaxrnn.data.splitting import Constraints, Ranges, divide_rows


def folds(
    source: Record | tuple[Any, ...],
    k: int = 5,
    *,
    test: float = 0.15,
    groups: Any = None,
    seed: int = 0,
    **options: Any,
) -> list[Data]:
    """Data `k` times, with the same test part and another fold to validate on.

    Classes have the same share in all folds, no group is in two; a text or a series is cut in order
    of time, and what lies before a fold trains.

    Args:
        source: (inputs, targets) or (inputs, targets, lengths) as arrays, or what
            `jaxrnn.read_data` gives.
        k: Folds, at least 2.
        test: Share of the test part, where the data has none of its own.
        groups: Of arrays, whom each sample comes from, `(samples,)`.
        seed: Of the order of samples.
        **options: As `prepare` takes them, but for `split`.

    Raises:
        ValueError: As `prepare`, or too few samples for so many folds.
    """
    check_seed(seed)
    if k < 2:
        raise ValueError(f"`k` is {k}, but must be at least 2.")
    if not 0 < test < 1:
        raise ValueError(f"`test` is {test}, but must be a share between 0 and 1.")
    if isinstance(source, tuple):
        lengths = source[2] if len(source) > 2 else None
        source = to_sequences(*source[:2], lengths=lengths, groups=groups)
    elif groups is not None:
        raise ValueError("`groups` are given, but belong to arrays; a record has its own.")
    if "split" in options:
        raise ValueError("`split` is given, but folds divide by themselves; `test` can be set.")
    if isinstance(source, TimeSeries | LongText):
        splits = (partial(fold_in_order, fold=fold, k=k, test=test) for fold in range(k))
        return [prepare(source, split=split, **options) for split in splits]
    known = _constraints(source, options.get("task"))
    return [
        prepare(replace(source, parts=parts), seed=seed, **options)
        for parts in _parts(_samples(source), known, k, test, seed)
    ]


def fold_in_order(rows: int, fold: int, k: int, test: float) -> Ranges:
    """Where the parts lie if fold number `fold` of `k` validates."""
    early = rows - max(1, int(rows * test))
    if early <= k:
        raise ValueError(f"`k` is {k}, but there are only {early} rows for as many folds.")
    train, validation = list(InTime(k).split(np.arange(early)))[fold]
    return [(0, len(train)), (len(train), len(train) + len(validation)), (early, rows)]


def _samples(raw: Sequences | LabelledTexts | PianoRolls) -> int:
    return len(raw.rolls if isinstance(raw, PianoRolls) else raw.inputs)


def _constraints(raw: Sequences | LabelledTexts | PianoRolls, task: str | None) -> Constraints:
    """What folds have to respect, labels being classes of whole sequences."""
    labels = None
    if not isinstance(raw, PianoRolls):
        y = check_targets("data", raw.targets, _samples(raw))
        time = raw.inputs.shape[1] if isinstance(raw, Sequences) else 1
        labels = y if targets.kind_of(task, y, time) == targets.CLASSIFICATION else None
    return Constraints(labels, raw.groups, raw.parts)


def _parts(
    samples: int, known: Constraints, k: int, test: float, seed: int
) -> Iterator[np.ndarray]:
    """For every fold the name of the part of each sample."""
    rows = np.arange(samples)
    if known.parts is not None:
        kept, held_out = rows[known.parts != "test"], rows[known.parts == "test"]
    else:
        count = max(1, int(samples * test))
        kept, held_out = divide_rows(rows, np.array([samples - count, count]), known, seed)
    for _, fold in _fold_rows(known, kept, k, seed):
        names = np.full(samples, "train", dtype="<U10")
        names[held_out], names[kept[fold]] = "test", "validation"
        yield names


def _fold_rows(known: Constraints, kept: np.ndarray, k: int, seed: int) -> Iterator[Any]:
    labels, groups = (None if one is None else one[kept] for one in (known.labels, known.groups))
    _check_enough("samples", len(kept), k)
    if groups is not None:
        _check_enough("groups", len(np.unique(groups)), k)
    if labels is not None:
        _check_enough("samples of a class", np.unique(labels, return_counts=True)[1].min(), k)
    by_class, by_group = labels is not None, groups is not None
    kinds = {(0, 0): KFold, (1, 0): StratifiedKFold, (0, 1): GroupKFold}
    kind = kinds.get((by_class, by_group), StratifiedGroupKFold)
    return kind(k, shuffle=True, random_state=seed).split(kept, labels, groups)


def _check_enough(what: str, count: int, k: int) -> None:
    if count < k:
        raise ValueError(f"`k` is {k}, but there are only {count} {what} outside the test part.")
