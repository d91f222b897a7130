"""Conditions: a hyperparameter is searched only where others, its parents, have fitting values."""

import graphlib
import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.space.suggestions import check_keys, near


@dataclass(frozen=True)
class Condition:
    """Values that a parent must have.

    Attributes:
        parent: Name of the parent.
        names: Names and booleans that it may be.
        intervals: Intervals of numbers that it may be, from low to high, both included.
        words: Description for people, such as `at least 2`.
    """

    parent: str
    names: tuple[str | bool, ...]
    intervals: tuple[tuple[float, float], ...]
    words: str

    def allows(self, value: Any) -> bool:
        """Return whether the parent may have this value."""
        if isinstance(value, (str, bool)):
            return value in self.names
        return any(low <= value <= high for low, high in self.intervals) or any(
            _close(value, end) for interval in self.intervals for end in interval
        )

    def holds(self, configuration: Mapping[str, Any]) -> bool:
        """Return whether the configuration has the parent with a value that it may have."""
        return self.parent in configuration and self.allows(configuration[self.parent])


def conditions_of(
    hyperparameters: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, tuple[Condition, ...]]:
    """Return the conditions of every hyperparameter of a space, parents before children.

    Args:
        hyperparameters: Hyperparameters of the space, in plain types; they must hold the parents
            in their `when`.
        known: A `when` by name that holds for the hyperparameter in every space. Names of
            hyperparameters and parents that this space lacks mean nothing.

    Raises:
        ValueError: A bad `when`, an unknown parent, or hyperparameters that depend on each other.
    """
    conditions: dict[str, tuple[Condition, ...]] = {}
    for name, what in hyperparameters.items():
        stated = _read(name, what["when"]) if isinstance(what, dict) and "when" in what else []
        for condition in stated:
            if condition.parent not in hyperparameters:
                raise ValueError(
                    f"`{name}` depends on `{condition.parent}`, which the space does not have"
                    f"{near(condition.parent, hyperparameters)}"
                )
        more = _read(name, known[name]) if name in known else []
        more = [condition for condition in more if condition.parent in hyperparameters]
        conditions[name] = (*stated, *more)
    return {name: conditions[name] for name in _parents_first(conditions)}


def check_possible(
    needed: Mapping[str, Iterable[Condition]], values: Mapping[str, BaseDistribution]
) -> None:
    """Accept conditions that can all hold at once, for every hyperparameter by itself.

    Args:
        needed: Conditions of every hyperparameter, parents before children.
        values: Values of every hyperparameter.

    Raises:
        ValueError: A hyperparameter that would never be searched.
    """
    needed_in_all: dict[str, list[Condition]] = {}
    for name, conditions in needed.items():
        inherited = (more for condition in conditions for more in needed_in_all[condition.parent])
        needed_in_all[name] = list(dict.fromkeys((*conditions, *inherited)))
        for parent in dict.fromkeys(condition.parent for condition in needed_in_all[name]):
            rules = [rule for rule in needed_in_all[name] if rule.parent == parent]
            telling = _telling(values[parent], rules)
            if not any(all(rule.allows(value) for rule in rules) for value in telling):
                must = " and ".join(f"`{parent}` is {rule.words}" for rule in rules)
                raise ValueError(
                    f"`{name}` is searched only where {must}, "
                    f"but `{parent}` is {_described(values[parent])}."
                )


def _read(name: str, when: Any) -> list[Condition]:
    if not isinstance(when, dict) or not when:
        raise ValueError(
            f"`{name}` has `when` {when!r}, but it must say what other hyperparameters must be, "
            'such as { optimizer = "sgd" }.'
        )
    return [_condition(name, parent, must) for parent, must in when.items()]


def _condition(name: str, parent: str, must: Any) -> Condition:
    if isinstance(must, dict) and must:
        return _between(name, parent, must)
    values: list[Any] = must if isinstance(must, list) else [must]
    if not values or not all(isinstance(v, (str, bool)) or _is_number(v) for v in values):
        raise ValueError(
            f"`{name}` depends on `{parent}` being {must!r}, but it must be one value, "
            "a list of values, or a range such as { low = 2 }."
        )
    return Condition(
        parent,
        tuple(value for value in values if isinstance(value, (str, bool))),
        tuple((value, value) for value in values if not isinstance(value, (str, bool))),
        " or ".join(map(repr, values)),
    )


def _between(name: str, parent: str, must: dict[str, Any]) -> Condition:
    check_keys(name, must, ("low", "high"), f"its condition on `{parent}`")
    for key, end in must.items():
        if not _is_number(end):
            raise ValueError(
                f"`{name}` depends on `{parent}` with `{key}` {end!r}, but it must be a number."
            )
    low, high = must.get("low", -math.inf), must.get("high", math.inf)
    if low > high:
        raise ValueError(
            f"`{name}` depends on `{parent}` with `low` {low}, "
            f"but it must be at most `high`, {high}."
        )
    words = f"at least {low}" if "high" not in must else f"at most {high}"
    if len(must) == 2:
        words = f"from {low} to {high}"
    return Condition(parent, (), ((low, high),), words)


def _parents_first(needed: Mapping[str, Iterable[Condition]]) -> list[str]:
    """Return all names, parents before children."""
    graph = {name: [condition.parent for condition in needed[name]] for name in needed}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        child, *parents = reversed(error.args[1])
        chain = ", which depends on ".join(f"`{parent}`" for parent in parents)
        raise ValueError(
            f"`{child}` depends on {chain}, but conditions must not run in a circle."
        ) from error


def _telling(values: BaseDistribution, rules: Iterable[Condition]) -> Iterator[Any]:
    """Yield some of the values, with one among them that all rules allow if there is any."""
    if isinstance(values, CategoricalDistribution):
        yield from values.choices
    elif isinstance(values, (FloatDistribution, IntDistribution)):
        low, high, step = values.low, values.high, values.step
        ends = {low, high, *(e for rule in rules for pair in rule.intervals for e in pair)}
        inside = sorted({min(max(end, low), high) for end in ends})
        if low == high:
            yield low
        elif step is None:
            # Between the ends, not at them: a single number is as good as never drawn.
            yield from ((a + b) / 2 for a, b in itertools.pairwise(inside))
        else:
            for end in inside:
                steps = (end - low) // step
                yield from (min(low + k * step, high) for k in (steps, steps + 1))


def _described(values: BaseDistribution) -> str:
    if isinstance(values, CategoricalDistribution):
        several = "always" if len(values.choices) == 1 else "one of"
        return f"{several} {', '.join(map(repr, values.choices))}"
    assert isinstance(values, (FloatDistribution, IntDistribution))
    whole = "whole " if isinstance(values, IntDistribution) else ""
    kind = "any number" if values.step is None else f"a {whole}number"
    steps = "" if values.step in (None, 1) else f" in steps of {values.step}"
    return f"{kind} from {values.low} to {values.high}{steps}"


def _close(value: float, end: float) -> bool:
    """Return whether they are alike, as 0.3 and 0.30000000000000004, three steps of 0.1."""
    return isinstance(value, float) and math.isclose(value, end, rel_tol=1e-12, abs_tol=1e-12)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (abs(value) <= sys.float_info.max or abs(value) == math.inf)
