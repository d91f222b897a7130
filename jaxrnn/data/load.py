"""Data by name, from a file, or from a frame."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from jaxrnn.data import synthetic
from jaxrnn.data.dataset import Data
from jaxrnn.data.folds import fold_record
from jaxrnn.data.options import ColumnRoles, TaskOptions
from jaxrnn.data.prepare import prepare
from jaxrnn.data.readers import numpy_files, rolls, tables, text, ucr
from jaxrnn.data.records import Record
from jaxrnn.data.splitting import Division

Source: TypeAlias = str | Path | pd.DataFrame

READERS: Mapping[str, Callable[[Path, ColumnRoles], Record]] = {
    ".npz": numpy_files.read,
    ".npy": numpy_files.read,
    ".csv": tables.read,
    ".parquet": tables.read,
    ".ts": ucr.read,
    ".arff": ucr.read,
    ".mat": rolls.read,
    ".json": rolls.read,
    ".txt": text.read,
}
"""Readers by the ending of a file's name."""

GENERATED: Mapping[str, Callable[..., Data]] = {
    "digits": synthetic.digits,
    "adding": synthetic.adding,
    "copy": synthetic.copy,
    "temporal-order": synthetic.temporal_order,
}
"""Makers of the data that needs no file, by its name."""


def load_data(
    source: Source,
    *,
    task: str | None = None,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
    time: str | None = None,
    look_back: int | None = None,
    horizon: int | None = None,
    reach_back: bool = False,
    block: int = TaskOptions.block,
    unit: str = TaskOptions.unit,
    split: Sequence[float] | None = None,
    seed: int = 0,
) -> Data:
    """Load data and make it ready to train on.

    Args:
        source: Name of data that needs no file (`digits`, `adding`, `copy`, `temporal-order`),
            path of a file, or a pandas frame.
        task: For sequences `classification`, `regression` or `labelling`. By default the targets
            decide: numbers with fractions are values, anything else is a label.
        target: Column, or columns, to learn or to forecast; with `horizon`, all variables by
            default.
        group: Column that says which sequence a row belongs to, with `time` or `horizon`;
            otherwise whom the sequence in a row comes from. No group is in two parts.
        time: Column that orders the rows of a sequence or series.
        look_back: Rows of a series that a forecast sees, at least 1.
        horizon: Rows of a series that it predicts, at least 1.
        reach_back: True if the rows that a forecast sees may lie in the part before its own.
        block: Steps of a text in one block, at least 1; state is carried from block to block.
        unit: Step of a long text, `character` or `word`.
        split: Shares of train, validation and test, at most 1 together, or whole counts; 70/15/15
            by default. Texts and series are divided in order of time.
        seed: Seed of a division at random, from 0 to 2**32 - 1.

    Raises:
        ValueError: The name is unknown, the file is missing or damaged, or an option does not fit
            what it holds.
    """
    roles = ColumnRoles.of(target, group, time, forecast=horizon is not None)
    options = TaskOptions(task, look_back, horizon, reach_back, block, unit)
    return load_source(source, roles, options, split, seed)


def load_folds(
    source: Source,
    k: int,
    *,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
    time: str | None = None,
    test: float = 0.15,
    seed: int = 0,
    **options: Any,
) -> list[Data]:
    """Load data `k` times, with the same test part and another fold to validate on.

    Args:
        source: Source as in `load_data`; of the data that needs no file, `digits` only.
        k: Number of folds, at least 2.
        target: Column, or columns, to learn or to forecast.
        group: Column of sequences, or of whom these come from.
        time: Column that orders rows.
        test: Share of the test part, between 0 and 1, where the data has none of its own.
        seed: Seed of the order of samples, from 0 to 2**32 - 1.
        **options: `task`, `look_back`, `horizon`, `reach_back`, `block` and `unit`, as in
            `load_data`.

    Raises:
        ValueError: The source or an option is refused, as by `load_data` and `folds`.
    """
    roles = ColumnRoles.of(target, group, time, forecast=options.get("horizon") is not None)
    return load_source_folds(source, k, roles, TaskOptions.of_folds(options), test, seed)


def read_data(
    source: Source,
    *,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
    time: str | None = None,
    forecast: bool = False,
) -> Record:
    """Read what a file or frame holds, before it is divided and scaled.

    Args:
        source: Path of a file, or a pandas frame.
        target: Column, or columns, to learn or to forecast.
        group: Column of sequences, or of whom these come from.
        time: Column that orders rows.
        forecast: True if rows are points in time, of which later ones are to be forecast.

    Raises:
        ValueError: The file is missing or damaged, or lacks a column.
    """
    return read_source(source, ColumnRoles.of(target, group, time, forecast))


def load_source(
    source: Source | Record, roles: ColumnRoles, options: TaskOptions, split: Division, seed: int
) -> Data:
    """Load data from a source, or from a record that was read already; see `load_data`."""
    if isinstance(source, str) and source in GENERATED:
        _refuse_roles(source, roles)
        for name, value in options.changed.items():
            raise ValueError(f"`{name}` is {value!r}, but has no meaning for {source!r}.")
        return GENERATED[source](seed=seed, split=split)
    return prepare(read_source(source, roles), options, split, seed)


def load_source_folds(
    source: Source | Record,
    k: int,
    roles: ColumnRoles,
    options: TaskOptions,
    test: float = 0.15,
    seed: int = 0,
) -> list[Data]:
    """Load the folds of a source, or of a record that was read already; see `load_folds`."""
    if isinstance(source, str) and source in GENERATED:
        if source != "digits":
            raise ValueError(
                f"`folds` is {k}, but has no meaning for {source!r}; use more samples."
            )
        _refuse_roles(source, roles)
        return fold_record(synthetic.digits_sequences(), k, options, test, seed)
    return fold_record(read_source(source, roles), k, options, test, seed)


def _refuse_roles(name: str, roles: ColumnRoles) -> None:
    for key, columns in roles.columns.items():
        raise ValueError(f"`{key}` is {columns[0]!r}, but has no meaning for {name!r}.")


def read_source(source: Source | Record, roles: ColumnRoles) -> Record:
    """Read a file or frame; a record is returned as it is. See `read_data`."""
    if isinstance(source, Record):
        return source
    if isinstance(source, pd.DataFrame):
        return tables.from_frame(source, roles)
    if not isinstance(source, str | Path):
        raise ValueError(
            f"`data` is {type(source).__name__}, but must be a name, the path of a file, or a "
            "pandas frame; `jaxrnn.from_arrays` takes arrays."
        )
    path = Path(source)
    reader = READERS.get(path.suffix.lower())
    if reader is None and os.path.isdir(source):
        raise ValueError(f"`data` is '{path}', but is a folder; name a file in it.")
    if reader is None:
        raise ValueError(
            f"`data` is {str(source)!r}, but must be {', '.join(map(repr, GENERATED))}, or the "
            f"path of a file that ends in {', '.join(READERS)}."
        )
    if not os.path.isfile(path):  # which also knows names that no file can have
        what = "is a folder" if os.path.isdir(path) else "there is no such file"
        raise ValueError(f"`data` is '{path}', but {what}.")
    try:
        path.open("rb").close()  # libraries would say less about why that can't be
        return reader(path, roles)
    except OSError as error:
        raise ValueError(f"`data` is '{path}', but can't be read: {error.strerror}.") from None
