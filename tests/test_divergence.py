"""A member that diverges is frozen alone: where, when, and what its neighbours see."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.datasets import sequences
from support.padding import merged

import jaxrnn
from jaxrnn.configuration import rules
from jaxrnn.configuration.hyperparameters import FLOATS, PackedHyperparameters, hyperparameters
from jaxrnn.network import initial
from jaxrnn.network.architecture import architecture_of
from jaxrnn.network.packing import Packing
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.batches import Samples
from jaxrnn.training.member import EpochMetrics, Member
from jaxrnn.training.step import EpochContext, Step
from jaxrnn.training.update import Update

GOOD: dict[str, Any] = {"cell": "gru", "hidden_size": 8, "learning_rate": 1e-2}
WILD: dict[str, Any] = {"cell": "gru", "hidden_size": 8, "learning_rate": 1e6}
SEEDS, OTHERS = [1, 2, 3, 4], [0, 1, 3]
CROWDS: dict[str, list[dict[str, Any]]] = {
    "plain": [GOOD] * 4,
    # Batches of two steps, losses that are watched, several optimizers, values clipped.
    "every feature": [
        {**GOOD, "batch_size": 16, "patience": 2, "optimizer": "sgd"},
        {**GOOD, "schedule": "plateau", "clip_value": 0.1},
        {**GOOD, "batch_size": 16, "patience": 3},
        {**GOOD, "optimizer": "lion", "learning_rate": 1e-3},
    ],
}


@pytest.fixture(scope="module")
def trainer(data: jaxrnn.Data) -> Callable[[int], jaxrnn.Trainer]:
    """By lanes of a single device, so that four members share one layout and compile once."""
    known = {lanes: jaxrnn.Trainer(data, lanes=lanes, devices=1) for lanes in (1, 4)}
    return known.__getitem__


def with_rate(population: jaxrnn.Population, slot: tuple[int, int], rate: float) -> Any:
    """The population with another learning rate in one lane, past every check."""
    (cohort,) = population.cohorts
    floats, place = cohort.packed.floats, (*slot, FLOATS.index("learning_rate"))
    changed = jax.device_put(np.array(floats), floats.sharding).at[place].set(rate)
    packed = cohort.packed._replace(floats=changed)
    return replace(population, cohorts=(replace(cohort, packed=packed),))


def diverged(population: jaxrnn.Population) -> list[bool]:
    (cohort,) = population.cohorts
    return cohort.gather(cohort.state.train_state.diverged).tolist()


@pytest.mark.parametrize("crowd", list(CROWDS))
@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("rate", [np.nan, np.inf, 1e6])
def test_one_bad_rate_freezes_one_member(
    trainer: Callable[[int], jaxrnn.Trainer], crowd: str, lanes: int, rate: float
) -> None:
    own, members = trainer(lanes), CROWDS[crowd]
    healthy = own.train(own.start(members, SEEDS), 4)
    expected, seen = own.evaluate(healthy), own.history(healthy)
    slot = (2, 0) if lanes == 1 else (0, 2)
    population = own.train(with_rate(own.start(members, SEEDS), slot, rate), 4)
    assert diverged(healthy) == [False] * 4
    assert diverged(population) == [False, False, True, False]
    for name, values in own.evaluate(population).items():
        assert np.isnan(values[2]), name
        np.testing.assert_array_equal(values[OTHERS], expected[name][OTHERS])
    for name, rows in own.history(population).items():
        np.testing.assert_array_equal(rows[:, OTHERS], seen[name][:, OTHERS])
    assert np.isnan(own.history(population)["train_loss"][-1, 2])


@pytest.mark.parametrize("lanes", [1, 4])
def test_a_frozen_member_keeps_its_last_finite_weights(
    trainer: Callable[[int], jaxrnn.Trainer], lanes: int
) -> None:
    own = trainer(lanes)
    population = own.train(own.start([WILD, GOOD, GOOD, GOOD], SEEDS), 20)
    assert diverged(population) == [True, False, False, False]
    frozen = own.predictor(population, 0).parameters
    growing = own.predictor(population, 1).parameters
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(frozen))
    before = jax.tree.map(np.asarray, population.cohorts[0].state)
    population = own.train(population, 22)
    later = own.predictor(population, 0).parameters
    jax.tree.map(np.testing.assert_array_equal, later, frozen)
    after = jax.tree.map(np.asarray, population.cohorts[0].state)
    jax.tree.map(  # the optimizer's state, too
        lambda one, other: np.testing.assert_array_equal(one[0, 0], other[0, 0]), after, before
    )
    grown = own.predictor(population, 1).parameters
    assert np.any(grown["head"]["kernel"] != growing["head"]["kernel"])


def test_history_ends_where_a_member_diverges(trainer: Callable[[int], jaxrnn.Trainer]) -> None:
    """The epoch itself has no loss; those after it have nothing at all."""
    own = trainer(1)
    population = own.train(own.start([GOOD] * 4, SEEDS), 2)
    population = own.train(with_rate(population, (1, 0), np.nan), 5)
    history = own.history(population)
    finite = np.isfinite(history["train_loss"])
    assert finite[:, 1].tolist() == [True, True, False, False, False]
    assert finite[:, [0, 2, 3]].all()
    assert tuple(history) == EpochMetrics._fields
    for name, rows in history.items():
        assert np.isnan(rows[3:, 1]).all(), name


def test_no_member_comes_back(trainer: Callable[[int], jaxrnn.Trainer]) -> None:
    """Neither a good step after the bad one nor a selection makes a frozen member healthy."""
    own = trainer(1)
    population = with_rate(own.start([GOOD] * 4, SEEDS), (1, 0), np.nan)
    population = with_rate(own.train(population, 1), (1, 0), 1e-2)
    frozen = own.predictor(population, 1).parameters
    population = own.select(own.train(population, 2), [2, 1])
    for epochs in (2, 3):
        population = own.train(population, epochs)
        metrics = own.evaluate(population)
        assert np.isnan(metrics["loss"]).tolist() == [False, True]
    later = own.predictor(population, 1).parameters
    jax.tree.map(np.testing.assert_array_equal, later, frozen)


@pytest.mark.parametrize("crowd", list(CROWDS))
def test_nan_in_the_first_step_leaves_the_first_weights(
    trainer: Callable[[int], jaxrnn.Trainer], crowd: str
) -> None:
    own = trainer(1)
    population = with_rate(own.start(CROWDS[crowd], SEEDS), (2, 0), np.nan)
    first = own.predictor(population, 2).parameters
    trained = own.predictor(own.train(population, 1), 2).parameters
    jax.tree.map(np.testing.assert_array_equal, trained, first)


@pytest.mark.parametrize("batch_size", [8, 16])
def test_no_member_comes_back_within_an_epoch(batch_size: int) -> None:
    """Steps after the bad one, though good by themselves, change neither weights nor optimizer."""
    entries = rules.complete({**GOOD, "batch_size": batch_size}, 8, 10)
    problem = TaskSpec(3, 3, False)
    architecture = merged([entries], problem, 16, 8)
    assert architecture.uses.accumulation == (batch_size == 16)
    packing = Packing(architecture.shapes())
    member = Member(
        Step(architecture, Classification((0, 1, 2)), Update(architecture.optimizers, packing)), 8
    )
    weights = initial.init(architecture_of(entries, problem), entries, 1)
    first = member.start(packing.pack(initial.pad(weights, packing.shapes)), "adamw").train_state
    packed = PackedHyperparameters.of(
        hyperparameters(entries, architecture.optimizers), jnp.uint32(1)
    )
    epoch = EpochContext(jnp.int32(0), jnp.int32(4), jnp.int32(batch_size // 8), jnp.float32(1))
    inputs, labels = sequences(8)

    @jax.jit
    def two_steps(train_state: Any, inputs: jax.Array) -> Any:
        samples = Samples(inputs, labels, np.full(8, 6))
        batch, seen = member.step.no_gradients(train_state), None
        for index in (jnp.int32(0), jnp.int32(1)):
            found = member.step.gradient(packed, epoch, train_state.parameters, samples, index)
            train_state, batch, seen = member.step(packed, epoch, train_state, batch, found, index)
        assert seen is not None
        return train_state, seen.loss

    good, loss = two_steps(first, inputs)
    assert np.isfinite(loss) and not good.diverged
    bad, loss = two_steps(good, inputs * np.float32(np.nan))
    assert np.isnan(loss) and bad.diverged
    later, loss = two_steps(bad, inputs)
    assert np.isnan(loss) and later.diverged
    for frozen in (bad, later):
        jax.tree.map(
            np.testing.assert_array_equal,
            (frozen.parameters, frozen.opt_state),
            (good.parameters, good.opt_state),
        )
    moved, _ = two_steps(good, inputs)
    assert np.any(moved.parameters.kernels != good.parameters.kernels)
