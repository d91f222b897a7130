"""Spaces: what they draw, how they read, what they refuse."""

import datetime
import itertools
import math
import tomllib
from collections.abc import Mapping
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
from support.spaces import conditional, present, spaces

from search.samplers.random import Random
from search.space.space import Space
from search.trial import seed_of


def draws(space: Space, count: int, seed: int) -> list[dict[str, Any]]:
    return [proposal.configuration for proposal in Random(space, seed).ask(count, [])]


@given(spaces)
@example({"a": {"low": 999999.9999999999, "high": 1000000.0, "log": False}})
def test_draws_keep_the_space(entries: dict[str, Any]) -> None:
    for drawn in draws(Space(entries), 3, seed=0):
        assert list(drawn) == list(entries)
        for name, value in drawn.items():
            what = entries[name]
            if isinstance(what, dict):
                whole = all(isinstance(what[key], int) for key in ("low", "high"))
                assert type(value) is (int if whole else float)
                assert what["low"] <= value <= what["high"]
                if "step" in what:
                    assert (value - what["low"]) % what["step"] == 0
            else:
                allowed = what if isinstance(what, list) else [what]
                assert (type(value), value) in [(type(one), one) for one in allowed]


@given(spaces)
def test_toml_says_the_same(entries: dict[str, Any]) -> None:
    space = Space(entries)
    again = Space(tomllib.loads(space.to_toml()))
    assert again.distributions == space.distributions
    assert repr(again.fixed) == repr(space.fixed)
    assert repr(again.hyperparameters) == repr(space.hyperparameters)
    assert draws(again, 3, 1) == draws(space, 3, 1)


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
    assert Space.from_toml(path).hyperparameters == space.hyperparameters
    assert space.distributions == {
        "cell": CategoricalDistribution(["lstm", "gru"]),
        "hidden_size": IntDistribution(16, 64, log=True),
        "dropout": FloatDistribution(0.0, 0.5, step=0.1),
    }
    assert space.fixed == {"layers": 1}
    assert Space(space.distributions, layers=1).distributions == space.distributions


def test_log_ranges_are_even_in_the_logarithm() -> None:
    space = Space(rate=dict(low=1e-4, high=1.0, log=True), flat=dict(low=0, high=1.0))
    drawn = draws(space, 4000, seed=3)
    for k in range(4):
        share = sum(10.0 ** (k - 4) <= one["rate"] < 10.0 ** (k - 3) for one in drawn) / 4000
        assert share == pytest.approx(0.25, abs=0.03)
    assert sum(one["flat"] < 0.25 for one in drawn) / 4000 == pytest.approx(0.25, abs=0.03)


def test_trials_depend_on_seed_and_id_alone() -> None:
    space = Space(a=dict(low=0.0, high=1.0), b=["x", "y", "z"])
    many, few = draws(space, 20, seed=0), draws(space, 5, seed=0)
    assert many[:5] == few
    other = draws(space, 20, seed=1)
    assert all(a != b for a, b in zip(many, other, strict=True))
    seeds, others = ({seed_of(seed, id) for id in range(20)} for seed in (0, 1))
    assert len(seeds | others) == 40
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_extremes_cover_every_end() -> None:
    space = Space(a=dict(low=1, high=5), b=["x", "y"], c=3.0, d=dict(low=0.0, high=1.0))
    assert set(space.extremes()) == {
        *(("a", 1), ("a", 2), ("a", 5), ("b", "x"), ("b", "y")),
        *(("c", 3.0), ("d", 0.0), ("d", 1.0)),
    }


def test_extremes_show_what_steps_come_to() -> None:
    space = Space(
        units=dict(low=64, high=256, step=32),
        two=dict(low=64, high=96, step=32),
        one=dict(low=64, high=64),
        log=dict(low=64, high=256, log=True),
    )
    values = {name: [v for n, v in space.extremes() if n == name] for name in space.hyperparameters}
    assert values == {"units": [64, 256, 96], "two": [64, 96], "one": [64, 64], "log": [64, 256]}


EXAMPLE = """\
optimizer = ["sgd", "nesterov", "adam"]
momentum = { low = 0.5, high = 0.99, when = { optimizer = ["sgd", "nesterov"] } }
layers = { low = 1, high = 4 }
residual = { choices = [true, false], when = { layers = { low = 2 } } }
scale = { value = 0.9, when = { residual = true, layers = { low = 2, high = 3 } } }
peephole = false
"""


