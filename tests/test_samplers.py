"""What every sampler must do."""

import json
import math
import os
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution
from support.spaces import conditional, present, spaces
from support.trial_views import view

from search.samplers.registry import SAMPLERS, make_sampler
from search.samplers.sampler import Sampler
from search.space.space import Space
from search.trial import Proposal, TrialView

ALL = sorted(SAMPLERS)
MODELS = ["cmaes", "gp", "tpe"]
SEQUENCES = ["grid", "random", "sobol"]
MIXED = {
    "cell": ["lstm", "gru"],
    "optimizer": ["sgd", "adam", "rmsprop"],
    "momentum": dict(low=0.5, high=0.99, when={"optimizer": "sgd"}),
    "units": dict(low=16, high=64, step=16),
    "rate": dict(low=1e-4, high=1e-1, log=True),
    "dropout": dict(low=0.0, high=0.5),
    "epochs": 9,
}


def make(name: str, space: Space, seed: int = 0) -> Sampler:
    return make_sampler(name, space, seed, batch=8, points=2)


def loss(configuration: Mapping[str, Any]) -> float:
    """Least where all is as it should be; half of the learning rates at the upper end diverge."""
    rate = math.log10(configuration["rate"])
    if rate > -1.5:
        return math.inf
    away = (rate + 2.5) ** 2 + 4 * (configuration["dropout"] - 0.2) ** 2
    away += {"adam": 0.0, "rmsprop": 0.3, "sgd": 0.6}[configuration["optimizer"]]
    return (
        away + 0.5 * abs(configuration["units"] - 48) / 16 + 0.2 * (configuration["cell"] == "gru")
    )


