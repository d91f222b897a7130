"""When an entry is searched: where others, its parents, have the values that it needs."""

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
    """What a parent must be.

    Attributes:
        parent: Its name.
        names: Names and booleans that it may be.
        intervals: Numbers that it may be, from low to high, both included.
        words: The same for people, such as `at least 2`.
    """

    parent: str
    names: tuple[str | bool, ...]
    intervals: tuple[tuple[float, float], ...]
    words: str

    def allows(self, value: Any) -> bool:
        """Whether a parent of this value is as it must be."""
        if isinstance(value, (str, bool)):
            return value in self.names
        return any(low <= value <= high for low, high in self.intervals) or any(
            _close(value, end) for interval in self.intervals for end in interval
        )

    def holds(self, configuration: Mapping[str, Any]) -> bool:
        """Whether the parent is in the configuration, and as it must be."""
        return self.parent in configuration and self.allows(configuration[self.parent])


def conditions_of(
    entries: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, tuple[Condition, ...]]:
    """What every entry of a space depends on, parents before children.

    Args:
        entries: Of the space, in plain types; the parents in a `when` of theirs must be among them.
        known: By name, a `when` that holds for the entry in every space. It may name other
            entries and parents than those of this space, which mean nothing here.

    Raises:
        ValueError: A bad `when`, an unknown parent, or entries that depend on each other.
    """
    found: dict[str, tuple[Condition, ...]] = {}
    for name, what in entries.items():
        own = _read(name, what["when"]) if isinstance(what, dict) and "when" in what else []
        for condition in own:
            if condition.parent not in entries:
                raise ValueError(
                    f"`{name}` depends on `{condition.parent}`, which the space does not have"
                    f"{near(condition.parent, entries)}"
                )
        more = _read(name, known[name]) if name in known else []
        found[name] = (*own, *(condition for condition in more if condition.parent in entries))
    return {name: found[name] for name in _parents_first(found)}


def check_possible(
    needed: Mapping[str, Iterable[Condition]], values: Mapping[str, BaseDistribution]
) -> None:
    """Accept conditions that can all hold at once, for every entry by itself.

    Args:
        needed: What every entry depends on, parents before children.
        values: What every entry can be.

    Raises:
        ValueError: An entry that would never be searched.
    """
    needed_in_all: dict[str, list[Condition]] = {}
    for name, own in needed.items():
        inherited = (more for condition in own for more in needed_in_all[condition.parent])
        needed_in_all[name] = list(dict.fromkeys((*own, *inherited)))
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
            f"`{name}` has `when` {when!r}, but it must say what other entries must be, "
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


def _parents_first(found: Mapping[str, Iterable[Condition]]) -> list[str]:
    """All names; those without parents in the order given."""
    graph = {name: [condition.parent for condition in own] for name, own in found.items()}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        child, *parents = reversed(error.args[1])
        chain = ", which depends on ".join(f"`{parent}`" for parent in parents)
        raise ValueError(
            f"`{child}` depends on {chain}, but conditions must not run in a circle."
        ) from error


def _telling(values: BaseDistribution, rules: Iterable[Condition]) -> Iterator[Any]:
    """Some of the values, with one among them that all rules allow if there is any."""
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
    """Steps of 0.1 from 0.0 come to 0.30000000000000004, which is meant by 0.3."""
    return isinstance(value, float) and math.isclose(value, end, rel_tol=1e-12, abs_tol=1e-12)


def _is_number(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and (abs(value) <= sys.float_info.max or abs(value) == math.inf)
