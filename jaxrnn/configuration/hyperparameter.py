"""One hyperparameter: its type, its range, its default, and when it acts."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np

from jaxrnn.types import Value

KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a name"}
"""Types of values, in words."""
MAX = {float: float(np.finfo(np.float32).max), int: 2**31 - 1}
"""Greatest numbers that programs can take: they hold 32 bits."""


@dataclass(frozen=True)
class Hyperparameter:
    """The definition of one hyperparameter.

    Attributes:
        kind: Type of its values: float, int, bool or str.
        default: Value where a configuration does not set it; None where `default_is` tells.
        meaning: Line for people that says what it does, with the source.
        low: Least number allowed.
        high: Greatest number allowed.
        finite: False if infinity is allowed.
        choices: Names allowed, where `kind` is str.
        other_names: True if names that are not among `choices` are allowed and checked elsewhere.
        when: Parents and the values with which this hyperparameter acts: a list of values, or a
            range `{"low": ...}`; as `search.Space` reads it.
        default_is: Default in words where it is no fixed value.
        requires: Condition on the data or the task, in words.
        traced: True if compiled programs take it as an argument; False if it is fixed when they
            are compiled, or needed on the host alone.
        code: Field of `jaxrnn.network.architecture.OptionalCode` that it needs; "" for none.
        code_values: Values that need that code; by default all but 0 and false.
    """

    kind: type
    default: Value | None
    meaning: str
    low: float = 0.0
    high: float = math.inf
    finite: bool = True
    choices: tuple[str, ...] = ()
    other_names: bool = False
    when: Mapping[str, Any] = field(default_factory=dict)
    default_is: str = ""
    requires: str = ""
    traced: bool = True
    code: str = ""
    code_values: tuple[Value, ...] = ()

    @property
    def rule(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return "one of " + ", ".join(f"'{choice}'" for choice in self.choices)
        if self.kind is bool:
            return KINDS[bool]
        if self.high < math.inf:
            return f"{KINDS[self.kind]} from {self.low:g} to {self.high:g}"
        below = ", below infinity" if self.finite and self.kind is float else ""
        return f"{KINDS[self.kind]} of at least {self.low:g}{below}"

    def allows(self, value: Any) -> bool:
        """Tell if `value` keeps the rule."""
        if self.kind is str:
            return isinstance(value, str) and (self.other_names or value in self.choices)
        if self.kind is bool or isinstance(value, (bool, np.bool_)):
            return self.kind is bool and isinstance(value, (bool, np.bool_))
        if not isinstance(value, Integral if self.kind is int else Real):
            return False
        number: Any = value.item() if isinstance(value, np.generic) else value
        if number == math.inf:
            return not self.finite
        return self.low <= number <= min(self.high, MAX[self.kind])

    def nearest(self, value: Any) -> Value | None:
        """Return the allowed value closest to one that is not; None where nothing is close."""
        if self.kind is str and isinstance(value, str):
            return next(iter(difflib.get_close_matches(value, self.choices, n=1, cutoff=0.4)), None)
        number = isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
        if self.kind in (bool, str) or not number or value != value:
            return None
        inside: Any = min(max(value, self.low), self.high, MAX[self.kind])
        return round(inside) if self.kind is int else float(inside)

    def needs_code(self, value: Any) -> bool:
        """Tell if a member with this `value` needs the optional code; None is no value."""
        if not self.code or value is None:
            return False
        return value in self.code_values if self.code_values else bool(value)


def is_met(when: Mapping[str, Any], configuration: Mapping[str, Any]) -> bool:
    """Tell if every parent in `when` is active in a configuration and has a value that it asks."""
    return all(
        parent in configuration and _allows(values, configuration[parent])
        for parent, values in when.items()
    )


def _allows(values: Any, value: Any) -> bool:
    if isinstance(values, Mapping):
        return values.get("low", -math.inf) <= value <= values.get("high", math.inf)
    return value in values


def describe(when: Mapping[str, Any]) -> str:
    """Write a condition for people, such as "`cell` is 'lstm' or 'gru'"."""

    def describe_parent(name: str, values: Any) -> str:
        if isinstance(values, Mapping):
            return f"`{name}` is at least {values['low']:g}"
        return f"`{name}` is {' or '.join(map(_plain, values))}"

    return " and ".join(describe_parent(name, values) for name, values in when.items())


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)
