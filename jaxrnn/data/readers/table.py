"""Tables from `.csv`, `.parquet` and pandas: columns with names, numbers, labels and times."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxrnn.data.readers.text import read_text

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?")
"""What stands in a column of numbers where one is missing."""
WHOLE_NUMBER = re.compile(r"[-+0-9\s]{1,300}", re.ASCII)
"""Whole numbers of no more digits than the greatest float has, which pandas 2 tries as well."""
NOT_NUMERIC = re.compile(r"[^-+.0-9\sefinty]", re.ASCII | re.IGNORECASE)
"""Characters that Python reads in numbers, but tables don't: `1_000`, `nan`, other digits."""
BOOLS = {"true": True, "false": False}
"""Bools as tables write them, in small letters."""
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Table:
    """Columns with names, at least one row.

    Attributes:
        source: Source of the table, for messages.
        frame: Columns of the table.
        place: Function from a row to where it stands, for messages.
    """

    source: str
    frame: pd.DataFrame
    place: Callable[[int], str]

    def column(self, name: str) -> Any:
        """Return a column as a pandas series `(rows,)`."""
        return self.frame[name]

    def flaw(self, row: int, name: str, rule: str) -> ValueError:
        """Make the error to raise where a row and column break a rule."""
        column = self.column(name)
        holds = "nothing" if column.isna().iloc[row] else repr(str(column.iloc[row])[:40])
        return ValueError(
            f"{self.source}, {self.place(row)}, column {name!r} holds {holds}, but must hold "
            f"{rule}."
        )

    def numbers(self, names: Sequence[str], missing: bool = False) -> np.ndarray:
        """Return columns as float64 `(rows, columns)`.

        Args:
            names: Names of the columns.
            missing: True if values may be missing, which become NaN.

        Raises:
            ValueError: A value is no finite number.
        """
        return np.stack([self._numbers(name, missing) for name in names], 1)

    def _numbers(self, name: str, missing: bool) -> np.ndarray:
        column = self.column(name)
        if not is_numeric(column):
            column = column.astype("str")
            column = column.mask(column.isin(MISSING))
        values = to_numbers(column)
        strange = ~np.isfinite(values)
        if missing:
            strange &= column.notna().to_numpy()
        if strange.any():
            row = int(strange.argmax())
            dates = ISO_DATE.match(str(column.iloc[row]))
            hint = " (a column of dates is named by `time`)" if dates else ""
            raise self.flaw(row, name, f"a finite number{hint}")
        return values

    def is_text(self, name: str) -> bool:
        """Return whether few values of a column are numbers."""
        column = self.column(name)
        if is_numeric(column):
            return False
        return bool(np.isnan(to_numbers(column.astype("str"))).mean() > 0.5)

    def labels(self, name: str) -> np.ndarray:
        """Return a column as numbers or text, `(rows,)`.

        Raises:
            ValueError: A label is missing, or of another kind than the others.
        """
        column = self.column(name)
        if column.isna().any():
            raise self.flaw(int(column.isna().argmax()), name, "a label")
        values = column.tolist()
        texts = [isinstance(value, str) for value in values]
        if all(texts):
            self._check_texts(name)
        elif any(texts):
            raise self.flaw(texts.index(not texts[0]), name, "what the rows before it hold")
        else:
            self._check_plain(name, values)
        return np.array(values)

    def _check_texts(self, name: str) -> None:
        """Refuse a column of numbers that is text only because some are missing."""
        column = self.column(name)
        strange = np.isnan(to_numbers(column))
        if not strange.all() and strange.any() and column[strange].isin(MISSING).all():
            raise self.flaw(int(strange.argmax()), name, "a label")

    def _check_plain(self, name: str, values: list[Any]) -> None:
        for row, value in enumerate(values):
            limit = np.inf if isinstance(value, float | np.floating) else 2**63
            plain = isinstance(value, bool | int | float | np.integer | np.floating | np.bool_)
            if not plain or not abs(value) < limit:
                raise self.flaw(row, name, "text or a number within reason")

    def times(self, name: str) -> np.ndarray:
        """Return a column as numbers that grow with time, `(rows,)`.

        Raises:
            ValueError: A value is missing or no time.
        """
        column = self.column(name)
        if is_numeric(column):
            self.numbers([name])
            return column.to_numpy()
        if column.dtype.kind not in "mM":  # neither durations nor dates yet
            text = column.astype("str")
            column = pd.to_datetime(text, format="ISO8601", utc=True, errors="coerce")
        if column.isna().any():
            rule = "a number or a date such as 2016-07-01 or 2016-07-01 12:00:00"
            raise self.flaw(int(column.isna().argmax()), name, rule)
        return column.astype("int64").to_numpy()


def is_numeric(column: Any) -> bool:
    """Return whether a column holds real numbers or bools, missing or not."""
    return pd.api.types.is_numeric_dtype(column) and column.dtype.kind != "c"


def to_numbers(column: Any) -> np.ndarray:
    """Convert numbers and text to float64 `(rows,)`; NaN where that can't be."""
    if is_numeric(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    return np.array([to_number(value) for value in column], np.float64)


def to_column(fields: Sequence[str]) -> pd.Series:
    """Make a column of whole numbers, numbers or bools if all fields are such, or else of text.

    The same fields give the same bits whatever pandas is installed. Empty ones are NaN.
    Whole numbers that no integer of 64 bits holds stay exact, as Python's.
    """
    try:
        if NOT_NUMERIC.search("".join(fields)):
            return pd.Series([BOOLS[field.lower()] for field in fields])
        if all(map(WHOLE_NUMBER.fullmatch, fields)):
            return pd.Series([int(field) for field in fields])
        return pd.Series([float(field or "nan") for field in fields])
    except (KeyError, ValueError):
        return pd.Series([field or None for field in fields])


def to_number(value: Any) -> float:
    """Return the number nearest to a text, NaN for anything else."""
    try:
        return np.nan if NOT_NUMERIC.search(value) else float(value)
    except (TypeError, ValueError):
        return np.nan


def from_csv(path: Path) -> Table:
    """Read a file of fields between commas, whose first line holds the names of columns.

    Raises:
        ValueError: The file is empty, lines differ in length, or columns have no name of their own.
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
    """Read a file of columns.

    Raises:
        ValueError: The file is damaged, has no rows, or columns have no name of their own.
    """
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except Exception as error:  # Arrow's errors have no common base
        raise ValueError(f"`data` is '{path}', but must be a whole Parquet file.") from error
    return _numbered(f"'{path}'", frame)


def from_pandas(frame: pd.DataFrame) -> Table:
    """Make a table of a frame, whose index is a column if it has a name.

    Raises:
        ValueError: There are no rows, or columns have no name of their own.
    """
    return _numbered("the frame", frame)


def _records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield fields with the line on which they end, without blank lines."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for fields in reader:
            if len(fields) > 1 or "".join(fields).strip():
                yield reader.line_num, fields
    except csv.Error as error:
        raise ValueError(
            f"'{path}', line {reader.line_num} is no line of fields between commas: {error}."
        ) from None


def _numbered(source: str, frame: pd.DataFrame) -> Table:
    """Make a table whose rows have numbers, from 0."""
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