def test_inactive_hyperparameters_are_absent(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    path.write_text(EXAMPLE)
    space = Space.from_toml(path)
    assert space.hyperparameters == tomllib.loads(EXAMPLE)
    assert space.to_toml() == EXAMPLE
    seen = set()
    for one in draws(space, 200, seed=0):
        assert ("momentum" in one) == (one["optimizer"] in ("sgd", "nesterov"))
        assert ("residual" in one) == (one["layers"] >= 2)
        assert ("scale" in one) == (one.get("residual") is True and one["layers"] in (2, 3))
        assert list(one) == [name for name in space.hyperparameters if name in one]
        assert one["peephole"] is False
        assert one.get("scale", 0.9) == 0.9
        seen.add(tuple(one))
    assert len(seen) == 6  # with and without momentum, times: neither, residual, and scale


def test_conditions_of_the_trainer_hold_too(tmp_path: Path) -> None:
    known = {
        "momentum": {"optimizer": ["sgd", "nesterov"]},
        "residual": {"layers": {"low": 2}, "cell": "lstm"},
        "unknown": {"other": 1},
    }
    space = Space(
        {"optimizer": ["sgd", "nesterov", "adam"], "layers": dict(low=1, high=3)},
        known,
        momentum=dict(low=0.0, high=1.0, when={"layers": [1, 3]}),
        residual=[True, False],  # its condition on a cell means nothing without one
    )
    for one in draws(space, 100, seed=0):
        assert ("residual" in one) == (one["layers"] >= 2)
        assert ("momentum" in one) == (one["optimizer"] != "adam" and one["layers"] != 2)
    assert "residual = [true, false]\n" in space.to_toml()
    assert "when = { layers = [1, 3] } }" in space.to_toml()
    path = tmp_path / "space.toml"
    path.write_text(space.to_toml())
    again = Space.from_toml(path, known)
    assert draws(again, 9, seed=1) == draws(space, 9, seed=1)


def test_a_range_of_one_number_meets_it() -> None:
    entries = {"a": {"low": 0.5, "high": 0.5}, "b": {"value": 1, "when": {"a": 0.5}}}
    (drawn,) = draws(Space(entries), 1, seed=0)
    assert drawn == {"a": 0.5, "b": 1}


TENTHS = [
    (0.0, 0.3, {3}),
    (0.0, {"low": 0.2, "high": 0.3}, {2, 3}),
    (-0.3, [0.0, 0.1], {0, 1}),
    (-0.3, {"high": 0}, {-3, -2, -1, 0}),
]


@pytest.mark.parametrize(("low", "must", "tenths"), TENTHS)
def test_steps_meet_the_numbers_people_write(low: float, must: Any, tenths: set[int]) -> None:
    """Three steps of 0.1 come to 0.30000000000000004."""
    space = Space(a=dict(low=low, high=low + 0.6, step=0.1), b=dict(value=1, when={"a": must}))
    drawn = draws(space, 100, seed=0)
    assert {round(one["a"] * 10) for one in drawn if "b" in one} == tenths
    assert {round(one["a"] * 10) for one in drawn if "b" not in one}.isdisjoint(tenths)


def all_values(what: Mapping[str, Any]) -> list[Any]:
    if "low" in what:
        return list(range(what["low"], what["high"] + 1, what.get("step", 1)))
    return what["choices"] if "choices" in what else [what["value"]]


@given(conditional(), st.sets(st.sampled_from("abcd")))
def test_a_hyperparameter_is_there_where_its_conditions_hold(
    entries: dict[str, Any], by_trainer: set[str]
) -> None:
    """Against all values there are: presence, refusal, the file, and the trainer's conditions."""
    product = itertools.product(*(all_values(what) for what in entries.values()))
    tables = [dict(zip(entries, values, strict=True)) for values in product]
    if not all(any(present(name, entries, values) for values in tables) for name in entries):
        with pytest.raises(ValueError, match="is searched only where"):
            Space(entries)
        return
    space = Space(entries)
    every = draws(space, 20, seed=0)
    for drawn in every:
        assert list(drawn) == [name for name in entries if present(name, entries, drawn)]
        for name, value in drawn.items():
            assert (type(value), value) in [(type(v), v) for v in all_values(entries[name])]
    assert draws(space, 5, seed=0) == every[:5]
    assert space.hyperparameters == entries
    again = Space(tomllib.loads(space.to_toml()))
    assert repr(again.hyperparameters) == repr(space.hyperparameters)
    assert draws(again, 20, seed=0) == every
    moved = {name: what["when"] for name, what in entries.items() if "when" in what}
    known = {name: when for name, when in moved.items() if name in by_trainer}
    bare = {
        name: {key: part for key, part in what.items() if key != "when" or name not in known}
        for name, what in entries.items()
    }
    assert draws(Space(bare, known), 20, seed=0) == every


BAD = [
    ({"a": {"low": 5, "high": 1}}, "`a` has `low` 5, but it must be at most `high`, 1."),
    ({"a": {"low": 0, "high": 1, "log": True}}, "`a` has `low` 0, but a `log` range must start"),
    ({"a": {"low": -1.0, "high": 1, "log": True}}, "`a` has `low` -1.0"),
    ({"a": {"high": 1}}, "`a` has no `low`, but a range must have `low` and `high`."),
    ({"a": {"low": "1", "high": 2}}, "`a` has `low` '1'"),
    ({"a": {"low": 1, "high": math.inf}}, "`a` has `high` inf"),
    ({"a": {"low": math.nan, "high": 1}}, "`a` has `low` nan"),
    ({"a": {"low": True, "high": 2}}, "`a` has `low` True"),
    (
        {"a": {"low": 1, "hihg": 2}},
        "`log`, `step`, `choices`, `value`, `when`; did you mean `high`?",
    ),
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
    ({"a": {"low": -1e308, "high": 1e308}}, "`a` has `low` -1e+308, but must have a number."),
    ({"a": {"low": 0, "high": 1e300, "step": 1e-300}}, "`a` has `step` 1e-300, but whole steps"),
    ({"a": [True, 1]}, "`a` is [True, 1], but must not mix true or false with numbers."),
    ({"a": [0.5, "x", False]}, "but must not mix true or false with numbers."),
    ({"a": [True, True]}, "`a` is [True, True], but must not have a choice twice."),
    ({"a": {"choises": [1, 2]}}, "`a` has a key `choises`, but a hyperparameter has `low`, `high`"),
    ({"a": {"choises": [1, 2]}}, "; did you mean `choices`?"),
    (
        {"a": {"choices": [1, 2], "low": 1}},
        "`a` has a key `low`, but a choice has `choices`, `when`.",
    ),
    ({"a": {"choices": 2}}, "`a` has `choices` 2, but must have a list."),
    ({"a": {"choices": []}}, "`a` is an empty list, but must have at least one choice."),
    (
        {"a": {"value": 1, "step": 1}},
        "`a` has a key `step`, but a fixed value has `value`, `when`.",
    ),
    ({"a": {"value": [1]}}, "`a` has `value` [1], but must have one value."),
    ({"a\nb": 1}, "`space` has the name 'a\\nb', but names must be printable text."),
    ({"a": {"low": 1, "high": 2, 3: 4}}, "`space` has the name 3, but names must be printable"),
]


@pytest.mark.parametrize(("entries", "message"), BAD)
def test_bad_hyperparameters(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Space(entries)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


LAYERS = {"layers": {"low": 1, "high": 4}}
UNITS = {"units": {"low": 32, "high": 96, "step": 32}}
OPTIMIZER = {"optimizer": ["adam", "sgd"]}
MOMENTUM = {"momentum": {"optimizer": ["momentum", "nesterov"]}}
HAS_WHEN = 'but it must say what other hyperparameters must be, such as { optimizer = "sgd" }.'
HAS_MUST = "but it must be one value, a list of values, or a range such as { low = 2 }."


def given_when(when: Any) -> dict[str, Any]:
    return {"a": {"value": 1, "when": when}}


BAD_CONDITIONS = [
    (given_when({}), {}, f"`a` has `when` {{}}, {HAS_WHEN}"),
    (given_when("x"), {}, f"`a` has `when` 'x', {HAS_WHEN}"),
    ({"a": 1}, {"a": ["b"]}, f"`a` has `when` ['b'], {HAS_WHEN}"),
    (LAYERS | given_when({"layers": []}), {}, f"`a` depends on `layers` being [], {HAS_MUST}"),
    (LAYERS | given_when({"layers": {}}), {}, f"`a` depends on `layers` being {{}}, {HAS_MUST}"),
    (LAYERS | given_when({"layers": [[1]]}), {},
     f"`a` depends on `layers` being [[1]], {HAS_MUST}"),
    (LAYERS | given_when({"layers": math.nan}), {},
     f"`a` depends on `layers` being nan, {HAS_MUST}"),
    (LAYERS | given_when({"layers": {"lo": 2}}), {},
     "`a` has a key `lo`, but its condition on `layers` has `low`, `high`; did you mean `low`?"),
    (LAYERS | given_when({"layers": {"low": "2"}}), {},
     "`a` depends on `layers` with `low` '2', but it must be a number."),
    (LAYERS | given_when({"layers": {"low": 3, "high": 2}}), {},
     "`a` depends on `layers` with `low` 3, but it must be at most `high`, 2."),
    (LAYERS | given_when({"layer": 2}), {},
     "`a` depends on `layer`, which the space does not have; did you mean `layers`?"),
    (given_when({"layers": 2}), {}, "`a` depends on `layers`, which the space does not have."),
    (given_when({"a": 1}), {}, "`a` depends on `a`, but conditions must not run in a circle."),
    (given_when({"b": 1}) | {"b": 1, "c": 1}, {"b": {"c": 1}, "c": {"a": 1}},
     "`a` depends on `b`, which depends on `c`, which depends on `a`, "
     "but conditions must not run in a circle."),
    ({"optimizer": "adam", "momentum": 0.9}, MOMENTUM,
     "`momentum` is searched only where `optimizer` is 'momentum' or 'nesterov', "
     "but `optimizer` is always 'adam'."),
    (OPTIMIZER | {"momentum": 0.9}, MOMENTUM,
     "`momentum` is searched only where `optimizer` is 'momentum' or 'nesterov', "
     "but `optimizer` is one of 'adam', 'sgd'."),
    (LAYERS | given_when({"layers": {"low": 5}}), {},
     "`a` is searched only where `layers` is at least 5, "
     "but `layers` is a whole number from 1 to 4."),
    (LAYERS | given_when({"layers": {"high": 0}}), {},
     "`a` is searched only where `layers` is at most 0, "
     "but `layers` is a whole number from 1 to 4."),
    (LAYERS | given_when({"layers": "2"}), {},
     "`a` is searched only where `layers` is '2', but `layers` is a whole number from 1 to 4."),
    (UNITS | given_when({"units": {"low": 33, "high": 63}}), {},
     "`a` is searched only where `units` is from 33 to 63, "
     "but `units` is a whole number from 32 to 96 in steps of 32."),
    ({"rate": {"low": 0.0, "high": 1.0}} | given_when({"rate": 0.5}), {},
     "`a` is searched only where `rate` is 0.5, but `rate` is any number from 0.0 to 1.0."),
    ({"rate": {"low": 0.0, "high": 0.5, "step": 0.1}} | given_when({"rate": 0.25}), {},
     "`a` is searched only where `rate` is 0.25, "
     "but `rate` is a number from 0.0 to 0.5 in steps of 0.1."),
    ({"flag": [True, False]} | given_when({"flag": 1}), {},
     "`a` is searched only where `flag` is 1, but `flag` is one of True, False."),
    (OPTIMIZER | {"b": {"value": 1, "when": {"optimizer": "sgd"}}}
     | given_when({"b": 1, "optimizer": "adam"}), {},
     "`a` is searched only where `optimizer` is 'adam' and `optimizer` is 'sgd', "
     "but `optimizer` is one of 'adam', 'sgd'."),
]  # fmt: skip


@pytest.mark.parametrize(("entries", "conditions", "message"), BAD_CONDITIONS)
def test_bad_conditions(entries: dict[str, Any], conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Space(entries, conditions)
    assert str(error.value) == message


def test_bad_files(tmp_path: Path) -> None:
    path = tmp_path / "space.toml"
    with pytest.raises(ValueError, match="can't be read: No such file"):
        Space.from_toml(path)
    with pytest.raises(ValueError, match="can't be read: Is a directory"):
        Space.from_toml(tmp_path)
    path.write_text("cell = [")
    with pytest.raises(ValueError, match="is not TOML"):
        Space.from_toml(path)


def is_a_sentence(message: str) -> bool:
    return message.startswith("`") and message.endswith((".", "?")) and "\n" not in message


names = ["a", "b", "when", "low", "high", "log", "step", "choices", "value", '"a\\nb"', "é"]
values = ["1", "2.5", "true", "nan", "'x'", "1979-05-27", "{ }", "[ ]"]
words = st.sampled_from([*names, *values, "{", "}", "[", "]", ",", ".", "\n", "\x00", *"===="])
files = st.one_of(
    st.binary(max_size=60),
    st.lists(words, max_size=20).map(lambda parts: " ".join(parts).encode()),
)


@given(files)
def test_any_file_is_read_or_refused(tmp_path_factory: Any, content: bytes) -> None:
    path = tmp_path_factory.mktemp("toml") / "space.toml"
    path.write_bytes(content)
    try:
        Space.from_toml(path)
    except ValueError as error:
        assert is_a_sentence(str(error))


keys = st.sampled_from(["a", "b", "c", "low", "high", "log", "step", "choices", "value", "when"])
leaves = st.one_of(
    st.sampled_from(["x", "a", True, False, None, 1, 2, 0.5, math.inf, datetime.date(2026, 1, 1)]),
    st.integers(),
    st.floats(),
)
anything = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(keys, anything, max_size=3), st.dictionaries(keys, anything, max_size=2))
def test_any_hyperparameters_are_drawn_from_or_refused(
    entries: dict[str, Any], conditions: dict[str, Any]
) -> None:
    try:
        space = Space(entries, conditions)
    except ValueError as error:
        assert is_a_sentence(str(error))
    else:
        assert len(draws(space, 2, seed=0)) == 2
        assert repr(Space(tomllib.loads(space.to_toml())).hyperparameters) == repr(
            space.hyperparameters
        )
