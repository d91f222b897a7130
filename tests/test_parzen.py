"""Proposals of the Parzen estimators, next to those of Optuna's sampler."""

import math
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

from search.samplers.optuna_trials import quiet, suggest
from search.samplers.parzen import ParzenEstimators
from search.samplers.random import Random
from search.space.space import Space

MIXED = Space(
    rate=dict(low=1e-4, high=1.0, log=True),
    drop=dict(low=0.0, high=0.5),
    units=dict(low=3, high=200),
    width=dict(low=1, high=40, log=True),
    steps=dict(low=0.0, high=1.0, step=0.25),
    kind=["a", "b", "c"],
    one=dict(low=1, high=1),
    fixed=7,
)
SCORED, PENDING, GOOD, SEED = 56, 4, 6, 5
LINE = Space(x=dict(low=0.0, high=1.0))


def score(configuration: dict[str, Any]) -> float:
    value = (math.log10(configuration["rate"]) + 1.5) ** 2 + configuration["drop"]
    value += abs(configuration["units"] - 150) / 90 + configuration["steps"]
    return value + (configuration["kind"] != "a") - math.log(configuration["width"]) / 4


def known() -> list[dict[str, Any]]:
    proposals = Random(MIXED, 3).ask(SCORED + PENDING, [])
    return [proposal.configuration for proposal in proposals]


def by_optuna(count: int) -> list[dict[str, Any]]:
    sampler = optuna.samplers.TPESampler(
        n_startup_trials=0, multivariate=False, constant_liar=True, seed=SEED
    )
    with quiet():
        study = optuna.create_study(sampler=sampler)
        for k, configuration in enumerate(known()):
            params = MIXED.varying(configuration)
            trial = create_trial(
                state=TrialState.COMPLETE if k < SCORED else TrialState.RUNNING,
                value=score(configuration) if k < SCORED else None,
                params=params,
                distributions={name: MIXED.distributions[name] for name in params},
            )
            study.add_trial(trial)
        asked = [study.ask() for _ in range(count)]
        return [MIXED.sample(lambda name, d, t=t: suggest(t, name, d)) for t in asked]


def test_one_proposal_from_each_fit_is_what_optuna_proposes() -> None:
    configurations = known()
    order = sorted(range(SCORED), key=lambda k: score(configurations[k]))
    good = [configurations[k] for k in sorted(order[:GOOD])]
    others = [configurations[k] for k in range(len(configurations)) if k not in order[:GOOD]]
    estimators = ParzenEstimators(MIXED, good, others, 1, SEED)
    ours = [estimators.draw().configuration for _ in range(5)]
    assert ours == by_optuna(5)


def drawn(batch: int, count: int = 24) -> np.ndarray:
    near, far = ([{"x": x} for x in np.linspace(*ends)] for ends in [(0.4, 0.6, 5), (0.0, 1.0, 20)])
    estimators = ParzenEstimators(LINE, near, far, batch, 0)
    return np.array([estimators.draw().configuration["x"] for _ in range(count)])


def test_proposals_drive_those_of_later_fits_away() -> None:
    assert np.std(drawn(4)) > 1.5 * np.std(drawn(24))
    np.testing.assert_array_equal(drawn(4, 3), drawn(4)[:3])


@pytest.mark.parametrize("batch", [1, 4])
def test_values_of_what_depends_on_others(batch: int) -> None:
    """It is learned from the configurations that have it, and proposed where it belongs."""
    space = Space(kind=["a", "b"], decay=dict(low=0.0, high=1.0, when={"kind": "a"}))
    good = [{"kind": "a", "decay": 0.9}, {"kind": "b"}] * 4
    others = [{"kind": "a", "decay": x} for x in np.linspace(0.0, 0.8, 9)] + [{"kind": "b"}] * 9
    estimators = ParzenEstimators(space, good, others, batch, 0)
    found = [estimators.draw().configuration for _ in range(16)]
    assert all(("decay" in c) == (c["kind"] == "a") for c in found)
    assert np.median([c["decay"] for c in found if "decay" in c]) > 0.8


def test_without_any_configuration_values_are_even() -> None:
    estimators = ParzenEstimators(MIXED, [], [], 40, 0)
    found = [estimators.draw().configuration for _ in range(40)]
    assert {c["kind"] for c in found} == {"a", "b", "c"}
    assert all(c["one"] == 1 and c["fixed"] == 7 for c in found)
    assert 60 < np.mean([c["units"] for c in found]) < 140
