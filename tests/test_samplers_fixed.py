"""Random draws, Sobol points, grids, and the unit cube behind them."""

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.spaces import conditional, spaces

from search.samplers.grid import Grid
from search.samplers.random import Random
from search.samplers.sobol import Sobol
from search.samplers.unit_cube import UnitCube
from search.space.space import Space

EVERYTHING = Space(
    cell=["lstm", "gru"],
    layers=dict(low=1, high=4),
    units=dict(low=16, high=128, step=16),
    size=dict(low=8, high=200, log=True),
    dropout=dict(low=0.0, high=0.5, step=0.1),
    optimizer=["sgd", "adam"],
    momentum=dict(low=0.5, high=0.99, when={"optimizer": "sgd"}),
    rate=dict(low=1e-4, high=1e-1, log=True),
    single=dict(low=3, high=3),
    residual=dict(choices=[True, False], when={"layers": {"low": 2}}),
    epochs=9,
)
# Drawn by version 0.1.0; results in the documents are of these draws.
DRAWN = {
    0: [
        ("gru", 3, 80, 30, 0.30000000000000004, "adam", 0.07780155576901421, 3, False, 9),
        ("gru", 4, 16, 10, 0.0, "sgd", 0.7261248875039366, 0.04074144654166233, 3, True, 9),
        (
            *("lstm", 3, 32, 167, 0.30000000000000004, "sgd", 0.509207002213814),
            *(0.02102330874348013, 3, False, 9),
        ),
        ("lstm", 3, 128, 70, 0.2, "adam", 0.0001515920461138471, 3, False, 9),
    ],
    7: [
        (
            *("gru", 2, 96, 187, 0.30000000000000004, "sgd", 0.893832127691144),
            *(0.0006387294494138678, 3, False, 9),
        ),
        ("lstm", 2, 128, 15, 0.2, "sgd", 0.7687600604256549, 0.006333543422398142, 3, True, 9),
        ("lstm", 3, 112, 68, 0.2, "adam", 0.001309646444272244, 3, True, 9),
        ("lstm", 2, 80, 19, 0.2, "adam", 0.0012913776000645762, 3, False, 9),
    ],
}


def configurations(sampler: Any, count: int) -> list[dict[str, Any]]:
    return [proposal.configuration for proposal in sampler.ask(count, [])]


@pytest.mark.parametrize("seed", DRAWN)
def test_random_draws_are_what_they_were(seed: int) -> None:
    drawn = configurations(Random(EVERYTHING, seed), 4)
    assert [tuple(configuration.values()) for configuration in drawn] == DRAWN[seed]


def test_random_draws_are_not_shared() -> None:
    asked = Random(EVERYTHING, 0)
    asked.ask(1, [])[0].configuration["cell"] = "rnn"
    assert asked.ask(1, [])[0].configuration["cell"] == "gru"


@pytest.mark.parametrize("seed", [0, 1])
def test_sobol_points_are_even(seed: int) -> None:
    """Of 64, as many as there should be in every cell of every entry, or of two at once."""
    space = Space(
        cell=["a", "b", "c", "d"],
        flag=dict(choices=[True, False], when={"cell": ["a", "b"]}),
        units=dict(low=16, high=128, step=16),
        rate=dict(low=1e-4, high=1.0, log=True),
        share=dict(low=0.0, high=1.0),
        layers=dict(low=1, high=4, log=True),
    )
    drawn = configurations(Sobol(space, seed), 64)
    assert set(Counter(configuration["cell"] for configuration in drawn).values()) == {16}
    assert set(Counter(configuration["units"] for configuration in drawn).values()) == {8}
    assert set(
        Counter(math.floor(math.log10(configuration["rate"])) for configuration in drawn).values()
    ) == {16}
    assert set(Counter(int(configuration["share"] * 16) for configuration in drawn).values()) == {4}
    # From 0.5 to 4.5, in whose logarithm 1.5 is the middle.
    assert Counter(configuration["layers"] for configuration in drawn)[1] == 32
    assert Counter(configuration.get("flag") for configuration in drawn)[None] == 32
    assert len({(configuration["cell"], configuration["units"]) for configuration in drawn}) >= 28


