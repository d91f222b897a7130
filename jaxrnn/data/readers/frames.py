"""`.csv`, `.parquet` and pandas: whether rows are sequences, points in time, or texts."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from jaxrnn.data.raw import Sequences, Series, Texts
from jaxrnn.data.readers import layouts, sheets
from jaxrnn.data.readers.options import Options
from jaxrnn.data.readers.table import Table


def read(path: Path, options: Options) -> Sequences | Texts | Series:
    """The rows of a `.csv` or `.parquet` file; see `from_table`."""
    parquet = path.suffix.lower() == ".parquet"
    table = sheets.from_parquet(path) if parquet else sheets.from_csv(path)
    return from_table(table, path.stem, options)


def from_frame(frame: pd.DataFrame, options: Options) -> Sequences | Texts | Series:
    """The rows of a frame; see `from_table`."""
    return from_table(sheets.from_pandas(frame), "frame", options)


def from_table(table: Table, name: str, options: Options) -> Sequences | Texts | Series:
    """What the rows of a table are.

    To forecast, they are points in time, of as many series as `options.group` tells apart. With
    `options.group` and `options.time`, the rows of one group are a sequence. Otherwise every row
    is a sequence of one feature, in the order of the columns, and `options.group` is whom it comes
    from; or it is a text, where that is the only column. A column `split` says which part rows
    belong to.

    Args:
        table: With the columns of `options`.
        name: Of the record.
        options: Which column means what.

    Raises:
        ValueError: Unknown columns, options that don't fit each other, values that are missing
            or of the wrong kind.
    """
    _check_columns(table, options)
    if options.forecast:
        return layouts.points(table, name, options)
    if not options.target:
        raise ValueError(
            "`target` is missing, but must name the column to learn, one of "
            f"{_listed(table.frame.columns)}; to forecast, give `horizon`."
        )
    if options.time and not options.group:
        raise ValueError(
            f"`time` is {options.time!r}, but orders the rows of a sequence, which `group` must "
            "tell apart; to forecast, give `horizon`."
        )
    return (layouts.long if options.time else layouts.wide)(table, name, options)


def _check_columns(table: Table, options: Options) -> None:
    columns = list(table.frame.columns)
    used: dict[str, str] = {}
    for key, names in options.columns.items():
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
