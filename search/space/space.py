"""Spaces: the values that every hyperparameter may have, and when a configuration has it."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.space.conditions import check_possible, conditions_of
from search.space.hyperparameter import plain, read


class Space:
    """A range, a choice or a fixed value for each hyperparameter.

        Space(cell=["lstm", "gru"], hidden_size=dict(low=16, high=64, log=True), layers=1)

    A range is `dict(low=, high=)`, both ends included, of whole numbers if both ends are; with
    `log=True` drawn evenly in the logarithm, with `step=` in steps from `low`. A list is a choice.
    Anything else is fixed. A TOML file says the same: `hidden_size = { low = 16, high = 64 }`.

    A hyperparameter may depend on others, its parents, and is absent unless they fit:

        Space(optimizer=["sgd", "adam"], momentum=dict(value=0.9, when={"optimizer": "sgd"}))

    `when` gives for each parent one value, a list of values, or a range `dict(low=, high=)`, one
    end of which may be missing. All parents must be present and fit. A choice with `when` is
    `dict(choices=[...], when=...)`, a fixed value `dict(value=..., when=...)`.

    Attributes:
        hyperparameters: Ranges, choices and values by name, in plain Python types.
        distributions: Optuna's distributions of the ranges and choices.
        fixed: Values of the other hyperparameters.
    """

    def __init__(
        self,
        hyperparameters: Mapping[str, Any] | None = None,
        conditions: Mapping[str, Any] | None = None,
        /,
        **more: Any,
    ) -> None:
        """Read the hyperparameters of a mapping, and those given by name.

        Args:
            hyperparameters: Ranges, choices and fixed values by name.
            conditions: A `when` by name that holds in any space, besides that of the
                hyperparameter. Hyperparameters and parents that this space lacks are ignored.
            more: Further hyperparameters.

        Raises:
            ValueError: A hyperparameter that is no range, choice or value; a `when` that is none,
                that runs in a circle, names no hyperparameter of the space, or can never hold.
        """
        self.hyperparameters: dict[str, Any] = plain({**(hyperparameters or {}), **more})
        self.distributions: dict[str, BaseDistribution] = {}
        self.fixed: dict[str, Any] = {}
        for name, what in self.hyperparameters.items():
            values = read(name, what)
            if isinstance(values, BaseDistribution):
                self.distributions[name] = values
            else:
                self.fixed[name] = values
        self._conditions = conditions_of(self.hyperparameters, plain(conditions or {}))
        always = {name: CategoricalDistribution([value]) for name, value in self.fixed.items()}
        check_possible(self._conditions, self.distributions | always)

    @classmethod
    def from_toml(cls, path: str | Path, conditions: Mapping[str, Any] | None = None) -> "Space":
        """Return the space in a TOML file.

        Raises:
            ValueError: No such file, no TOML, or a bad hyperparameter.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise ValueError(f"`space` is '{path}', but can't be read: {reason}.") from error
        try:
            return cls(tomllib.loads(text), conditions)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"`space` is '{path}', but is not TOML: {error}.") from error

    def to_toml(self) -> str:
        """Return the space as `from_toml` reads it, its hyperparameters in the same order.

        Conditions are those in the `when` of the hyperparameters alone.
        """
        return "".join(
            f"{_key(name)} = {_toml(what)}\n" for name, what in self.hyperparameters.items()
        )

    def sample(self, suggest: Callable[[str, BaseDistribution], Any]) -> dict[str, Any]:
        """Return a configuration: values whose conditions hold, in the order of the space.

        Args:
            suggest: Function that gives a value for a name and its distribution; it is called for
                parents before children, and only for those that are present.
        """
        sample: dict[str, Any] = {}
        for name, needed in self._conditions.items():
            if all(condition.holds(sample) for condition in needed):
                varies = name in self.distributions
                sample[name] = (
                    suggest(name, self.distributions[name]) if varies else self.fixed[name]
                )
        return {name: sample[name] for name in self.hyperparameters if name in sample}

    def varying(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a configuration has that is not fixed."""
        return {name: configuration[name] for name in self.distributions if name in configuration}

    def extremes(self) -> Iterator[tuple[str, Any]]:
        """Yield values that stand for all others, each with its name.

        These are every choice, both ends of every range and every fixed value; for whole numbers
        without `log` also the second one, since all are the first plus whole steps.
        """
        for name, distribution in self.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                yield from ((name, choice) for choice in distribution.choices)
            elif isinstance(distribution, (FloatDistribution, IntDistribution)):
                yield name, distribution.low
                yield name, distribution.high
            if isinstance(distribution, IntDistribution) and not distribution.log:
                second = distribution.low + distribution.step
                if second < distribution.high:
                    yield name, second
        yield from self.fixed.items()


def _toml(what: Any) -> str:
    """Return a value on one line; `tomli_w` would move tables behind the other hyperparameters."""
    if isinstance(what, dict):
        inside = (f"{_key(key)} = {_toml(value)}" for key, value in what.items())
        return f"{{ {', '.join(inside)} }}"
    if isinstance(what, list):
        return f"[{', '.join(map(_toml, what))}]"
    return tomli_w.dumps({"_": what}).removeprefix("_ = ").removesuffix("\n")


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")
