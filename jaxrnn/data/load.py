"""Data by name, from a file, or from a frame."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from jaxrnn.data import synthetic
from jaxrnn.data.dataset import Data
from jaxrnn.data.folds import folds
from jaxrnn.data.prepare import BLOCK, Record, prepare
from jaxrnn.data.readers import numpy_files, rolls, tables, text, ucr
from jaxrnn.data.readers.column_roles import ColumnRoles
from jaxrnn.data.synthetic import digits_sequences
from jaxrnn.data.vocabulary import CHARACTER

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
"""By the ending of a file's name."""

GENERATED: Mapping[str, Callable[..., Data]] = {
    "digits": synthetic.digits,
    "adding": synthetic.adding,
    "copy": synthetic.copy,
    "temporal-order": synthetic.temporal_order,
}
"""By the name of data that needs no file."""


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
    block: int = BLOCK,
    unit: str = CHARACTER,
    split: Sequence[float] | None = None,
    seed: int = 0,
) -> Data:
    """Data that is ready to train on.

    Args:
        source: A name of `GENERATED`, a file whose ending is one of `READERS`, or a frame.
        task: As in `prepare`.
        target: The column, or columns, to learn or to forecast; all variables by default where
            there is a `horizon`.
        group: The column that says which sequence a row belongs to, where there is `time` or
            `horizon`; otherwise whom the sequence in a row comes from, so that nobody is on two
            sides of the split.
        time: The column that orders rows.
        look_back: As in `prepare`.
        horizon: As in `prepare`.
        reach_back: As in `prepare`.
        block: As in `prepare`.
        unit: As in `prepare`.
        split: As in `prepare`.
        seed: As in `prepare`.

    Raises:
        ValueError: An unknown name, a missing or damaged file, or options that don't fit it.
    """
    columns = {"target": target, "group": group, "time": time}
    if isinstance(source, str) and source in GENERATED:
        options = {"task": task, "look_back": look_back, "horizon": horizon}
        options |= {"reach_back": reach_back or None, "block": None if block == BLOCK else block}
        options |= {"unit": None if unit == CHARACTER else unit}
        for name, value in (columns | options).items():
            if value is not None:
                raise ValueError(f"`{name}` is {value!r}, but has no meaning for {source!r}.")
        return GENERATED[source](seed=seed, split=split)
    return prepare(
        read_data(source, forecast=horizon is not None, **columns),
        task=task,
        split=split,
        seed=seed,
        look_back=look_back,
        horizon=horizon,
        reach_back=reach_back,
        block=block,
        unit=unit,
    )


def load_folds(
    source: Source,
    k: int,
    *,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
    time: str | None = None,
    **options: Any,
) -> list[Data]:
    """Data `k` times, with the same test part and another fold to validate on; see `folds`.

    Args:
        source: As in `load`; of the data that needs no file, `digits` only.
        k: Folds, at least 2.
        target: As in `load`.
        group: As in `load`.
        time: As in `load`.
        **options: As `folds` takes them.

    Raises:
        ValueError: As `load` and `folds`.
    """
    if isinstance(source, str) and source in GENERATED and source != "digits":
        raise ValueError(f"`folds` is {k}, but has no meaning for {source!r}; use more samples.")
    if isinstance(source, str) and source == "digits":
        return folds(digits_sequences(), k, **options)
    forecast = options.get("horizon") is not None
    raw = read_data(source, target=target, group=group, time=time, forecast=forecast)
    return folds(raw, k, **options)


def read_data(
    source: Source,
    *,
    target: str | Sequence[str] | None = None,
    group: str | None = None,
    time: str | None = None,
    forecast: bool = False,
) -> Record:
    """What a file or frame holds, before it is split and scaled; arguments as in `load`.

    Raises:
        ValueError: A missing or damaged file, or columns that it lacks.
    """
    targets = (target,) if isinstance(target, str) else tuple(target or ())
    options = ColumnRoles(targets, group, time, forecast)
    if isinstance(source, pd.DataFrame):
        return tables.from_frame(source, options)
    path = Path(source)
    reader = READERS.get(path.suffix.lower())
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
        return reader(path, options)
    except OSError as error:
        raise ValueError(f"`data` is '{path}', but can't be read: {error.strerror}.") from None
