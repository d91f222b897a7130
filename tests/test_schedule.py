"""The learning rate over time is Optax's, whatever the mixture of schedules."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.single_member import MAX_EPOCHS, hp_of

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.training.schedule import learning_rate

RATE, WARMUP, EPOCHS = 0.02, 4.5, 24
Curve = Callable[[Any], Any]
POINTS = np.linspace(0, EPOCHS, 20, dtype=np.float32)

GIVEN: dict[str, dict[str, Any]] = {
    "constant": {},
    "exponential": {"decay_rate": 0.9},
    "step": {"decay_rate": 0.6, "decay_epochs": 3.7},
    "linear": {"final_rate": 0.15},
    "cosine": {"final_rate": 0.05},
}
CURVES: dict[str, Callable[[float], Curve]] = {  # each with its horizon
    "constant": lambda _: optax.constant_schedule(RATE),
    "exponential": lambda _: optax.exponential_decay(RATE, 1, 0.9),
    "step": lambda _: optax.exponential_decay(RATE, 3.7, 0.6, staircase=True),  # type: ignore
    "linear": lambda epochs: optax.linear_schedule(RATE, 0.15 * RATE, epochs),  # type: ignore
    "cosine": lambda epochs: optax.cosine_decay_schedule(RATE, epochs, 0.05),  # type: ignore
}


def rates(hp: Hyperparameters, times: np.ndarray, plateau: float = 1.0) -> np.ndarray:
    at = jax.vmap(lambda time: learning_rate(hp, time, jnp.float32(plateau)))
    return np.asarray(at(jnp.asarray(times, jnp.float32)))


def given(schedule: str, **more: Any) -> Hyperparameters:
    return hp_of(
        learning_rate=RATE, schedule=schedule, epochs=EPOCHS, **GIVEN.get(schedule, {}), **more
    )


@pytest.mark.parametrize("schedule", CURVES)
def test_a_schedule_is_optaxs(schedule: str) -> None:
    assert EPOCHS < MAX_EPOCHS  # the horizon is the member's own
    expected = np.array([CURVES[schedule](EPOCHS)(time) for time in POINTS])
    np.testing.assert_allclose(rates(given(schedule), POINTS), expected, rtol=1e-5, atol=1e-8)
    assert (len(set(expected)) > 1) == (schedule != "constant")


@pytest.mark.parametrize("schedule", CURVES)
def test_a_schedule_with_warmup_is_optaxs(schedule: str) -> None:
    rise: Curve = optax.linear_schedule(0.0, RATE, WARMUP)  # type: ignore[arg-type]
    rest = CURVES[schedule](EPOCHS - WARMUP)
    curve = optax.join_schedules([rise, rest], [WARMUP])  # type: ignore[list-item]
    expected = np.array([curve(time) for time in POINTS])
    ours = rates(given(schedule, warmup_epochs=WARMUP), POINTS)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-8)
    assert ours[0] == 0 and ours[2] < ours[3] < RATE


def test_warm_schedules_of_optax_agree_too() -> None:
    cosine: Curve = optax.warmup_cosine_decay_schedule(0, RATE, WARMUP, EPOCHS, 0.05 * RATE)  # type: ignore[arg-type]
    exponential: Curve = optax.warmup_exponential_decay_schedule(0, RATE, WARMUP, 1, 0.9)  # type: ignore[arg-type]
    for schedule, curve in (("cosine", cosine), ("exponential", exponential)):
        ours = rates(given(schedule, warmup_epochs=WARMUP), POINTS)
        expected = [curve(time) for time in POINTS]
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-8)


def test_the_plateaus_factor_acts_after_warmup_under_its_own_schedule_alone() -> None:
    ours = rates(given("plateau", warmup_epochs=WARMUP), POINTS, plateau=0.25)
    expected = np.where(POINTS < WARMUP, POINTS / WARMUP, 0.25)
    np.testing.assert_allclose(ours, RATE * expected, rtol=1e-6)
    np.testing.assert_array_equal(rates(given("constant"), POINTS, plateau=0.25), np.float32(RATE))


def test_steps_of_a_schedule_fall_on_whole_updates() -> None:
    """Ten updates an epoch, three to a step: times in single precision fall short of many."""
    numbers = hp_of(learning_rate=1.0, schedule="step", decay_rate=0.5, decay_epochs=0.3)
    updates = np.arange(100)
    times = (updates // 10 + (updates % 10) / np.float32(10)).astype(np.float32)
    np.testing.assert_allclose(rates(numbers, times), 0.5 ** (updates // 3), rtol=1e-5)


def test_warmup_over_all_epochs_leaves_no_schedule_and_no_nan() -> None:
    for schedule in (*CURVES, "plateau"):
        ours = rates(given(schedule, warmup_epochs=float(EPOCHS)), POINTS[:-1])
        np.testing.assert_allclose(ours, RATE * POINTS[:-1] / EPOCHS, rtol=1e-5)


def test_members_side_by_side_keep_their_own_schedules() -> None:
    members = [given(schedule) for schedule in CURVES]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    at = partial(learning_rate, time=jnp.float32(7.5), plateau=jnp.float32(1))
    ours = jax.vmap(lambda numbers: at(numbers))(stacked)
    expected = [curve(EPOCHS)(7.5) for curve in CURVES.values()]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    assert len({float(rate) for rate in ours}) == len(CURVES)
