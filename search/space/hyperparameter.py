"""A hyperparameter of a space: a range, a choice or a fixed value."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.space.suggestions import check_keys

Value = str | int | float

KEYS = ("low", "high", "log", "step", "choices", "value", "when")


def read(name: str, what: Any) -> BaseDistribution | Value:
    """Return a hyperparameter as Optuna's distribution, or its value if it is fixed.

    Args:
        name: Name of the hyperparameter, for messages.
        what: Range, choice or value in plain types (see `plain`).

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(what, dict):
        return _table(name, what)
    if isinstance(what, list):
        return _choice(name, what)
    if isinstance(what, Value):
        return what
    raise ValueError(
        f"`{name}` is {what!r}, but must be a range such as {{ low = 1, high = 9 }}, "
        "a list of choices, or one value."
    )


def plain(what: Any) -> Any:
    """Return a hyperparameter, or all of a space, as TOML would hold it.

    Raises:
        ValueError: A name that is not text, or that would break the line it is printed on.
    """
    if isinstance(what, CategoricalDistribution):
        return list(what.choices)
    if isinstance(what, (FloatDistribution, IntDistribution)):
        keys = {"low": what.low, "high": what.high, "log": what.log}
        return keys if what.step is None or what.log else {**keys, "step": what.step}
    if isinstance(what, Mapping):
        for key in what:
            if not isinstance(key, str) or not key.isprintable():
                raise ValueError(f"`space` has the name {key!r}, but names must be printable text.")
        return {key: plain(value) for key, value in what.items()}
    if isinstance(what, (list, tuple)):
        return [plain(value) for value in what]
    return what.item() if isinstance(what, np.generic) else what


def _table(name: str, what: dict[str, Any]) -> BaseDistribution | Value:
    if "choices" in what:
        check_keys(name, what, ("choices", "when"), "a choice")
        if not isinstance(what["choices"], list):
            raise ValueError(f"`{name}` has `choices` {what['choices']!r}, but must have a list.")
        return _choice(name, what["choices"])
    if "value" in what:
        check_keys(name, what, ("value", "when"), "a fixed value")
        if not isinstance(what["value"], Value):
            raise ValueError(f"`{name}` has `value` {what['value']!r}, but must have one value.")
        return what["value"]
    check_keys(name, what, KEYS, "a hyperparameter")
    return _range(name, what)


def _range(name: str, what: dict[str, Any]) -> BaseDistribution:
    for key in ("low", "high"):
        if key not in what:
            raise ValueError(f"`{name}` has no `{key}`, but a range must have `low` and `high`.")
        if not _is_number(what[key]):
            raise ValueError(f"`{name}` has `{key}` {what[key]!r}, but must have a number.")
    low, high, log, step = what["low"], what["high"], what.get("log", False), what.get("step")
    if low > high:
        raise ValueError(f"`{name}` has `low` {low}, but it must be at most `high`, {high}.")
    if not isinstance(log, bool):
        raise ValueError(f"`{name}` has `log` {log!r}, but it must be true or false.")
    if log and low <= 0:
        raise ValueError(f"`{name}` has `low` {low}, but a `log` range must start above 0.")
    if step is not None and (log or not _is_number(step) or step <= 0):
        raise ValueError(f"`{name}` has `step` {step!r}, but must have one above 0 and no `log`.")
    if step is not None and not _whole((high - low) / step):
        raise ValueError(
            f"`{name}` has `step` {step!r}, but whole steps from {low} must end at `high`, {high}."
        )
    if all(isinstance(end, int) for end in (low, high, step or 1)):
        return IntDistribution(low, high, log=log, step=step or 1)
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _choice(name: str, what: list[Any]) -> CategoricalDistribution:
    if not what:
        raise ValueError(f"`{name}` is an empty list, but must have at least one choice.")
    for value in what:
        if not isinstance(value, Value):
            raise ValueError(f"`{name}` has the choice {value!r}, but must have names or numbers.")
    # To Python and to Optuna, True is 1.
    if {bool} < {type(value) for value in what} - {str}:
        raise ValueError(f"`{name}` is {what!r}, but must not mix true or false with numbers.")
    if len(set(what)) < len(what):
        raise ValueError(f"`{name}` is {what!r}, but must not have a choice twice.")
    return CategoricalDistribution(what)


def _is_number(value: Any) -> bool:
    """Return whether it can be an end of a range, whose width must be a finite number, too."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max / 2


def _whole(number: float) -> bool:
    return min(number % 1, -number % 1) <= 1e-9
