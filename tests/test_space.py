"""Spaces: what they draw, how they read, what they refuse."""

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search import Space, random_trials

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
scalars = st.one_of(st.text(max_size=9), st.integers(-(10**9), 10**9), st.floats(allow_nan=False))
choices = st.lists(scalars, min_size=1, max_size=4, unique=True)
spaces = st.dictionaries(
    st.text("abcdefgh_", min_size=1, max_size=6),
    st.one_of(ranges, stepped, choices, scalars),
    max_size=5,
)


@given(spaces)
@example({"a": {"low": 999999.9999999999, "high": 1000000.0, "log": False}})
def test_draws_keep_the_space(entries: dict[str, Any]) -> None:
    for trial in random_trials(Space(entries), 3, seed=0):
        assert list(trial.configuration) == list(entries)
        for name, value in trial.configuration.items():
            what = entries[name]
            if isinstance(what, dict):
                whole = all(isinstance(what[key], int) for key in ("low", "high"))
                assert type(value) is (int if whole else float)
                assert what["low"] <= value <= what["high"]
                if "step" in what:
                    assert (value - what["low"]) % what["step"] == 0
            else:
                assert value in (what if isinstance(what, list) else [what])


@given(spaces)
def test_toml_says_the_same(entries: dict[str, Any]) -> None:
    space = Space(entries)
    again = Space(tomllib.loads(space.to_toml()))
    assert again.distributions == space.distributions
    assert again.fixed == space.fixed
    assert list(again.entries) == list(space.entries)
    drawn = [trial.configuration for trial in random_trials(space, 3, 1)]
    assert [trial.configuration for trial in random_trials(again, 3, 1)] == drawn


def test_toml_and_python_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(
        'cell = ["lstm", "gru"]\nhidden_size = { low = 16, high = 64, log = true }\n'
        "dropout = { low = 0.0, high = 0.5, step = 0.1 }\nlayers = 1\n"
    )
    space = Space(
        cell=["lstm", "gru"],
        hidden_size=dict(low=16, high=64, log=True),
        dropout=dict(low=0.0, high=0.5, step=0.1),
        layers=1,
    )
    assert Space.from_toml(path).entries == space.entries
    assert space.distributions == {
        "cell": CategoricalDistribution(["lstm", "gru"]),
        "hidden_size": IntDistribution(16, 64, log=True),
        "dropout": FloatDistribution(0.0, 0.5, step=0.1),
    }
    assert space.fixed == {"layers": 1}
    assert Space(space.distributions, layers=1).distributions == space.distributions


def test_log_ranges_are_even_in_the_logarithm() -> None:
    space = Space(rate=dict(low=1e-4, high=1.0, log=True), flat=dict(low=0, high=1.0))
    drawn = [trial.configuration for trial in random_trials(space, 4000, seed=3)]
    for k in range(4):
        share = sum(10.0 ** (k - 4) <= one["rate"] < 10.0 ** (k - 3) for one in drawn) / 4000
        assert share == pytest.approx(0.25, abs=0.03)
    assert sum(one["flat"] < 0.25 for one in drawn) / 4000 == pytest.approx(0.25, abs=0.03)


def test_trials_depend_on_seed_and_id_alone() -> None:
    space = Space(a=dict(low=0.0, high=1.0), b=["x", "y", "z"])
    many, few = random_trials(space, 20, seed=0), random_trials(space, 5, seed=0)
    assert many[:5] == few
    assert [trial.id for trial in many] == list(range(20))
    assert len({trial.seed for trial in many}) == 20
    other = random_trials(space, 20, seed=1)
    assert all(a.configuration != b.configuration for a, b in zip(many, other, strict=True))
    assert {trial.seed for trial in many}.isdisjoint(trial.seed for trial in other)
    assert all(0 <= trial.seed < 2**32 for trial in many)


def test_extremes_cover_every_end() -> None:
    space = Space(a=dict(low=1, high=5), b=["x", "y"], c=3.0)
    assert sorted(space.extremes(), key=str) == sorted(
        [("a", 1), ("a", 5), ("b", "x"), ("b", "y"), ("c", 3.0)], key=str
    )


BAD = [
    ({"a": {"low": 5, "high": 1}}, "`a` has `low` 5, but it must be at most `high`, 1."),
    ({"a": {"low": 0, "high": 1, "log": True}}, "`a` has `low` 0, but a `log` range must start"),
    ({"a": {"low": -1.0, "high": 1, "log": True}}, "`a` has `low` -1.0"),
    ({"a": {"high": 1}}, "`a` has no `low`, but a range must have `low` and `high`."),
    ({"a": {"low": "1", "high": 2}}, "`a` has `low` '1'"),
    ({"a": {"low": 1, "high": math.inf}}, "`a` has `high` inf"),
    ({"a": {"low": math.nan, "high": 1}}, "`a` has `low` nan"),
    ({"a": {"low": True, "high": 2}}, "`a` has `low` True"),
    ({"a": {"low": 1, "hihg": 2}}, "`low`, `high`, `log`, `step`; did you mean `high`?"),
    ({"a": {}}, "`a` has no `low`"),
    ({"a": {"low": 1, "high": 2, "log": "yes"}}, "`a` has `log` 'yes'"),
    ({"a": {"low": 1, "high": 2, "step": 0}}, "`a` has `step` 0"),
    ({"a": {"low": 1, "high": 2, "step": 1, "log": True}}, "`a` has `step` 1"),
    ({"a": {"low": 0, "high": 0.5, "step": 0.2}}, "`a` has `step` 0.2, but whole steps from 0"),
    ({"a": {"low": 1, "high": 10**400}}, "`a` has `high` 1000"),
    ({"a": []}, "`a` is an empty list, but must have at least one choice."),
    ({"a": ["x", "x"]}, "`a` is ['x', 'x'], but must not have a choice twice."),
    ({"a": [["x"]]}, "`a` has the choice ['x']"),
    ({"a": None}, "`a` is None, but must be a range"),
]


@pytest.mark.parametrize(("entries", "message"), BAD)
def test_bad_entries(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Space(entries)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    with pytest.raises(ValueError, match="can't be read: No such file"):
        Space.from_toml(path)
    with pytest.raises(ValueError, match="can't be read: Is a directory"):
        Space.from_toml(tmp_path)
    path.write_text("cell = [")
    with pytest.raises(ValueError, match="is not TOML"):
        Space.from_toml(path)


@given(content=st.binary(max_size=60))
def test_any_file_is_read_or_refused(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.mktemp("toml") / "space.toml"
    path.write_bytes(content)
    try:
        Space.from_toml(path)
    except ValueError as error:
        assert str(error).startswith("`")
