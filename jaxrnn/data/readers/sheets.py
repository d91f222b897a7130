"""Tables from `.csv`, `.parquet` and pandas."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from jaxrnn.data.readers.encoded import read_text
from jaxrnn.data.readers.fields import to_column
from jaxrnn.data.readers.table import Table


def from_csv(path: Path) -> Table:
    """A file of fields between commas, the first line holding the names of columns.

    Raises:
        ValueError: Nothing in it, lines of different lengths, or columns without a name of
            their own.
    """
    text = read_text(path)
    records = list(_records(path, text))
    if not records:
        raise ValueError(f"'{path}' is empty, but must hold columns with names.")
    (line, header), *rows = records
    for number, fields in rows:
        if len(fields) != len(header):
            raise ValueError(
                f"'{path}', line {number} has {len(fields)} fields, but must have {len(header)} "
                f"between commas as line {line}."
            )
    lines = [number for number, _ in rows]
    columns = [to_column([fields[k] for _, fields in rows]) for k in range(len(header))]
    frame = pd.DataFrame(dict(enumerate(columns))).set_axis(header, axis=1)
    return _table(f"'{path}'", frame, lambda row: f"line {lines[row]}")


def from_parquet(path: Path) -> Table:
    """A file of columns.

    Raises:
        ValueError: A damaged file, no rows, or columns without a name of their own.
    """
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except Exception as error:  # Arrow's errors have no common base
        raise ValueError(f"`data` is '{path}', but must be a whole Parquet file.") from error
    return _counted(f"'{path}'", frame)


def from_pandas(frame: pd.DataFrame) -> Table:
    """A frame, its index being a column where it has a name.

    Raises:
        ValueError: No rows, or columns without a name of their own.
    """
    return _counted("the frame", frame)


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Fields with the line on which they end; blank lines are none."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield reader.line_num, fields
    except csv.Error as error:
        raise ValueError(
            f"'{path}', line {reader.line_num} is no line of fields between commas: {error}."
        ) from None


def _counted(source: str, frame: pd.DataFrame) -> Table:
    """A table whose rows have numbers, the first being 0."""
    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    return _table(source, frame, lambda row: f"row {row}")


def _table(source: str, frame: pd.DataFrame, place: Callable[[int], str]) -> Table:
    names = Counter(name.strip() for name in frame.columns)
    if "" in names:
        number = [name.strip() for name in frame.columns].index("") + 1
        raise ValueError(
            f"{source}, column {number} has no name, but must have one; `to_csv(index=False)` "
            "leaves an index out."
        )
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ValueError(f"{source} has the column {twice[0]!r} more than once.")
    if frame.empty:
        raise ValueError(f"{source} has no rows, but must have some.")
    return Table(source, frame, place)
