"""Where to search: what every entry of a configuration may be."""

import difflib
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

RANGE_KEYS = ("low", "high", "log", "step")


class Space:
    """A range, a choice or a fixed value for each entry of a configuration.

        Space(cell=["lstm", "gru"], hidden_size=dict(low=16, high=64, log=True), layers=1)

    A range is `dict(low=, high=)`, both ends included, of whole numbers if both ends are; with
    `log=True` drawn evenly in the logarithm, with `step=` in steps from `low`. A list is a choice.
    Anything else is fixed. A TOML file says the same: `hidden_size = { low = 16, high = 64 }`.

    Attributes:
        entries: What was asked for, by name, in plain Python types.
        distributions: Optuna's, for the entries that vary.
        fixed: The other entries.
    """

    def __init__(self, entries: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Read the entries of a mapping, and those given by name.

        Raises:
            ValueError: An entry that is no range, choice or value (see the class).
        """
        self.entries = {name: _plain(what) for name, what in ({**(entries or {}), **more}).items()}
        self.distributions: dict[str, BaseDistribution] = {}
        self.fixed: dict[str, Any] = {}
        for name, what in self.entries.items():
            if isinstance(what, dict):
                self.distributions[name] = _range(name, what)
            elif isinstance(what, list):
                self.distributions[name] = _choice(name, what)
            elif isinstance(what, (str, int, float)):
                self.fixed[name] = what
            else:
                raise ValueError(
                    f"`{name}` is {what!r}, but must be a range such as "
                    "{ low = 1, high = 9 }, a list of choices, or one value."
                )

    @classmethod
    def from_toml(cls, path: str | Path) -> "Space":
        """The space in a TOML file.

        Raises:
            ValueError: No such file, no TOML, or a bad entry.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ValueError(f"`space` is '{path}', but can't be read: {reason}.") from error
        try:
            return cls(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"`space` is '{path}', but is not TOML: {error}.") from error

    def to_toml(self) -> str:
        """The space as `from_toml` reads it, its entries in the same order."""
        return "".join(map(_toml_line, self.entries, self.entries.values()))

    def extremes(self) -> Iterator[tuple[str, Any]]:
        """Every choice, both ends of every range and every fixed value, with its entry's name."""
        for name, distribution in self.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                yield from ((name, choice) for choice in distribution.choices)
            elif isinstance(distribution, (FloatDistribution, IntDistribution)):
                yield name, distribution.low
                yield name, distribution.high
        yield from self.fixed.items()


def _toml_line(name: str, what: Any) -> str:
    """`name = what`, a range as an inline table: a table of its own would move behind the rest."""
    if not isinstance(what, dict):
        return tomli_w.dumps({name: what})
    key = tomli_w.dumps({name: 0}).removesuffix("= 0\n")
    inside = ", ".join(tomli_w.dumps({part: value}).strip() for part, value in what.items())
    return f"{key}= {{ {inside} }}\n"


def _plain(what: Any) -> Any:
    """An entry as TOML would hold it."""
    if isinstance(what, CategoricalDistribution):
        return list(what.choices)
    if isinstance(what, (FloatDistribution, IntDistribution)):
        keys = {"low": what.low, "high": what.high, "log": what.log}
        return keys if what.step is None or what.log else {**keys, "step": what.step}
    if isinstance(what, Mapping):
        return {key: _plain(value) for key, value in what.items()}
    if isinstance(what, (list, tuple)):
        return [_plain(value) for value in what]
    return what.item() if isinstance(what, np.generic) else what


def _range(name: str, what: dict[str, Any]) -> BaseDistribution:
    for key in what:
        if key not in RANGE_KEYS:
            near = difflib.get_close_matches(key, RANGE_KEYS, n=1)
            hint = f"; did you mean `{near[0]}`?" if near else "."
            known = ", ".join(f"`{known}`" for known in RANGE_KEYS)
            raise ValueError(f"`{name}` has a key `{key}`, but a range has {known}{hint}")
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
    if step is not None and abs((high - low) / step - round((high - low) / step)) > 1e-9:
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
        if not isinstance(value, (str, int, float)):
            raise ValueError(f"`{name}` has the choice {value!r}, but must have names or numbers.")
    if len(set(what)) < len(what):
        raise ValueError(f"`{name}` is {what!r}, but must not have a choice twice.")
    return CategoricalDistribution(what)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max
