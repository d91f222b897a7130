"""Which samples train, which validate, which test."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sklearn.model_selection import train_test_split

from jaxrnn.data.arrays import check_seed
from jaxrnn.data.records import PARTS

DEFAULT_SHARES = (0.7, 0.15, 0.15)
"""Shares of train, validation and test."""
TRIES = 200
"""Random orders of the groups, of which the best division is taken."""


Ranges: TypeAlias = list[tuple[int, int]]
"""First row of each part, and the row behind its last."""
Division: TypeAlias = Sequence[float] | Callable[[int], Ranges] | None
"""Shares of train, validation and test; or whole counts; or, for what is in order of time, a
function from its rows to ranges. None for 70/15/15."""


class Parts(NamedTuple):
    """Rows of each part, int `(rows,)`."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Constraints(NamedTuple):
    """What a division must respect, each `(samples,)` or None.

    Attributes:
        labels: Classes whose shares are to be the same in every part.
        groups: Groups of which none is to be in two parts.
        parts: Names of parts, where the data has them.
    """

    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None


def divide(samples: int, constraints: Constraints, split: Division, seed: int) -> Parts:
    """Divide samples into the three parts.

    Args:
        samples: Number of samples.
        constraints: What to respect.
        split: Shares or counts of train, validation and test; 70/15/15 by default.
        seed: Seed of the order, from 0 to 2**32 - 1.

    Raises:
        ValueError: There are too few samples, or shares or counts make no three parts.
    """
    check_seed(seed)
    if constraints.parts is not None:
        if split is not None and (constraints.parts == "validation").any():
            raise ValueError(f"`split` is {split}, but the data has three parts of its own.")
        return predefined(constraints, split, seed)
    rows = np.arange(samples)
    counts = np.diff(part_ends(samples, split), prepend=0)
    return Parts(*divide_rows(rows, counts, constraints, seed))


def part_ends(samples: int, split: Division) -> tuple[int, int, int]:
    """Count the samples up to the end of train, of validation and of test.

    Raises:
        ValueError: The division is no three shares of at most 1 together, nor three whole counts,
            or a part remains empty.
    """
    shares = _shares(split)
    if not all(isinstance(share, int | np.integer) for share in shares):
        if sum(shares) > 1 + 1e-9:
            raise ValueError(f"`split` is {split}, but its shares must add up to at most 1.")
        shares = [share * samples for share in shares]
    ends = np.floor(np.cumsum(shares) + 1e-6).astype(int)
    if ends[-1] > samples:
        raise ValueError(f"`split` is {split}, but there are {samples} to divide.")
    if not np.diff(ends, prepend=0).all():
        raise ValueError(f"`split` leaves a part empty: there are only {samples} to divide.")
    train, validation, test = ends.tolist()
    return train, validation, test


def _shares(split: Division) -> Sequence[float]:
    if split is None:
        return DEFAULT_SHARES
    if callable(split) or np.shape(split) != (3,) or not all(share > 0 for share in split):
        raise ValueError(f"`split` is {split}, but must be three shares or counts above 0.")
    return split


def predefined(constraints: Constraints, split: Division, seed: int) -> Parts:
    """Take the parts that the data names; if none validates, some of train are taken for it.

    Raises:
        ValueError: A name is unknown, or train or test is empty.
    """
    names = np.asarray(constraints.parts)
    strange = np.setdiff1d(names, PARTS)
    if len(strange):
        raise ValueError(f"`split` names {str(strange[0])!r}, but must name one of {PARTS}.")
    train, validation, test = (np.flatnonzero(names == part) for part in PARTS)
    for part, rows in (("train", train), ("test", test)):
        if not len(rows):
            raise ValueError(f"`{part}` is empty, but must hold at least one sample.")
    if not len(validation):
        train, validation = divide_rows(
            train, _train_and_validation(len(train), split), constraints, seed
        )
    return Parts(train, validation, test)


def _train_and_validation(samples: int, split: Division) -> np.ndarray:
    """Count train and validation where the data has a test part."""
    train, validation, _ = np.diff(part_ends(10**9, split), prepend=0)
    count = int(samples * validation / (train + validation) + 1e-6)
    if not 0 < count < samples:
        raise ValueError(f"`train` holds {samples}, too few to take `validation` out of it.")
    return np.array([samples - count, count])


