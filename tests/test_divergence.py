"""A member that diverges is frozen alone: where, when, and what its neighbours see."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn

GOOD = {"cell": "gru", "hidden_size": 8, "learning_rate": 1e-2}
WILD = {"cell": "gru", "hidden_size": 8, "learning_rate": 1e6}


def with_rate(population: jaxrnn.Population, slot: tuple[int, int], rate: float) -> Any:
    """The population with another learning rate in one lane, past every check."""
    (cohort,) = population.cohorts
    state: Any = cohort.state
    rates = state.optimizer.hyperparams["learning_rate"]
    changed = jax.device_put(np.array(rates), rates.sharding).at[slot].set(rate)
    numbers = {**state.optimizer.hyperparams, "learning_rate": changed}
    optimizer = state.optimizer._replace(hyperparams=numbers)
    return replace(
        population, cohorts=(replace(cohort, state=state._replace(optimizer=optimizer)),)
    )


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("rate", [np.nan, np.inf, 1e6])
def test_one_bad_rate_freezes_one_member(data: jaxrnn.Data, lanes: int, rate: float) -> None:
    trainer = jaxrnn.Trainer(data, lanes=lanes, devices=1)
    seeds = [1, 2, 3, 4]
    healthy = trainer.train(trainer.start([GOOD] * 4, seeds), 4)
    expected = trainer.evaluate(healthy)
    slot = (2, 0) if lanes == 1 else (0, 2)
    population = with_rate(trainer.start([GOOD] * 4, seeds), slot, rate)
    population = trainer.train(population, 4)
    metrics = trainer.evaluate(population)
    for name, values in metrics.items():
        assert np.isnan(values[2]), name
        others = [0, 1, 3]
        np.testing.assert_array_equal(values[others], expected[name][others])
    (cohort,) = population.cohorts
    assert cohort.of_members(cohort.state.diverged).tolist() == [False, False, True, False]


def test_a_frozen_member_keeps_its_last_finite_weights(data: jaxrnn.Data) -> None:
    trainer = jaxrnn.Trainer(data, devices=1)
    population = trainer.train(trainer.start([WILD, GOOD], [1, 2]), 20)
    frozen = trainer.predictor(population, 0).parameters
    growing = trainer.predictor(population, 1).parameters
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(frozen))
    population = trainer.train(population, 22)
    later = trainer.predictor(population, 0).parameters
    jax.tree.map(np.testing.assert_array_equal, later, frozen)
    grown = trainer.predictor(population, 1).parameters
    assert np.any(grown["head"]["kernel"] != growing["head"]["kernel"])


def test_no_member_comes_back(data: jaxrnn.Data) -> None:
    """Neither a good step after the bad one nor a selection makes a frozen member healthy."""
    trainer = jaxrnn.Trainer(data, devices=1)
    population = with_rate(trainer.start([GOOD] * 3, [1, 2, 3]), (1, 0), np.nan)
    population = with_rate(trainer.train(population, 1), (1, 0), 1e-2)
    frozen = trainer.predictor(population, 1).parameters
    population = trainer.select(trainer.train(population, 2), [2, 1])
    for epochs in (2, 3):
        population = trainer.train(population, epochs)
        metrics = trainer.evaluate(population)
        assert np.isnan(metrics["loss"]).tolist() == [False, True]
    later = trainer.predictor(population, 1).parameters
    jax.tree.map(np.testing.assert_array_equal, later, frozen)


def test_nan_in_the_first_step_leaves_the_first_weights(data: jaxrnn.Data) -> None:
    trainer = jaxrnn.Trainer(data, devices=1)
    population = with_rate(trainer.start([GOOD], [1]), (0, 0), np.nan)
    first = trainer.predictor(population).parameters
    trained = trainer.predictor(trainer.train(population, 1)).parameters
    jax.tree.map(np.testing.assert_array_equal, trained, first)
