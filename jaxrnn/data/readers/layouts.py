"""What rows of a table are: points of a series, steps of a sequence, or sequences."""

import numpy as np

from jaxrnn.data.arrays import padded
from jaxrnn.data.raw import PARTS, Sequences, Series, Texts
from jaxrnn.data.readers.options import Options
from jaxrnn.data.readers.table import Table

SPLIT = "split"
"""The column that says which part a row belongs to, where there is one."""


def _values(table: Table, *meaning: str | None) -> list[str]:
    """The columns that nobody gave a meaning."""
    names = [name for name in table.frame.columns if name not in meaning]
    if not names:
        raise ValueError(f"{table.source} has no columns left, but must have some to learn from.")
    return names


def points(table: Table, name: str, options: Options) -> Series:
    """Rows are points in time, of as many series as `options.group` tells apart."""
    series = None if options.group is None else table.labels(options.group)
    rows = _order(table, series, options.time)
    names = _values(table, options.group, options.time)
    return Series(
        name,
        table.numbers(names, missing=True)[rows],
        tuple(names),
        options.target or tuple(names),
        None if series is None else series[rows],
    )


def _order(table: Table, groups: np.ndarray | None, time: str | None) -> np.ndarray:
    """Rows such that groups are together, each in the order of time."""
    codes = np.zeros(len(table.frame), np.int64)
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1]
    if time is None:
        return np.argsort(codes, kind="stable")
    times = table.times(time)
    rows = np.lexsort((times, codes))
    same = (np.diff(times[rows]) == 0) & (np.diff(codes[rows]) == 0)
    if same.any():
        of = "" if groups is None else f" of {groups[rows[1:][same]][0].item()!r}"
        raise table.flaw(int(rows[1:][same][0]), time, f"a time that no other row{of} holds")
    return rows


def long(table: Table, name: str, options: Options) -> Sequences:
    """Rows of one group are a sequence, in the order of `options.time`."""
    assert options.group
    groups = table.labels(options.group)
    rows = _order(table, groups, options.time)
    names = _values(table, *options.target, options.group, options.time, SPLIT)
    starts = np.flatnonzero(np.r_[True, groups[rows][1:] != groups[rows][:-1]])
    sequences = np.split(table.numbers(names)[rows], starts[1:])
    lengths = np.array([len(one) for one in sequences])
    first = np.repeat(rows[starts], lengths)

    def constant(column: str, values: np.ndarray) -> np.ndarray:
        """The value of each group, if it has but one."""
        other = values[rows] != values[first]
        if other.any():
            row = int(rows[other.argmax()])
            group = groups[row].item()
            raise table.flaw(row, column, f"one value for all rows of {options.group!r} {group!r}")
        return values[rows[starts]]

    targets = [constant(column, values) for column, values in _targets(table, options).items()]
    parts = _parts(table)
    return Sequences(
        name,
        padded(sequences),
        lengths,
        _stacked(targets),
        parts=None if parts is None else constant(SPLIT, parts),
        target_names=options.target,
    )


def wide(table: Table, name: str, options: Options) -> Sequences | Texts:
    """Every row is a sequence, or a text."""
    names = _values(table, *options.target, options.group, SPLIT)
    groups = None if options.group is None else table.labels(options.group)
    targets, parts = _stacked(list(_targets(table, options).values())), _parts(table)
    if len(names) == 1 and table.is_text(names[0]):
        return Texts(name, table.labels(names[0]).tolist(), targets, groups, parts)
    inputs = table.numbers(names)[..., None]
    lengths = np.full(len(inputs), inputs.shape[1], np.int32)
    return Sequences(name, inputs, lengths, targets, groups, parts, options.target)


def _targets(table: Table, options: Options) -> dict[str, np.ndarray]:
    """One column of labels, or some of numbers."""
    if len(options.target) == 1:
        return {options.target[0]: table.labels(options.target[0])}
    return {name: table.numbers([name])[:, 0] for name in options.target}


def _stacked(targets: list[np.ndarray]) -> np.ndarray:
    return targets[0] if len(targets) == 1 else np.stack(targets, 1)


def _parts(table: Table) -> np.ndarray | None:
    if SPLIT not in table.frame:
        return None
    parts = table.labels(SPLIT)
    strange = ~np.isin(parts, PARTS)
    if strange.any():
        raise table.flaw(int(strange.argmax()), SPLIT, f"one of {', '.join(PARTS)}")
    return parts
