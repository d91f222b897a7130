"""What samplers with a model learn from, and how."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from support.trial_views import view

from search.samplers import gaussian_process
from search.samplers.cmaes import CmaEs
from search.samplers.gaussian_process import GaussianProcess
from search.samplers.random import Random
from search.samplers.sobol import Sobol
from search.samplers.tpe import Tpe, model_budget
from search.space.space import Space
from search.trial import Proposal, TrialView

SQUARE = Space(x=dict(low=0.0, high=1.0), y=dict(low=0.0, high=1.0))
EMPTY = Proposal({})


def draws(space: Space, count: int, seed: int = 0) -> list[Proposal]:
    return Random(space, seed).ask(count, [])


def scored(
    proposals: list[Proposal], score: Callable[[Mapping[str, Any]], float], *epochs: int
) -> list[TrialView]:
    return [
        view(proposal, dict.fromkeys(epochs, score(proposal.configuration)))
        for proposal in proposals
    ]


def mean(proposals: list[Proposal], name: str) -> float:
    return float(np.mean([proposal.configuration[name] for proposal in proposals]))


BUDGETS = [
    ([], None),
    ([{1: 0.0}] * 4, None),
    ([{1: 0.0}] * 5, 1),
    ([{1: 0.0, 3: 0.0}] * 4 + [{1: 0.0}], 1),
    ([{1: 0.0, 3: 0.0}] * 5 + [{1: 0.0}] * 9, 3),
    ([{1: 0.0}] * 4 + [{1: math.inf}] * 9, None),
    ([{1: 0.0}] * 4 + [{1: math.nan}] * 9, None),
    ([{1: 0.0, 3: math.inf}] * 9, None),
    ([{}] * 9, None),
    # Of another bracket, which begins with more epochs.
    ([{1: 0.0}] * 3 + [{9: 0.0}] * 2, 1),
]


@pytest.mark.parametrize(("scores", "budget"), BUDGETS)
def test_the_largest_budget_with_enough_scores(
    scores: list[dict[int, float]], budget: int | None
) -> None:
    assert model_budget([view(EMPTY, row) for row in scores], 5) == budget


@pytest.mark.parametrize("kind", [Tpe, GaussianProcess])
def test_sobol_points_until_there_are_three_scores_more_than_hyperparameters(kind: Any) -> None:
    space = Space(**SQUARE.hyperparameters, z=3, one=dict(low=1, high=1))
    proposals = draws(space, 9)
    for scores, start in [({1: 0.0}, False), ({1: math.inf}, True), ({}, True)]:
        trials = [view(proposal, {1: 0.5}) for proposal in proposals[:4]]
        trials += [view(proposal, scores) for proposal in proposals[4:5]]
        same = kind(space, 0).ask(4, trials) == Sobol(space, 0).ask(4, trials)
        assert same is start


@pytest.mark.parametrize("kind", [Tpe, GaussianProcess])
def test_scores_count_at_the_most_epochs(kind: Any) -> None:
    """What looks good after one epoch is bad after nine."""
    proposals = draws(SQUARE, 40)
    trials = [
        view(proposal, {1: proposal.configuration["x"], 9: 1 - proposal.configuration["x"]})
        for proposal in proposals
    ]
    assert mean(kind(SQUARE, 0).ask(8, trials), "x") > 0.7


@pytest.mark.parametrize("kind", [Tpe, GaussianProcess])
def test_diverged_trials_are_the_worst(kind: Any) -> None:
    def score(configuration: Mapping[str, Any]) -> float:
        return math.inf if configuration["x"] > 0.5 else -configuration["x"]

    trials = scored(draws(SQUARE, 40), score, 1)
    asked = kind(SQUARE, 0).ask(16, trials)
    assert 0.25 < mean(asked, "x") < 0.5
    assert sum(proposal.configuration["x"] > 0.55 for proposal in asked) <= 3


def test_tpe_keeps_away_from_trials_that_were_pruned() -> None:
    """Of 60, those with a small x came to the second rung, where they are all alike."""
    proposals = draws(SQUARE, 60)
    trials = [
        view(
            proposal,
            {1: 0.0, 3: proposal.configuration["y"]}
            if proposal.configuration["x"] < 0.3
            else {1: 1.0},
        )
        for proposal in proposals
    ]
    assert mean(Tpe(SQUARE, 0).ask(16, trials), "x") < 0.35


def test_tpe_compares_scores_of_one_budget() -> None:
    """Or whoever trained longer would look good."""
    proposals = sorted(draws(SQUARE, 40), key=lambda proposal: proposal.configuration["x"])
    trials = scored(proposals[:-4], lambda configuration: configuration["x"], 1)
    trials += [view(proposal, {1: 1.0, 3: -1.0}) for proposal in proposals[-4:]]
    assert mean(Tpe(SQUARE, 0).ask(8, trials), "x") < 0.3


def test_tpe_sees_the_latest_of_many_others() -> None:
    """What is pending is among them."""
    trials = scored(draws(SQUARE, 300), lambda configuration: configuration["y"], 1)
    pending = [view(Proposal({"x": x, "y": 0.02}), {}) for x in np.linspace(0.0, 0.5, 60)]
    assert mean(Tpe(SQUARE, 0).ask(16, [*trials, *pending]), "x") > 0.7


def test_cmaes_tells_generations_in_order() -> None:
    """Half a generation changes nothing, nor does the next while one of this still trains."""
    asked = CmaEs(SQUARE, 0, batch=8)
    proposals = draws(SQUARE, 16)

    def score(configuration: Mapping[str, Any]) -> float:
        return configuration["x"]

    def shift(trials: list[TrialView]) -> float:
        return mean(asked.ask(64, trials), "x")

    pending = [view(proposal, {}) for proposal in proposals]
    known = scored(proposals, score, 1)
    rest = [*pending[:1], *known[1:]]
    assert asked.ask(4, rest) == asked.ask(4, pending)
    assert asked.ask(4, [*known[:8], *pending[8:]]) != asked.ask(4, pending)
    assert asked.ask(4, [*known[:8], *rest[:1], *known[9:]]) == asked.ask(
        4, [*known[:8], *pending[8:]]
    )
    assert shift(known) < shift([*known[:8], *pending[8:]]) < shift(pending) - 0.02


def test_cmaes_ranks_by_rung_then_score() -> None:
    asked = CmaEs(SQUARE, 0, batch=16)
    proposals = sorted(draws(SQUARE, 16), key=lambda proposal: proposal.configuration["x"])
    by_rank = [view(proposal, {1: float(k)}) for k, proposal in enumerate(proposals)]
    by_rung = [
        view(proposal, {1: 0.0, 3: 50.0 + k} if k < 4 else {1: float(k)} if k < 12 else
             {1: -9.0, 3: (math.inf, math.nan)[k % 2]})
        for k, proposal in enumerate(proposals)
    ]  # fmt: skip
    assert asked.ask(4, by_rung) == asked.ask(4, by_rank)
    assert asked.ask(4, by_rank[::-1]) == asked.ask(4, by_rank)
    assert mean(asked.ask(32, by_rank), "x") < 0.4


def test_cmaes_learns_at_the_points_that_it_drew() -> None:
    """Not where the configuration lies, which of whole numbers is the middle of their cells."""
    space = Space(a=["x", "y", "z"], n=dict(low=0, high=2))
    asked = CmaEs(space, 0, batch=8)
    proposals = asked.ask(8, [])
    trials = [view(proposal, {1: float(k)}) for k, proposal in enumerate(proposals)]
    bare = [trial._replace(note=None) for trial in trials]

    def features(proposals: list[Proposal]) -> list[float]:
        return [
            value for proposal in proposals for value in (proposal.note or {})["cmaes:features"]
        ]

    assert len(features(proposals)) == 8 * 4
    assert features(asked.ask(4, trials)) != features(asked.ask(4, bare))


def test_cmaes_learns_choices() -> None:
    space = Space(a=["x", "y", "z"], **SQUARE.hyperparameters)
    asked = CmaEs(space, 0, batch=32)
    trials: list[TrialView] = []
    for _ in range(4):
        trials += scored(
            asked.ask(32, trials),
            lambda configuration: configuration["x"] + (configuration["a"] != "z"),
            1,
        )
    share = [
        sum(trial.configuration["a"] == "z" for trial in trials[k : k + 32]) / 32 for k in (0, 96)
    ]
    assert share[0] < 0.5 and share[1] > 0.65


@pytest.mark.slow
def test_gp_finds_the_least_of_a_valley() -> None:
    def valley(configuration: Mapping[str, Any]) -> float:
        return (configuration["x"] + configuration["y"] - 1.2) ** 2 + 0.1 * (
            configuration["x"] - configuration["y"]
        ) ** 2

    for seed in range(3):
        trials = scored(draws(SQUARE, 20, seed), valley, 1)
        asked = GaussianProcess(SQUARE, seed)
        for _ in range(4):
            trials += scored(asked.ask(4, trials), valley, 1)
        losses = [trial.scores[1] for trial in trials]
        assert np.median(losses[:20]) > 0.05
        assert np.median(losses[-8:]) < 0.005


def test_gp_does_not_mind_outliers() -> None:
    proposals = draws(SQUARE, 30)
    plain = scored(proposals, lambda configuration: configuration["x"], 1)
    wild = scored(
        proposals,
        lambda configuration: (
            configuration["x"] if configuration["x"] < 0.9 else 1e30 * configuration["x"]
        ),
        1,
    )
    assert GaussianProcess(SQUARE, 0).ask(4, wild) == GaussianProcess(SQUARE, 0).ask(4, plain)


def test_gp_uses_the_best_and_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more scores than it can take, a bad and old one does not count."""
    monkeypatch.setattr(gaussian_process, "OBSERVATIONS", 40)
    proposals = draws(SQUARE, 60)
    trials = scored(proposals, lambda configuration: configuration["x"], 1)
    worst = max(range(40), key=lambda k: trials[k].scores[1])
    moved = Proposal({"x": 1.0, "y": 1.0})

    def swap(k: int) -> list[TrialView]:
        return [*trials[:k], view(moved, trials[k].scores), *trials[k + 1 :]]

    asked = GaussianProcess(SQUARE, 0)
    best = min(range(40), key=lambda k: trials[k].scores[1])
    assert asked.ask(2, swap(worst)) == asked.ask(2, trials)
    assert asked.ask(2, swap(best)) != asked.ask(2, trials)
    assert asked.ask(2, swap(len(trials) - 1)) != asked.ask(2, trials)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_gp_believes_trials_that_still_train(seed: int) -> None:
    """The best is where x is large, but nothing more is learnt where a lattice still trains."""
    left = [
        Proposal({**proposal.configuration, "x": 0.6 * proposal.configuration["x"]})
        for proposal in draws(SQUARE, 20, seed)
    ]
    trials = scored(left, lambda configuration: 1 - configuration["x"], 1)
    lattice = [{"x": 0.7 + i / 10, "y": j / 5} for i in range(4) for j in range(6)]
    pending = [TrialView(k, point) for k, point in enumerate(lattice)]
    asked = GaussianProcess(SQUARE, seed).ask(4, [*trials, *pending])
    assert max(proposal.configuration["x"] for proposal in asked) < 0.8
