"""Strategies that draw spaces, and their conditions written once more, and simply."""

import math
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

numbers = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6))


ranges = st.builds(
    lambda ends, log: {"low": min(ends), "high": max(ends), "log": log and min(ends) > 0},
    st.tuples(numbers, numbers),
    st.booleans(),
)


stepped = st.builds(
    lambda low, step, times: {"low": low, "high": low + step * times, "step": step},
    st.integers(-100, 100),
    st.integers(1, 9),
    st.integers(0, 9),
)


texts = st.text(max_size=9)


plain_numbers = st.one_of(st.integers(-(10**9), 10**9), st.floats(allow_nan=False))


scalars = st.one_of(texts, plain_numbers, st.booleans())


choices = st.one_of(
    st.lists(st.one_of(texts, plain_numbers), min_size=1, max_size=4, unique=True),
    st.lists(st.one_of(texts, st.booleans()), min_size=1, max_size=4, unique=True),
)


spaces = st.dictionaries(
    st.text("abcdefgh_", min_size=1, max_size=6),
    st.one_of(ranges, stepped, choices, scalars),
    max_size=5,
)


def keeps(value: Any, must: Any) -> bool:
    """Whether a condition holds for the value of a parent, written once more, and simply."""
    if isinstance(must, dict):
        number = not isinstance(value, (str, bool))
        return number and must.get("low", -math.inf) <= value <= must.get("high", math.inf)
    options = must if isinstance(must, list) else [must]
    return any(
        value == option and isinstance(value, bool) == isinstance(option, bool)
        for option in options
    )


def present(name: str, hyperparameters: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether a hyperparameter is active, given the values of the active ones."""
    return all(
        parent in values
        and present(parent, hyperparameters, values)
        and keeps(values[parent], must)
        for parent, must in hyperparameters[name].get("when", {}).items()
    )


few_names = st.sampled_from(["x", "y", True, False])


few_numbers = st.sampled_from([0, 1, 2, 3, 1.0, 2.5])


small_hyperparameters = st.one_of(
    st.builds(lambda names: {"choices": names}, st.lists(few_names, min_size=1, unique=True)),
    st.builds(
        lambda numbers: {"choices": numbers},
        st.lists(st.one_of(few_numbers, st.just("x")), min_size=1, max_size=4, unique=True),
    ),
    st.builds(lambda value: {"value": value}, st.one_of(few_names, few_numbers)),
    st.builds(
        lambda low, more: {"low": low, "high": low + more},
        few_numbers.filter(lambda n: isinstance(n, int)),
        st.integers(0, 3),
    ),
    st.builds(
        lambda low, k: {"low": low, "high": low + 2 * k, "step": 2},
        st.integers(0, 2),
        st.integers(0, 2),
    ),
)


musts = st.one_of(
    st.one_of(few_names, few_numbers),
    st.lists(st.one_of(few_names, few_numbers), min_size=1, max_size=4),
    st.builds(lambda low: {"low": low}, few_numbers),
    st.builds(lambda high: {"high": high}, few_numbers),
    st.builds(
        lambda ends: {"low": min(ends), "high": max(ends)}, st.tuples(few_numbers, few_numbers)
    ),
)


@st.composite
def conditional(draw: st.DrawFn) -> dict[str, Any]:
    """Hyperparameters that depend on others, in any order."""
    names = draw(st.permutations("abcd"))
    hyperparameters: dict[str, Any] = {}
    for name in names:
        hyperparameters[name] = draw(small_hyperparameters)
        parents = draw(st.sets(st.sampled_from(list(hyperparameters)), max_size=2)) - {name}
        if parents:
            hyperparameters[name]["when"] = {parent: draw(musts) for parent in sorted(parents)}
    return {name: hyperparameters[name] for name in draw(st.permutations(names))}
