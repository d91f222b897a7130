"""Rows of a table: points of a series, steps of a sequence, whole sequences, or texts."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from jaxrnn.data.arrays import pad_sequences
from jaxrnn.data.options import ColumnRoles
from jaxrnn.data.readers.table import Table, from_csv, from_pandas, from_parquet
from jaxrnn.data.records import PARTS, LabelledTexts, Sequences, TimeSeries

SPLIT = "split"
"""Name of the column that says which part a row belongs to."""


def _values(table: Table, *named: str | None) -> list[str]:
    """List the columns that no option names."""
    names = [name for name in table.frame.columns if name not in named]
    if not names:
        raise ValueError(f"{table.source} has no columns left, but must have some to learn from.")
    return names


def to_series(table: Table, name: str, roles: ColumnRoles) -> TimeSeries:
    """Take rows as points in time, of as many series as `roles.group` tells apart."""
    series = None if roles.group is None else table.labels(roles.group)
    rows = _order(table, series, roles.time)
    names = _values(table, roles.group, roles.time)
    return TimeSeries(
        name,
        table.numbers(names, missing=True)[rows],
        tuple(names),
        roles.target or tuple(names),
        None if series is None else series[rows],
    )


def _order(table: Table, groups: np.ndarray | None, time: str | None) -> np.ndarray:
    """Order rows such that groups are together, each in the order of time."""
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


def to_sequences_by_group(table: Table, name: str, roles: ColumnRoles) -> Sequences:
    """Take the rows of a group as a sequence, in the order of `roles.time`."""
    assert roles.group
    groups = table.labels(roles.group)
    rows = _order(table, groups, roles.time)
    names = _values(table, *roles.target, roles.group, roles.time, SPLIT)
    starts = np.flatnonzero(np.r_[True, groups[rows][1:] != groups[rows][:-1]])
    sequences = np.split(table.numbers(names)[rows], starts[1:])
    lengths = np.array([len(steps) for steps in sequences], np.int32)
    first = np.repeat(rows[starts], lengths)

    def constant(column: str, values: np.ndarray) -> np.ndarray:
        """Return the value of each group, which must be the same in all of its rows."""
        differs = values[rows] != values[first]
        if differs.any():
            row = int(rows[differs.argmax()])
            group = groups[row].item()
            raise table.flaw(row, column, f"one value for all rows of {roles.group!r} {group!r}")
        return values[rows[starts]]

    targets = [constant(column, values) for column, values in _targets(table, roles).items()]
    parts = _parts(table)
    return Sequences(
        name,
        pad_sequences(sequences),
        lengths,
        _stacked(targets),
        parts=None if parts is None else constant(SPLIT, parts),
        target_names=roles.target,
    )


def to_sequences_by_row(table: Table, name: str, roles: ColumnRoles) -> Sequences | LabelledTexts:
    """Take every row as a sequence, or as a text."""
    names = _values(table, *roles.target, roles.group, SPLIT)
    groups = None if roles.group is None else table.labels(roles.group)
    targets, parts = _stacked(list(_targets(table, roles).values())), _parts(table)
    if len(names) == 1 and table.is_text(names[0]):
        return LabelledTexts(name, table.labels(names[0]).tolist(), targets, groups, parts)
    inputs = table.numbers(names)[..., None]
    lengths = np.full(len(inputs), inputs.shape[1], np.int32)
    return Sequences(name, inputs, lengths, targets, groups, parts, roles.target)


def _targets(table: Table, roles: ColumnRoles) -> dict[str, np.ndarray]:
    """Return one column of labels, or several of numbers, by name."""
    if len(roles.target) == 1:
        return {roles.target[0]: table.labels(roles.target[0])}
    return {name: table.numbers([name])[:, 0] for name in roles.target}


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


def read(path: Path, roles: ColumnRoles) -> Sequences | LabelledTexts | TimeSeries:
    """Read the rows of a `.csv` or `.parquet` file; see `from_table`."""
    parquet = path.suffix.lower() == ".parquet"
    rows = from_parquet(path) if parquet else from_csv(path)
    return from_table(rows, path.stem, roles)


def from_frame(frame: pd.DataFrame, roles: ColumnRoles) -> Sequences | LabelledTexts | TimeSeries:
    """Read the rows of a frame; see `from_table`."""
    return from_table(from_pandas(frame), "frame", roles)


def from_table(
    table: Table, name: str, roles: ColumnRoles
) -> Sequences | LabelledTexts | TimeSeries:
    """Make a record of the rows of a table.

    To forecast, rows are points in time, of as many series as `roles.group` tells apart. With
    `roles.group` and `roles.time`, the rows of one group are a sequence. Otherwise every row
    is a sequence of one feature, in the order of the columns, and `roles.group` is whom it comes
    from; or it is a text, where that is the only column. A column `split` says which part rows
    belong to.

    Args:
        table: Table with the columns of `roles`.
        name: Name of the record.
        roles: Which column plays which role.

    Raises:
        ValueError: Columns are unknown, roles don't fit each other, or values are missing or of
            the wrong kind.
    """
    _check_columns(table, roles)
    if roles.forecast:
        return to_series(table, name, roles)
    if not roles.target:
        raise ValueError(
            "`target` is missing, but must name the column to learn, one of "
            f"{_listed(table.frame.columns)}; to forecast, give `horizon`."
        )
    if roles.time and not roles.group:
        raise ValueError(
            f"`time` is {roles.time!r}, but orders the rows of a sequence, which `group` must "
            "tell apart; to forecast, give `horizon`."
        )
    return (to_sequences_by_group if roles.time else to_sequences_by_row)(table, name, roles)


def _check_columns(table: Table, roles: ColumnRoles) -> None:
    columns = list(table.frame.columns)
    used: dict[str, str] = {}
    for key, names in roles.columns.items():
        for name in names:
            if name not in columns:
                raise ValueError(
                    f"`{key}` is {name!r}, but must be a column of {table.source}: "
                    f"{_listed(columns)}."
                )
            if name in used:
                raise ValueError(f"`{key}` is {name!r}, but that is `{used[name]}` already.")
            used[name] = key


def _listed(names: Iterable[str]) -> str:
    shown = [repr(name[:40]) for name in names]
    return ", ".join(shown[:20] + ["..."] * (len(shown) > 20))
