"""Which samples train, which validate, which test."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from sklearn.model_selection import train_test_split

from jaxrnn.data.arrays import check_seed
from jaxrnn.data.records import PARTS

DEFAULT_SHARES = (0.7, 0.15, 0.15)
TRIES = 200
"""Orders of the groups among which the best division is looked for."""


Ranges: TypeAlias = list[tuple[int, int]]
"""First row of each part and the row behind its last."""
Division: TypeAlias = Sequence[float] | Callable[[int], Ranges] | None
"""Shares of train, validation and test; or whole counts; or, for what is in order of time, a
function from its rows to ranges. None for 70/15/15."""


class Parts(NamedTuple):
    """Rows of each, `(rows,)` ints."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Constraints(NamedTuple):
    """What a division has to respect, each `(samples,)` or None.

    Attributes:
        labels: Their shares are to be the same in every part.
        groups: None of them is to be in two parts.
        parts: Names of parts, where they are given.
    """

    labels: np.ndarray | None = None
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None


def divide(samples: int, known: Constraints, split: Division, seed: int) -> Parts:
    """Rows of the three parts, in the way that fits what is known.

    Args:
        samples: How many there are.
        known: What to respect.
        split: Shares or counts of train, validation and test; 70/15/15 by default.
        seed: Of the order.

    Raises:
        ValueError: Too few samples, or shares or counts that make no three parts.
    """
    check_seed(seed)
    if known.parts is not None:
        if split is not None and (known.parts == "validation").any():
            raise ValueError(f"`split` is {split}, but the data has three parts of its own.")
        return predefined(known, split, seed)
    rows = np.arange(samples)
    counts = np.diff(part_ends(samples, split), prepend=0)
    return Parts(*divide_rows(rows, counts, known, seed))


def part_ends(samples: int, split: Division) -> tuple[int, int, int]:
    """Samples up to the end of train, of validation and of test.

    Raises:
        ValueError: No three shares of at most 1 together, nor three whole counts, or a part
            that remains empty.
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


def predefined(known: Constraints, split: Division, seed: int) -> Parts:
    """Parts that are given; without any validation, that comes out of train."""
    names = np.asarray(known.parts)
    strange = np.setdiff1d(names, PARTS)
    if len(strange):
        raise ValueError(f"`split` names {str(strange[0])!r}, but must name one of {PARTS}.")
    train, validation, test = (np.flatnonzero(names == part) for part in PARTS)
    for part, rows in (("train", train), ("test", test)):
        if not len(rows):
            raise ValueError(f"`{part}` is empty, but must hold at least one sample.")
    if not len(validation):
        train, validation = divide_rows(
            train, _train_and_validation(len(train), split), known, seed
        )
    return Parts(train, validation, test)


def _train_and_validation(samples: int, split: Division) -> np.ndarray:
    """Counts of train and validation, where test is given."""
    train, validation, _ = np.diff(part_ends(10**9, split), prepend=0)
    count = int(samples * validation / (train + validation) + 1e-6)
    if not 0 < count < samples:
        raise ValueError(f"`train` holds {samples}, too few to take `validation` out of it.")
    return np.array([samples - count, count])


def divide_rows(
    rows: np.ndarray, counts: np.ndarray, known: Constraints, seed: int
) -> list[np.ndarray]:
    """So many of the rows for each part, in the way that fits what is known."""
    labels = None if known.labels is None else known.labels[rows]
    if known.groups is not None:
        return [rows[own] for own in by_group(known.groups[rows], counts, seed, labels)]
    if labels is not None:
        return [rows[own] for own in by_class(labels, counts, seed)]
    return [rows[own] for own in at_random(len(rows), counts, seed)]


def at_random(samples: int, counts: np.ndarray, seed: int) -> list[np.ndarray]:
    """Parts of so many rows each."""
    return _random_parts(np.arange(samples), counts, seed, None)


def by_class(labels: np.ndarray, counts: np.ndarray, seed: int) -> list[np.ndarray]:
    """Parts of so many rows each, with the same share of every class in each.

    Raises:
        ValueError: A class so rare that a part might lack it.
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
    """Samples of a class that suffice for one in every part, though every draw may round down."""
    needed = 1
    stages = counts[1:].min(), counts[1:].sum(), samples - counts[0], samples
    for few, many in pairwise(map(int, stages)):
        needed = -(-needed * many // few)
    return max(needed, -(-samples // int(counts[0])), 2)


def _random_parts(
    rows: np.ndarray, counts: np.ndarray, seed: int, labels: np.ndarray | None
) -> list[np.ndarray]:
    """The first part, and then the others out of the rest."""
    drawn: Any = train_test_split(
        rows,
        train_size=int(counts[0]),
        test_size=int(counts[1:].sum()),
        random_state=seed,
        stratify=None if labels is None else labels[rows],
    )
    first, rest = drawn
    return (
        [first, rest]
        if len(counts) == 2
        else [first, *_random_parts(rest, counts[1:], seed, labels)]
    )


def by_group(
    groups: np.ndarray, counts: np.ndarray, seed: int, labels: np.ndarray | None = None
) -> list[np.ndarray]:
    """Parts as near to so many rows each as whole groups can be, and to equal shares of classes.

    Scikit-learn's GroupShuffleSplit counts groups, whatever their sizes.

    Raises:
        ValueError: Fewer groups than parts.
    """
    names, group = np.unique(groups, return_inverse=True)
    if len(names) < len(counts):
        raise ValueError(f"`group` has {len(names)} values, but must have at least {len(counts)}.")
    kinds = np.zeros(len(groups)) if labels is None else labels
    table = _contingency(group, np.unique(kinds, return_inverse=True)[1])
    wanted = np.outer(counts / len(groups), table.sum(0))
    rng = np.random.default_rng(seed)
    tries = [
        _parts_of_groups(rng.permutation(len(names)), table.sum(1), counts) for _ in range(TRIES)
    ]
    parts = range(len(counts))

    def miss(part: np.ndarray) -> float:
        found = np.stack([table[part == k].sum(0) for k in parts])
        return np.abs(found - wanted).sum()

    best = _fill_empty(min(tries, key=miss), table.sum(1), len(counts))[group]
    return [np.flatnonzero(best == k) for k in parts]


def _fill_empty(part: np.ndarray, sizes: np.ndarray, parts: int) -> np.ndarray:
    """An empty part gets the smallest group of the part that has most of them."""
    for empty in set(range(parts)) - set(part.tolist()):
        most = np.flatnonzero(part == np.bincount(part).argmax())
        part[most[sizes[most].argmin()]] = empty
    return part


def _contingency(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """How often each pair of indices occurs, `(of one, of the other)`."""
    table = np.zeros((one.max() + 1, other.max() + 1), int)
    np.add.at(table, (one, other), 1)
    return table


def _parts_of_groups(order: np.ndarray, sizes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The part of each group, if they are laid in this order: where its middle lies."""
    middles = np.empty(len(order))
    middles[order] = np.cumsum(sizes[order]) - sizes[order] / 2
    return np.searchsorted(np.cumsum(counts), middles, side="right")


def in_order(rows: int, split: Division) -> Ranges:
    """Parts in order; counts are rows from the start, and what lies behind the last is unused."""
    if callable(split):
        return split(rows)
    return list(pairwise((0, *part_ends(rows, split))))
