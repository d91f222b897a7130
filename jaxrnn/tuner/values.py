"""Readers of the values of settings, from Python or from the text of the command line.

Each function returns the value as the program uses it. Its ValueError holds the second half of a
sentence that begins with the name of the setting.
"""

import json
import operator
import os
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any


def text(value: Any) -> str:
    """A text or a path, as text."""
    if isinstance(value, str | os.PathLike):
        return os.fspath(value)
    raise ValueError(f"is {value!r}, but must be text")


def columns(value: Any) -> str:
    """Names of columns, separated by commas; a list of names too."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(text, value))
    return text(value)


def whole_number(value: Any) -> int:
    """An integer."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return int(value) if isinstance(value, str) else operator.index(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"is {_shown(value)}, but must be a whole number") from error


def minutes(value: Any) -> float:
    """A time, at least 0."""
    number = _number(value)
    if not 0 <= number < float("inf"):
        raise ValueError(f"is {_shown(value)}, but must be a number of at least 0")
    return number


def gibibytes(value: Any) -> float:
    """A size, above 0."""
    number = _number(value)
    if not 0 < number < float("inf"):
        raise ValueError(f"is {_shown(value)}, but must be a number above 0, in GiB")
    return number


def three_numbers(value: Any) -> tuple[float, ...]:
    """Sizes of train, validation and test: shares, or whole numbers of rows."""
    try:
        if isinstance(value, str):
            parts = tuple(float(part) if "." in part else int(part) for part in value.split("/"))
        else:
            parts = tuple(int(p) if isinstance(p, Integral) else float(p) for p in value)
    except (TypeError, ValueError):
        parts = ()
    if len(parts) != 3:
        raise ValueError(f"is {_shown(value)}, but must be such as 0.7/0.15/0.15")
    return parts


def switch(value: Any) -> bool:
    """On or off."""
    if not isinstance(value, bool):
        raise ValueError(f"is {_shown(value)}, but must be True or False")
    return value


def starting_points(value: Any) -> str:
    """Where configurations are, or the configurations themselves as JSON."""
    if isinstance(value, Mapping | list | tuple):
        try:
            return json.dumps(value)
        except TypeError as error:
            raise ValueError(f"is {value!r}, but must hold plain values: {error}") from error
    return text(value)


def path_or_object(value: Any) -> Any:
    """A path as text; any other object unchanged."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _number(value: Any) -> float:
    """A number; NaN if it is none."""
    try:
        return float("nan") if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return float("nan")


def _shown(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else repr(value)
