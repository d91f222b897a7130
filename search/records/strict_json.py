"""Plain values as strict JSON knows them: to the bit and back, or for others to read."""

import math
from collections.abc import Mapping
from typing import Any

MARK = "$"
"""Key of an object that stands for what JSON lacks."""


def encode(value: Any) -> Any:
    """Return the same in what strict JSON has.

    A number that is not finite becomes `{"$": "nan"}`, `{"$": "inf"}` or `{"$": "-inf"}`; a
    mapping with keys that are not all strings, or with the key `$`, `{"$": [[key, value], ...]}`.

    Args:
        value: Plain value: None, a bool, a number, a string, or a sequence or mapping of such;
            keys are strings or whole numbers.
    """
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {MARK: repr(float(value))}
    if isinstance(value, Mapping):
        if MARK not in value and all(isinstance(key, str) for key in value):
            return {key: encode(item) for key, item in value.items()}
        return {MARK: [[key, encode(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


def decode(value: Any) -> Any:
    """Return what `encode` was given, with lists for sequences and dicts for mappings."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if MARK not in value:
        return {key: decode(item) for key, item in value.items()}
    marked = value[MARK]
    if isinstance(marked, str):
        return float(marked)
    return {key: decode(item) for key, item in marked}


def readable(value: Any) -> Any:
    """Return the same with None for NaN, "inf" for infinity, lists for tuples, strings for keys."""
    if isinstance(value, Mapping):
        return {str(key): readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [readable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
