"""One entry of a configuration: its kind, its range, its default, and when it is active."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np

from jaxrnn.types import Value

WORDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a name"}
MOST = {float: float(np.finfo(np.float32).max), int: 2**31 - 1}
"""Greatest numbers that programs can take: they hold 32 bits."""


@dataclass(frozen=True)
class Hyperparameter:
    """What one entry may be.

    Attributes:
        kind: float, int, bool or str.
        default: Its value where a configuration is silent; None where `default_is` tells.
        meaning: One line for people, with the source.
        low: Least number allowed.
        high: Greatest number allowed.
        finite: Whether infinity is excluded.
        choices: The names allowed, where `kind` is str.
        open: Whether other names are allowed too, checked elsewhere.
        when: Parents and what they must be for this entry to act: a list of values, or a range
            `{"low": ...}`; as `search.Space` reads it.
        default_is: The default in words where it is no fixed value.
        asks: What must be true of the data for it to make sense, in words.
    """

    kind: type
    default: Value | None
    meaning: str
    low: float = 0.0
    high: float = math.inf
    finite: bool = True
    choices: tuple[str, ...] = ()
    open: bool = False
    when: Mapping[str, Any] = field(default_factory=dict)
    default_is: str = ""
    asks: str = ""

    @property
    def rule(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(f"'{choice}'" for choice in self.choices)
        if self.kind is bool:
            return WORDS[bool]
        if self.high < math.inf:
            return f"{WORDS[self.kind]} from {self.low:g} to {self.high:g}"
        below = ", below infinity" if self.finite and self.kind is float else ""
        return f"{WORDS[self.kind]} of at least {self.low:g}{below}"

    def allows(self, value: Any) -> bool:
        """Whether `value` keeps the rule."""
        if self.kind is str:
            return isinstance(value, str) and (self.open or value in self.choices)
        if self.kind is bool or isinstance(value, (bool, np.bool_)):
            return self.kind is bool and isinstance(value, (bool, np.bool_))
        if not isinstance(value, Integral if self.kind is int else Real):
            return False
        number: Any = value.item() if isinstance(value, np.generic) else value
        if number == math.inf:
            return not self.finite
        return self.low <= number <= min(self.high, MOST[self.kind])

    def nearest(self, value: Any) -> Value | None:
        """The allowed value closest to one that is not; None where nothing is close."""
        if self.kind is str and isinstance(value, str):
            return next(iter(difflib.get_close_matches(value, self.choices, n=1, cutoff=0.4)), None)
        number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
        if self.kind in (bool, str) or not number or value != value:
            return None
        inside: Any = min(max(value, self.low), self.high, MOST[self.kind])
        return round(inside) if self.kind is int else float(inside)


def holds(when: Mapping[str, Any], entries: Mapping[str, Any]) -> bool:
    """Whether every parent in `when` is active in `entries` and what it must be."""
    return all(name in entries and _within(what, entries[name]) for name, what in when.items())


def _within(what: Any, value: Any) -> bool:
    if isinstance(what, Mapping):
        return what.get("low", -math.inf) <= value <= what.get("high", math.inf)
    return value in what


def words(when: Mapping[str, Any]) -> str:
    """A condition for people, such as "`cell` is 'lstm' or 'gru'"."""

    def one(name: str, what: Any) -> str:
        if isinstance(what, Mapping):
            return f"`{name}` is at least {what['low']:g}"
        return f"`{name}` is {' or '.join(map(_plain, what))}"

    return " and ".join(one(name, what) for name, what in when.items())


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
