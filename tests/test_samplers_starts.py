"""Starting points of the user's own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.trial_views import view

from search.samplers.enqueued import Enqueued, read_configurations
from search.samplers.registry import SAMPLERS, make_sampler
from search.space.space import Space

SPACE = Space(
    optimizer=["sgd", "adam"],
    momentum=dict(low=0.5, high=0.99, when={"optimizer": "sgd"}),
    units=dict(low=16, high=64, step=16),
    size=dict(low=1, high=9, log=True),
    dropout=dict(low=0.0, high=0.6, step=0.1),
    rate=dict(low=1e-4, high=1, log=True),
    flag=[True, False],
    order=[1, 2.5],
    layers=2,
)


def enqueued(*configurations: Mapping[str, Any], name: str = "random", seed: int = 3) -> Enqueued:
    asked = make_sampler(name, SPACE, 0, batch=4, points=2)
    return Enqueued(asked, SPACE, configurations, seed)


def first(configuration: Mapping[str, Any]) -> dict[str, Any]:
    return enqueued(configuration).ask(1, [])[0].configuration


def test_what_is_given_is_kept_and_the_rest_is_drawn() -> None:
    drawn = [proposal.configuration for proposal in enqueued(*[{"rate": 0.5}] * 40).ask(40, [])]
    assert {configuration["rate"] for configuration in drawn} == {0.5}
    assert {configuration["units"] for configuration in drawn} == {16, 32, 48, 64}
    assert {"momentum" in configuration for configuration in drawn} == {True, False}
    assert all(
        list(configuration) == [name for name in SPACE.hyperparameters if name in configuration]
        for configuration in drawn
    )
    assert enqueued({"rate": 0.5}).ask(1, []) == enqueued(*[{"rate": 0.5}] * 40).ask(1, [])
    assert enqueued({"rate": 0.5}, seed=4).ask(1, []) != enqueued({"rate": 0.5}).ask(1, [])


def test_parents_follow_what_is_given() -> None:
    drawn = [proposal.configuration for proposal in enqueued(*[{"momentum": 0.7}] * 20).ask(20, [])]
    assert all(
        configuration["optimizer"] == "sgd" and configuration["momentum"] == 0.7
        for configuration in drawn
    )


SPELLINGS = [
    ("units", 32.0, 32), ("rate", 1, 1.0), ("dropout", 0.3, 3 * 0.1), ("dropout", 0, 0.0),
    ("dropout", 0.6, 0.6), ("flag", False, False), ("order", 1.0, 1), ("order", 2.5, 2.5),
    ("layers", 2, 2), ("units", np.int64(48), 48), ("rate", np.float32(0.5), 0.5), ("size", 9, 9),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "kept"), SPELLINGS)
def test_values_are_spelt_as_in_the_space(name: str, given: Any, kept: Any) -> None:
    value = first({name: given})[name]
    assert (type(value), value) == (type(kept), kept)


REFUSED = [
    ({"rat": 0.1}, "`enqueue` has the hyperparameter 'rat' in starting point 1, but the space "
     "does not; did you mean `rate`?"),
    ({"rate": 2}, "`enqueue` has `rate` 2 in starting point 1, "
     "but the space has {'low': 0.0001, 'high': 1, 'log': True}."),
    ({"rate": 1e-5}, "`rate` 1e-05 in"), ({"rate": "high"}, "`rate` 'high' in"),
    ({"rate": float("nan")}, "`rate` nan in"), ({"rate": True}, "`rate` True in"),
    ({"rate": None}, "`rate` None in"), ({"rate": [0.1]}, "`rate` [0.1] in"),
    ({"units": 40}, "`units` 40 in"), ({"units": 36}, "`units` 36 in"),
    ({"units": 80}, "`units` 80 in"),
    ({"size": 2.5}, "`size` 2.5 in"), ({"dropout": 0.25}, "`dropout` 0.25 in"),
    ({"dropout": 0.7}, "`dropout` 0.7 in"), ({"flag": 1}, "`flag` 1 in"),
    ({"order": True}, "`order` True in"), ({"optimizer": "SGD"}, "`optimizer` 'SGD' in"),
    ({"layers": 3}, "`layers` 3 in starting point 1, but the space has 2."),
    ({"layers": True}, "`layers` True in"),
    ({"optimizer": "adam", "momentum": 0.9},
     "`enqueue` has `momentum` in starting point 1, but its conditions do not hold there."),
]  # fmt: skip


@pytest.mark.parametrize(("configuration", "message"), REFUSED)
def test_refused(configuration: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        enqueued(configuration)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="in starting point 3, but"):
        enqueued({}, {}, configuration)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_the_sampler_comes_after_them(name: str) -> None:
    bare = make_sampler(name, SPACE, 0, batch=4, points=2)
    asked = enqueued({"units": 16}, {"units": 32}, {"units": 48}, name=name)
    assert asked.learns == bare.learns
    assert asked.size == (None if bare.size is None else bare.size + 3)
    assert enqueued(name=name).ask(5, []) == bare.ask(5, [])
    whole = asked.ask(8, [])
    assert [proposal.configuration["units"] for proposal in whole[:3]] == [16, 32, 48]
    trials = [view(proposal, {}) for proposal in whole]
    for cut in range(8):
        # Those that learn may draw anew with every batch.
        last = min(8, 3) if bare.learns else 8
        assert asked.ask(8 - cut, trials[:cut])[: max(last - cut, 0)] == whole[cut:last]
    if not bare.learns:
        assert whole[3:] == bare.ask(5, [])


@pytest.mark.parametrize("name", ["cmaes", "gp", "tpe"])
def test_models_learn_from_them(name: str) -> None:
    asked = enqueued(*[{}] * 16, name=name)
    starts = asked.ask(16, [])
    up, down = (
        [view(proposal, {1: sign * proposal.configuration["rate"]}) for proposal in starts]
        for sign in (1, -1)
    )
    assert asked.ask(4, up) != asked.ask(4, down)


def test_an_exhausted_grid_ends_after_them() -> None:
    asked = enqueued({}, {}, name="grid")
    everything = asked.ask(10**6, [])
    assert len(everything) == asked.size
    assert asked.ask(3, [view(proposal, {}) for proposal in everything]) == []


def test_sources(tmp_path: Path) -> None:
    first_start, second_start = {"rate": 0.1, "flag": True}, {"units": 32, "optimizer": "sgd"}
    assert read_configurations(json.dumps(first_start)) == [first_start]
    assert read_configurations(f"  {json.dumps([first_start, second_start])}") == [
        first_start,
        second_start,
    ]
    single, several, table = (tmp_path / name for name in ("a.json", "b.json", "c.toml"))
    single.write_text(json.dumps(first_start))
    several.write_text(json.dumps([first_start, second_start]))
    table.write_text(
        '[[trial]]\nrate = 0.1\nflag = true\n[[trial]]\nunits = 32\noptimizer = "sgd"\n'
    )
    assert read_configurations(single) == read_configurations(str(single)) == [first_start]
    assert read_configurations(several) == [first_start, second_start]
    assert read_configurations(table) == [first_start, second_start]
    assert read_configurations("[]") == []


BAD = [
    ("none.json", None, "can't be read: No such file or directory."),
    (".", None, "can't be read: Is a directory."),
    ("a.json", "{", "is not JSON: "),
    ("a.toml", "[[trial", "is not TOML: "),
    ("a.toml", "rate = 0.1", "must give configurations: a JSON object"),
    ("a.toml", "[trials]\nrate = 0.1", "must give configurations: a JSON object"),
    ("a.json", "3", "must give configurations: a JSON object"),
    ("a.json", "[{}, 3]", "must give configurations: a JSON object"),
    ("a.json", "[" * 100_000, "is not JSON: "),
    ("a.json", b"\xff", "is not JSON: "),
    ("a.toml", b"\xff", "is not TOML: "),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD)
def test_bad_sources(tmp_path: Path, name: str, content: Any, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError) as error:
        read_configurations(path)
    assert f"`enqueue` is '{path}', but {message}" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": }', "[{}, []]"])
def test_bad_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"`enqueue` is .*, but (is not JSON|must give)"):
        read_configurations(text)


names = st.one_of(st.sampled_from(sorted(SPACE.hyperparameters)), st.text(max_size=5))
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([0.3, 16, 32, 0.5, 2]))
values = st.one_of(
    *(st.none(), st.booleans(), numbers, st.text(max_size=3), st.just("sgd")),
    *(st.lists(numbers, max_size=1), st.dictionaries(st.text(max_size=2), numbers, max_size=1)),
)


@given(st.dictionaries(names, values, max_size=2))
def test_anything_is_kept_or_refused(configuration: dict[str, Any]) -> None:
    try:
        drawn = first(configuration)
    except ValueError as error:
        assert str(error).startswith("`enqueue` has ") and str(error).endswith((".", "?"))
        assert "\n" not in str(error)
    else:
        for name, value in configuration.items():
            assert drawn[name] == pytest.approx(value)
