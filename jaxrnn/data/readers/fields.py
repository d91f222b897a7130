"""Fields of text as numbers: the same ones, to the last bit, whatever pandas is installed."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

WHOLE_NUMBER = re.compile(r"[-+0-9\s]{1,300}", re.ASCII)
"""Of no more digits than the greatest float has, which pandas 2 tries on the way."""
NOT_NUMERIC = re.compile(r"[^-+.0-9\sefinty]", re.ASCII | re.IGNORECASE)
"""Characters that Python reads in numbers, but tables don't: `1_000`, `nan`, other digits."""
BOOLS = {"true": True, "false": False}


def to_column(fields: Sequence[str]) -> pd.Series:
    """Whole numbers, numbers or bools where all fields are such, or else text; empty ones are NaN.

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
    """The number nearest to a text, NaN for anything else."""
    try:
        return np.nan if NOT_NUMERIC.search(value) else float(value)
    except (TypeError, ValueError):
        return np.nan
