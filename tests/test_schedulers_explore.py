"""How population-based training changes a configuration."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.schedulers.pbt import explore
from search.space.space import Space

SPACE = Space(
    cell=["lstm", "gru"],
    learning_rate={"low": 1e-4, "high": 1e-1, "log": True},
    dropout={"low": 0.0, "high": 0.5},
    batch_size=[8, 16, 32],
    clip={"low": 0.1, "high": 2.0, "step": 0.1},
    window={"low": 1, "high": 64, "log": True},
    stride={"low": 2, "high": 20, "step": 3},
    shift={"low": -9, "high": 9},
    momentum={"low": 0.5, "high": 1.0, "when": {"cell": "lstm"}},
    layers=2,
)
HERE = {
    "cell": "gru",
    "learning_rate": 0.01,
    "dropout": 0.2,
    "batch_size": 16,
    "clip": 1.0,
    "window": 10,
    "stride": 11,
    "shift": -5,
    "layers": 2,
}


def always(name: str) -> bool:
    return name != "cell"


def outcomes(name: str, value: Any, resample: float = 0.0, count: int = 60) -> set[Any]:
    """What becomes of one entry."""
    start = {**HERE, name: value}
    return {
        explore(start, SPACE, always, np.random.default_rng(seed), resample)[name]
        for seed in range(count)
    }


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("learning_rate", 0.01, {0.008, 0.012}),
        ("learning_rate", 1e-4, {1e-4, 1.2e-4}),
        ("learning_rate", 0.09, {0.09 * 0.8, 0.1}),
        ("dropout", 0.0, {0.0}),
        ("dropout", 0.5, {0.4, 0.5}),
        ("batch_size", 16, {16}),
        ("window", 10, {8, 12}),
        ("window", 1, {1, 2}),  # 0.8 and 1.2 are both 1; it moves by a step, within the range
        ("window", 2, {1, 3}),
        ("window", 64, {51, 64}),
        ("stride", 11, {8, 14}),  # 8.8 and 13.2, on the steps from 2 by 3
        ("stride", 2, {2, 5}),
        ("stride", 20, {17, 20}),
        ("shift", -5, {-4, -6}),
        ("shift", -1, {0, -2}),
        ("shift", 0, {-1, 1}),
        ("shift", -9, {-7, -9}),
    ],
)
def test_perturbation(name: str, value: Any, expected: set[Any]) -> None:
    results = outcomes(name, value)
    assert sorted(results) == pytest.approx(sorted(expected), rel=1e-12)
    assert {type(result) for result in results} == {type(value)}


@pytest.mark.parametrize(
    ("value", "expected"), [(0.1, {0.1, 0.2}), (0.3, {0.2, 0.4}), (1.0, {0.8, 1.2})]
)
def test_steps_of_a_tenth(value: float, expected: set[float]) -> None:
    """Also where 0.1 + 2 * 0.1 is 0.30000000000000004."""
    for start in (value, 0.1 + round((value - 0.1) / 0.1) * 0.1):
        assert sorted(outcomes("clip", start)) == pytest.approx(sorted(expected))


def test_steps_that_floats_miss() -> None:
    """On the steps, 0.1 is -1 + 11 * 0.1 = 0.10000000000000009; that is no move."""
    space = Space(x={"low": -1.0, "high": 1.0, "step": 0.1})
    rngs = [np.random.default_rng(seed) for seed in range(40)]
    results = {explore({"x": 0.1}, space, always, rng, 0.0)["x"] for rng in rngs}
    assert sorted(results) == pytest.approx([0.0, 0.2], abs=1e-12)


def test_both_directions_and_drawing_anew_come_as_often_as_they_should() -> None:
    start = {"rate": 0.5}
    space = Space(rate={"low": 0.0, "high": 1.0})
    ends = [explore(start, space, always, np.random.default_rng(s))["rate"] for s in range(2000)]
    assert 650 < ends.count(0.4) < 850
    assert 650 < ends.count(0.6) < 850
    anew = [end for end in ends if end not in (0.4, 0.6)]
    assert 400 < len(anew) < 600
    assert abs(np.mean(anew) - 0.5) < 0.06 and min(anew) < 0.05 and max(anew) > 0.95


def draws(what: Any, count: int = 3000) -> np.ndarray:
    space = Space({"x": what})
    start = space.sample(lambda _, distribution: getattr(distribution, "low", "a"))
    return np.array(
        [explore(start, space, always, np.random.default_rng(s), 1.0)["x"] for s in range(count)]
    )


def test_drawing_anew_is_even() -> None:
    """Also at both ends of steps, and in the logarithm where the range is."""
    for what in ({"low": 1, "high": 5}, {"low": 0.0, "high": 1.0, "step": 0.25}, list("abcde")):
        counts = np.unique(draws(what), return_counts=True)[1]
        assert len(counts) == 5 and counts.min() > 500 and counts.max() < 700
    rates = np.log10(draws({"low": 1e-4, "high": 1.0, "log": True}))
    assert np.allclose(np.quantile(rates, [0.25, 0.5, 0.75]), [-3, -2, -1], atol=0.15)
    ints = draws({"low": 1, "high": 100, "log": True})
    assert ints.min() == 1 and ints.max() == 100
    assert 0.45 < (ints <= 7).mean() < 0.58


def test_only_what_may_change_changes() -> None:
    """And nothing but what is there; the start itself stays as it is."""
    start = dict(HERE)
    for seed in range(50):
        rng = np.random.default_rng(seed)
        changed = explore(start, SPACE, lambda name: name == "dropout", rng, 0.5)
        assert {k: v for k, v in changed.items() if k != "dropout"} == {
            k: v for k, v in HERE.items() if k != "dropout"
        }
        assert list(changed) == list(HERE)
    assert start == HERE


def test_nothing_comes_or_goes() -> None:
    """A parent moves only where its children stay."""
    space = Space(
        width={"low": 1, "high": 10},
        deep={"low": 1, "high": 4, "when": {"width": {"low": 5}}},
        deeper={"low": 0.0, "high": 1.0, "when": {"deep": {"low": 2}}},
    )
    without, with_both = {"width": 4}, {"width": 5, "deep": 2, "deeper": 0.5}
    for resample in (0.0, 1.0):
        rngs = [np.random.default_rng(seed) for seed in range(80)]
        results = [explore(without, space, lambda name: True, rng, resample) for rng in rngs]
        assert all(set(result) == {"width"} for result in results)
        assert {result["width"] for result in results} == ({1, 2, 3, 4} if resample else {3, 4})
        results = [explore(with_both, space, lambda name: True, rng, resample) for rng in rngs]
        assert all(set(result) == set(with_both) for result in results)
        assert {result["width"] for result in results} == (
            set(range(5, 11)) if resample else {5, 6}
        )
        assert {result["deep"] for result in results} == ({2, 3, 4} if resample else {2, 3})


def test_two_changes_that_are_too_many_together() -> None:
    space = Space(
        a={"low": 1, "high": 9},
        b={"low": 1, "high": 9},
        both={"low": 0.0, "high": 1.0, "when": {"a": {"low": 5}, "b": {"low": 5}}},
    )
    rngs = [np.random.default_rng(seed) for seed in range(80)]
    results = [explore({"a": 4, "b": 4}, space, always, rng, 0.0) for rng in rngs]
    assert {tuple(result.values()) for result in results} == {(3, 3), (3, 5), (5, 3), (5, 4)}


@given(
    st.lists(st.integers(0, 2**32), min_size=1, max_size=30),
    st.floats(0, 1),
    st.sampled_from([1, 0]),
)
def test_generations_stay_in_the_space(seeds: list[int], resample: float, gated: int) -> None:
    """Change on change, all values stay in range and on steps, and of plain types."""
    now = {**HERE, **({"cell": "lstm", "momentum": 0.9} if gated else {})}
    now = {name: now[name] for name in SPACE.hyperparameters if name in now}
    for seed in seeds:
        after = explore(now, SPACE, lambda name: True, np.random.default_rng(seed), resample)
        assert after == explore(now, SPACE, lambda n: True, np.random.default_rng(seed), resample)
        assert list(after) == list(now)
        assert json.loads(json.dumps(after)) == after
        for name, distribution in SPACE.distributions.items():
            if name in after:
                assert distribution._contains(distribution.to_internal_repr(after[name]))
                assert type(after[name]) is type(now[name])
        now = after