def halved(proposals: Sequence[Proposal]) -> list[TrialView]:
    """Everybody is scored after one epoch, the better half after three."""
    losses = [loss(proposal.configuration) for proposal in proposals]
    middle = sorted(losses)[len(losses) // 2]
    return [
        view(proposal, {1: 2 * y + 1} if y > middle else {1: 2 * y + 1, 3: y})
        for proposal, y in zip(proposals, losses, strict=True)
    ]


def search(asked: Sampler, batches: int, count: int) -> list[TrialView]:
    trials: list[TrialView] = []
    for _ in range(batches):
        trials += halved(asked.ask(count, trials))
    return trials


def some_scores(proposal: Proposal, position: int) -> dict[int, float]:
    """Anything that can happen, by chance but always the same."""
    chance = zlib.crc32(repr((proposal.configuration, position)).encode())
    score = chance / 2**32 - 0.5
    return [
        {1: score}, {1: score, 3: 1e9 * score}, {1: score, 9: score}, {3: score}, {},
        {1: math.inf}, {1: score, 3: math.inf}, {1: math.nan},
    ][chance % 8]  # fmt: skip


def fits(entries: Mapping[str, Any], name: str, value: Any) -> bool:
    """Whether it is one of the values of an entry, in the plain type that it must have."""
    what = entries[name]
    if isinstance(what, dict) and "low" in what:
        whole = all(isinstance(what[key], int) for key in ("low", "high"))
        on_grid = "step" not in what or (value - what["low"]) % what["step"] == 0
        inside = what["low"] <= value <= what["high"]
        return type(value) is (int if whole else float) and inside and on_grid
    if isinstance(what, dict):
        what = what["choices"] if "choices" in what else what["value"]
    options = what if isinstance(what, list) else [what]
    return (type(value), value) in [(type(option), option) for option in options]


def check(entries: Mapping[str, Any], proposal: Proposal) -> None:
    drawn = proposal.configuration
    needs = {name: what if isinstance(what, dict) else {} for name, what in entries.items()}
    assert list(drawn) == [name for name in entries if present(name, needs, drawn)]
    assert all(fits(entries, name, value) for name, value in drawn.items())
    assert json.loads(json.dumps(proposal)) == list(proposal)


@pytest.mark.parametrize("name", ALL)
def test_proposals_keep_the_space(name: str) -> None:
    @given(entries=st.one_of(conditional(), spaces), seed=st.integers(0, 2**32 - 1))
    @settings(max_examples={"gp": 5, "tpe": 10}.get(name, 20))
    def holds(entries: dict[str, Any], seed: int) -> None:
        try:
            space = Space(entries)
            asked = make(name, space, seed)
        except ValueError as error:
            assert "is searched only where" in str(error) or name == "grid"
            reject()
        trials: list[TrialView] = []
        for count in (8, 8, 3):
            proposals = asked.ask(count, trials)
            left = count if asked.size is None else asked.size - len(trials)
            assert len(proposals) == min(count, left)
            for proposal in proposals:
                check(entries, proposal)
            assert make(name, space, seed).ask(count, trials) == proposals
            trials += [
                view(proposal, some_scores(proposal, len(trials) + k))
                for k, proposal in enumerate(proposals)
            ]

    holds()


@pytest.mark.parametrize("name", ALL)
def test_seeds(name: str) -> None:
    space = Space(MIXED)
    trials = {seed: search(make(name, space, seed), 3, 8) for seed in (0, 1, 2**32 - 1)}
    if name == "grid":
        assert trials[0] == trials[1] == trials[2**32 - 1]
        return
    drawn = [{repr(trial.configuration) for trial in trials[seed]} for seed in trials]
    assert not drawn[0] & drawn[1] and not drawn[0] & drawn[2] and not drawn[1] & drawn[2]


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_can_be_cut_anywhere(name: str) -> None:
    space = Space(MIXED)
    whole = make(name, space).ask(20, [])
    assert len(whole) == 20
    for cut in (1, 7, 8, 19):
        asked = make(name, space)
        first = asked.ask(cut, [])
        trials = halved(first)
        assert first + asked.ask(20 - cut, trials) == whole
        assert make(name, space).ask(20 - cut, trials) == whole[cut:]
        assert asked.ask(20, []) == whole


PROCESS = """
import json, sys
from search.samplers.registry import make_sampler
from search.space.space import Space
from search.trial import TrialView
entries, searches = json.load(sys.stdin)
for name, rows in searches.items():
    trials = [TrialView(*row) for row in rows]
    trials = [t._replace(scores={int(at): y for at, y in t.scores.items()}) for t in trials]
    print(json.dumps(make_sampler(name, Space(entries), 5, batch=8, points=2).ask(8, trials)))
"""


@pytest.mark.slow
def test_same_proposals_in_another_process() -> None:
    space = Space(MIXED)
    trials = {name: search(make(name, space, 5), 3, 8) for name in ALL}
    other = subprocess.run(
        [sys.executable, "-c", PROCESS],
        input=json.dumps([MIXED, trials]),
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stderr == ""
    for name, line in zip(ALL, other.stdout.splitlines(), strict=True):
        here = make(name, space, 5).ask(8, trials[name])
        assert json.loads(line) == json.loads(json.dumps(here)), name


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("score", [math.inf, math.nan, 0.0, 1e300, -1e300])
def test_all_scores_alike(name: str, score: float) -> None:
    space = Space(MIXED)
    asked = make(name, space)
    trials: list[TrialView] = []
    for _ in range(3):
        proposals = asked.ask(8, trials)
        for proposal in proposals:
            check(MIXED, proposal)
        assert len({repr(proposal.configuration) for proposal in [*proposals, *trials]}) == 8 + len(
            trials
        )
        trials += [view(proposal, {1: score, 3: score}) for proposal in proposals]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("entries", [{}, {"a": 1}, {"a": dict(low=2, high=2), "b": ["x"]}])
def test_nothing_to_search(name: str, entries: dict[str, Any]) -> None:
    asked = make(name, Space(entries))
    trials: list[TrialView] = []
    for _ in range(2):
        proposals = asked.ask(8, trials)
        assert len(proposals) == (8 if name != "grid" else 1 - min(1, len(trials)))
        assert all(list(proposal.configuration) == list(entries) for proposal in proposals)
        trials += [view(proposal, {1: 0.5}) for proposal in proposals]


@pytest.mark.parametrize("name", ALL)
def test_few_configurations(name: str) -> None:
    """All of them are found, and then come again where there is no end."""
    space = Space(a=[1, 2, 3], b=[True, False])
    asked = make(name, space)
    trials: list[TrialView] = []
    for _ in range(4):
        trials += [
            view(proposal, {1: float(proposal.configuration["a"])})
            for proposal in asked.ask(8, trials)
        ]
    assert len(trials) == (6 if name == "grid" else 32)
    assert len({repr(trial.configuration) for trial in trials}) == 6


def distance(space: Space, first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """Of two configurations in the unit cube; 1 where a choice differs."""
    squares = 0.0
    for name in first.keys() & second.keys() & space.distributions.keys():
        values: Any = space.distributions[name]
        if isinstance(values, CategoricalDistribution):
            squares += first[name] != second[name]
        elif values.log:
            squares += (
                math.log(first[name] / second[name]) / math.log(values.high / values.low)
            ) ** 2
        else:
            squares += ((first[name] - second[name]) / (values.high - values.low)) ** 2
    return math.sqrt(squares)


@pytest.mark.parametrize("name", ["cmaes", "gp", "random", "sobol", "tpe"])
def test_no_two_proposals_of_a_batch_are_near(name: str) -> None:
    """Of 64, in a cube of six dimensions where a choice that differs is a distance of 1."""
    space = Space(MIXED)
    trials = search(make_sampler(name, space, 0, batch=64), 3, 64)
    batch = [trial.configuration for trial in trials[128:]]
    known = [trial.configuration for trial in trials[:128]]
    within = min(distance(space, a, b) for k, a in enumerate(batch) for b in batch[:k])
    before = min(distance(space, a, b) for a in batch for b in known)
    assert within >= 0.01
    if name in MODELS:
        assert before >= 0.01


@cache
def typical(name: str) -> float:
    """Loss of the last 16 of 64 trials, the median, and of that the mean over three seeds."""
    medians = []
    for seed in range(3):
        last = search(make_sampler(name, Space(MIXED), seed, batch=16), 4, 16)[48:]
        medians.append(np.median([loss(trial.configuration) for trial in last]))
    return float(np.mean(medians))


@pytest.mark.parametrize("name", MODELS)
def test_models_find_the_good_region(name: str) -> None:
    """After 48 trials the typical loss is below half of that by chance; a third was measured."""
    assert typical(name) < typical("random") / 2


@pytest.mark.parametrize("name", MODELS)
def test_models_learn_from_the_lowest_rung(name: str) -> None:
    space = Space(MIXED)
    drawn = make("random", space).ask(16, [])
    trials = [view(proposal, {1: loss(proposal.configuration)}) for proposal in drawn]
    other = [view(proposal, {1: -trials[k].scores[1]}) for k, proposal in enumerate(drawn)]
    assert make(name, space).ask(4, trials) != make(name, space).ask(4, other)
    # The higher rung says the same of everybody who reached it.
    both = [
        [trial._replace(scores={**trial.scores, 3: 0.5} if k < 4 else trial.scores)
         for k, trial in enumerate(rows)]
        for rows in (trials, other)
    ]  # fmt: skip
    assert make(name, space).ask(4, both[0]) != make(name, space).ask(4, both[1])


@pytest.mark.parametrize("name", MODELS)
def test_every_batch_draws_anew(name: str) -> None:
    """Even if there is nothing new to learn from."""
    space = Space(MIXED)
    trials = search(make(name, space), 3, 8)
    # As bad as can be, and far from anything good.
    pending = TrialView(24, {"cell": "gru", "optimizer": "sgd", "momentum": 0.5, "units": 16,
                             "rate": 0.1, "dropout": 0.5, "epochs": 9})  # fmt: skip
    first, second = (make(name, space).ask(4, known) for known in (trials, [*trials, pending]))
    assert not {repr(proposal.configuration) for proposal in first} & {
        repr(proposal.configuration) for proposal in second
    }


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_pending_trials_are_not_proposed_again(name: str) -> None:
    space = Space(MIXED)
    trials = search(make(name, space), 3, 8)
    first = make(name, space).ask(4, trials)
    pending = [view(proposal, {}) for proposal in first]
    # As many trials as before, so that both draw alike.
    again = make(name, space).ask(4, [*trials[:-4], *pending])
    assert all(
        distance(space, a.configuration, b.configuration) >= 0.01 for a in first for b in again
    )


@pytest.mark.parametrize("name", ALL)
def test_optuna_is_quiet(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    search(make(name, Space(MIXED)), 3, 8)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    assert capfd.readouterr() == ("", "")


def test_names() -> None:
    assert set(ALL) == {"random", "sobol", "grid", "tpe", "cmaes", "gp"}
    space = Space(MIXED)
    assert [name for name in ALL if make(name, space).learns] == MODELS
    assert [make(name, space).size for name in ALL] == [None, None, 128, None, None, None]
    with pytest.raises(ValueError) as error:
        make_sampler("cmae", space, 0)
    assert str(error.value) == (
        "`sampler` is 'cmae', but must be one of `random`, `sobol`, `grid`, `tpe`, `cmaes`, `gp`"
        "; did you mean `cmaes`?"
    )
    with pytest.raises(ValueError, match="`batch` is 1, but a generation must have at least 2"):
        make_sampler("cmaes", space, 0, batch=1)