def values(configuration: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(configuration.values())


def test_grid_takes_every_combination() -> None:
    space = Space(
        cell=["lstm", "gru"],
        layers=2,
        units=dict(low=16, high=48, step=16),
        dropout=dict(low=0.0, high=0.3, step=0.1),
    )
    drawn = [values(configuration) for configuration in configurations(Grid(space), 99)]
    tenths = [0.0, 0.1, 0.2, 0.3]
    expected = itertools.product(["lstm", "gru"], [2], [16, 32, 48], tenths)
    for point, reference in zip(drawn, expected, strict=True):
        assert point[:3] == reference[:3] and point[3] == pytest.approx(reference[3])
    assert Grid(space).size == 24


def test_grid_leaves_out_what_is_absent() -> None:
    space = Space(
        momentum=dict(choices=[0.5, 0.9], when={"optimizer": "sgd"}),
        optimizer=["sgd", "adam"],
        layers=dict(low=1, high=2),
        residual=dict(choices=[True, False], when={"layers": 2, "optimizer": "sgd"}),
    )
    assert [values(configuration) for configuration in configurations(Grid(space), 99)] == [
        ("adam", 1), ("adam", 2),
        (0.5, "sgd", 1), (0.5, "sgd", 2, True), (0.5, "sgd", 2, False),
        (0.9, "sgd", 1), (0.9, "sgd", 2, True), (0.9, "sgd", 2, False),
    ]  # fmt: skip


RANGES = [
    (dict(low=0.0, high=1.0), 2, [0.0, 1.0]),
    (dict(low=0.0, high=1.0), 3, [0.0, 0.5, 1.0]),
    (dict(low=1e-4, high=1.0, log=True), 3, [1e-4, 1e-2, 1.0]),
    (dict(low=1e-4, high=1.0, log=True), 5, [1e-4, 1e-3, 1e-2, 1e-1, 1.0]),
    (dict(low=0.5, high=0.5), 3, [0.5]),
    (dict(low=2, high=5), 3, [2, 3, 4, 5]),
    (dict(low=2, high=5, log=True), 3, [2, 3, 4, 5]),
    (dict(low=2, high=8, step=3), 3, [2, 5, 8]),
    (dict(low=0.5, high=2, step=0.5), 3, [0.5, 1.0, 1.5, 2.0]),
]


@pytest.mark.parametrize(("entry", "points", "expected"), RANGES)
def test_grid_of_a_range(entry: dict[str, Any], points: int, expected: list[float]) -> None:
    found = [
        configuration["a"] for configuration in configurations(Grid(Space(a=entry), points), 99)
    ]
    assert found == pytest.approx(expected, rel=1e-12)
    assert (found[0], found[-1]) == (entry["low"], entry["high"])


def test_grids_that_are_too_large() -> None:
    assert Grid(Space(a=dict(low=1, high=100_000))).size == 100_000
    with pytest.raises(ValueError) as error:
        Grid(Space(a=dict(low=1, high=10**9), b=[1, 2, 3]))
    assert str(error.value) == (
        "`sampler` is 'grid', but the grid of this space has more than 100000 configurations "
        "(its values make 3000000000 without conditions); give choices, larger steps or fixed "
        "values."
    )
    with pytest.raises(ValueError, match="`points` is 1, but must be at least 2"):
        Grid(Space(), 1)


@given(conditional())
def test_grid_is_all_that_can_be_drawn(entries: dict[str, Any]) -> None:
    try:
        space = Space(entries)
    except ValueError:
        return
    found = configurations(Grid(space), 10_000)
    texts = list(map(repr, found))
    assert len(texts) == len(set(texts)) == Grid(space).size
    assert {repr(configuration) for configuration in configurations(Random(space, 0), 30)} <= set(
        texts
    )


@given(st.one_of(conditional(), spaces), st.integers(0, 99))
def test_points_and_configurations(entries: dict[str, Any], seed: int) -> None:
    """Where a configuration lies, it is found again."""
    try:
        space = Space(entries)
    except ValueError:
        return
    points = UnitCube(space)
    (drawn,) = configurations(Random(space, seed), 1)
    point = points.to_cube(drawn)
    assert ((point >= 0) & (point <= 1)).all()
    again = points.proposal(point).configuration
    assert again.keys() == drawn.keys()
    for name, value in drawn.items():
        assert again[name] == (pytest.approx(value) if isinstance(value, float) else value)
    features = points.features(point[None])[0]
    assert features.shape == (points.width,)
    assert repr(points.proposal(points.point(features)).configuration) == repr(again)


def test_places() -> None:
    points = UnitCube(EVERYTHING)
    assert points.names == tuple(n for n in EVERYTHING.distributions if n != "single")
    assert points.chosen.tolist() == [n in ("cell", "optimizer", "residual") for n in points.names]
    low, high = (points.proposal(np.full(9, end)).configuration for end in (0.0, 1.0))
    assert values(low) == ("lstm", 1, 16, 8, 0.0, "sgd", 0.5, pytest.approx(1e-4), 3, 9)
    assert values(high) == ("gru", 4, 128, 200, 0.5, "adam", pytest.approx(0.1), 3, False, 9)
    place = points.features_of([low, {**low, "cell": "gru"}, {**low, "rate": 0.1}])
    assert np.linalg.norm(place[0] - place[1]) == pytest.approx(1.0)
    assert np.linalg.norm(place[0] - place[2]) == pytest.approx(1.0)
    # What one lacks is in the middle.
    place = points.features_of([{**high, "momentum": 0.745}, high])
    assert np.linalg.norm(place[0] - place[1]) == pytest.approx(0.0)
    assert points.features_of([]).shape == (0, points.width)
