"""What a configuration may hold: the entries, their defaults and their limits."""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from jaxrnn.cells import CELLS
from jaxrnn.network import Architecture
from jaxrnn.optimizer import Hyperparameters
from jaxrnn.types import Configuration, Value

SMALLEST_BUCKET = 64
"""Members up to this width share one program; narrow ones pay for it where sequences are long."""


@dataclass(frozen=True)
class Entry:
    """One entry of a configuration.

    Attributes:
        default: Its value where a configuration is silent.
        meaning: One line for people.
        low: Least number allowed.
        high: Greatest number allowed.
        finite: Whether infinity is excluded.
        choices: The names allowed, for entries that are no number.
    """

    default: Value
    meaning: str
    low: float = 0.0
    high: float = math.inf
    finite: bool = True
    choices: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """What is allowed, in words."""
        if self.choices:
            return "one of " + ", ".join(f"'{choice}'" for choice in self.choices)
        kind = "a whole number" if self.whole else "a number"
        if self.high < math.inf:
            return f"{kind} from {self.low:g} to {self.high:g}"
        return f"{kind} of at least {self.low:g}{', below infinity' if self.finite else ''}"

    @property
    def whole(self) -> bool:
        """Whether it must be a whole number."""
        return isinstance(self.default, int)

    def allows(self, value: Any) -> bool:
        """Whether `value` keeps the rule."""
        if self.choices:
            return value in self.choices
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
            return False
        if self.whole and not isinstance(value, Integral):
            return False
        return self.low <= float(value) <= self.high and not (self.finite and math.isinf(value))


ENTRIES: dict[str, Entry] = {
    "cell": Entry("lstm", "recurrent cell", choices=tuple(CELLS)),
    "layers": Entry(1, "recurrent layers", low=1, high=4),
    "hidden_size": Entry(32, "units per layer", low=1, high=4096),
    "learning_rate": Entry(3e-3, "AdamW's step size"),
    "weight_decay": Entry(1e-4, "decoupled decay, per unit of learning rate"),
    "clip_norm": Entry(
        1.0, "greatest global norm of a gradient; inf for no clipping", finite=False
    ),
    "dropout": Entry(0.0, "probability between layers and before the head", high=0.95),
}

DEFAULT_SPACE: dict[str, Any] = {
    "cell": ["lstm", "gru"],
    "hidden_size": {"low": 16, "high": 64, "log": True},
    "learning_rate": {"low": 1e-3, "high": 3e-2, "log": True},
    "dropout": {"low": 0.0, "high": 0.5},
    "clip_norm": {"low": 0.1, "high": 10.0, "log": True},
    "weight_decay": {"low": 1e-5, "high": 1e-1, "log": True},
}
"""Where to search when nobody says otherwise, as `search.Space` reads it."""


def check(name: str, value: Any) -> None:
    """Accept one entry of a configuration.

    Raises:
        ValueError: Unknown name (the nearest known one is suggested), or a value outside the rule.
    """
    entry = ENTRIES.get(name)
    if entry is None:
        near = difflib.get_close_matches(name, ENTRIES, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else "."
        known = ", ".join(f"`{known}`" for known in ENTRIES)
        raise ValueError(f"`{name}` is no hyperparameter, known are {known}{hint}")
    if not entry.allows(value):
        raise ValueError(f"`{name}` is {value!r}, but must be {entry.rule}.")


def complete(configuration: Configuration) -> dict[str, Any]:
    """A checked copy of `configuration`, defaults filled in, values as plain Python numbers."""
    if not isinstance(configuration, Mapping):
        raise ValueError(f"`configuration` is {configuration!r}, but must be a mapping of entries.")
    for name, value in configuration.items():
        check(name, value)
    plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in configuration.items()}
    return {name: plain.get(name, entry.default) for name, entry in ENTRIES.items()}


def bucket(hidden_size: int) -> int:
    """The compiled width for `hidden_size`: the next power of two, at least `SMALLEST_BUCKET`."""
    return max(SMALLEST_BUCKET, 1 << (hidden_size - 1).bit_length())


def architecture(entries: Mapping[str, Any], inputs: int, outputs: int) -> Architecture:
    """The static part of a complete configuration, padded to its bucket."""
    width = bucket(entries["hidden_size"])
    return Architecture(entries["cell"], entries["layers"], width, inputs, outputs)


def hyperparameters(entries: Mapping[str, Any]) -> Hyperparameters:
    """The traced part of a complete configuration."""
    return Hyperparameters(*(float(entries[name]) for name in Hyperparameters._fields))