def divide_rows(
    rows: np.ndarray, counts: np.ndarray, constraints: Constraints, seed: int
) -> list[np.ndarray]:
    """Divide rows into parts of so many each, as the constraints demand."""
    labels = None if constraints.labels is None else constraints.labels[rows]
    if constraints.groups is not None:
        parts = by_group(constraints.groups[rows], counts, seed, labels)
    elif labels is not None:
        parts = by_class(labels, counts, seed)
    else:
        parts = at_random(len(rows), counts, seed)
    return [rows[part] for part in parts]


def at_random(samples: int, counts: np.ndarray, seed: int) -> list[np.ndarray]:
    """Divide samples at random into parts of so many rows each."""
    return _random_parts(np.arange(samples), counts, seed, None)


def by_class(labels: np.ndarray, counts: np.ndarray, seed: int) -> list[np.ndarray]:
    """Divide samples into parts of so many rows each, with equal shares of every class.

    Raises:
        ValueError: A class is so rare that a part might lack it.
    """
    classes, numbers = np.unique(labels, return_counts=True)
    needed = smallest_class(len(labels), counts)
    if numbers.min() < needed:
        rare = classes[numbers.argmin()].item()
        raise ValueError(
            f"`targets` hold {numbers.min()} of class {rare!r}, but a stratified split needs at "
            f"least {needed} of each; give parts of your own for less, or "
            "`task='regression'` if these are amounts."
        )
    return _random_parts(np.arange(len(labels)), counts, seed, labels)


def smallest_class(samples: int, counts: np.ndarray) -> int:
    """Count the samples of a class that suffice for one in every part, however draws round."""
    needed = 1
    stages = counts[1:].min(), counts[1:].sum(), samples - counts[0], samples
    for few, many in pairwise(map(int, stages)):
        needed = -(-needed * many // few)
    return max(needed, -(-samples // int(counts[0])), 2)


def _random_parts(
    rows: np.ndarray, counts: np.ndarray, seed: int, labels: np.ndarray | None
) -> list[np.ndarray]:
    """Draw the first part, and then the others out of the rest."""
    pair: Any = train_test_split(
        rows,
        train_size=int(counts[0]),
        test_size=int(counts[1:].sum()),
        random_state=seed,
        stratify=None if labels is None else labels[rows],
    )
    first, rest = pair
    return (
        [first, rest]
        if len(counts) == 2
        else [first, *_random_parts(rest, counts[1:], seed, labels)]
    )


def by_group(
    groups: np.ndarray, counts: np.ndarray, seed: int, labels: np.ndarray | None = None
) -> list[np.ndarray]:
    """Divide whole groups into parts, close to the counts and to equal shares of classes.

    Scikit-learn's GroupShuffleSplit counts groups, whatever their sizes.

    Raises:
        ValueError: There are fewer groups than parts.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < len(counts):
        raise ValueError(f"`group` has {len(names)} values, but must have at least {len(counts)}.")
    classes = np.zeros(len(groups)) if labels is None else labels
    table = _contingency(group, np.unique(classes, return_inverse=True)[1])
    target = np.outer(counts / len(groups), table.sum(0))
    rng = np.random.default_rng(seed)
    tries = [
        _parts_of_groups(rng.permutation(len(names)), table.sum(1), counts) for _ in range(TRIES)
    ]
    parts = range(len(counts))

    def error(part: np.ndarray) -> float:
        """Sum up how far the counts of every class in every part are from the target."""
        return np.abs(np.stack([table[part == k].sum(0) for k in parts]) - target).sum()

    best = _fill_empty(min(tries, key=error), table.sum(1), len(counts))[group]
    return [np.flatnonzero(best == k) for k in parts]


def _fill_empty(part: np.ndarray, sizes: np.ndarray, parts: int) -> np.ndarray:
    """Give an empty part the smallest group of the part that has most of them."""
    for empty in set(range(parts)) - set(part.tolist()):
        most = np.flatnonzero(part == np.bincount(part).argmax())
        part[most[sizes[most].argmin()]] = empty
    return part


def _contingency(group: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Count the samples of each pair of indices, `(groups, classes)`."""
    table = np.zeros((group.max() + 1, label.max() + 1), int)
    np.add.at(table, (group, label), 1)
    return table


def _parts_of_groups(order: np.ndarray, sizes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Choose the part of each group by where its middle lies, if they are laid in this order."""
    middles = np.empty(len(order))
    middles[order] = np.cumsum(sizes[order]) - sizes[order] / 2
    return np.searchsorted(np.cumsum(counts), middles, side="right")


def in_order(rows: int, split: Division) -> Ranges:
    """Divide rows in order; counts are rows from the start, and rows behind the last are unused."""
    if callable(split):
        return split(rows)
    return list(pairwise((0, *part_ends(rows, split))))
