"""Window normalisation by itself, and in a network: forecasts move with their windows."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.configuration import rules
from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.network import initial, inputs
from jaxrnn.network.architecture import architecture_of
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.tasks.spec import Outputs, TaskSpec

FORECAST = (2, 0, 2, 0)  # two rows ahead of the last variable and the first
PROBLEM = TaskSpec(
    3, 4, lengths_differ=True, forecast=FORECAST, excluded=frozenset({"crop_length"})
)
ON = jnp.bool_(True)
FULL = np.full(4, 6, np.int32)


def windows(seed: int = 0) -> np.ndarray:
    """Walks `(4, 6, 3)` far from 0 and from each other."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(4, 6, 3)).cumsum(1) + 5 * rng.normal(size=(4, 1, 3))
    return steps.astype(np.float32)


def forecast(x: np.ndarray, lengths: np.ndarray = FULL, **given: Any) -> np.ndarray:
    """Of a fresh network, whose code for windows is compiled in any case."""
    entries = rules.complete({"hidden_size": 8, "window_norm": True, **given}, 4, 10)
    arch = architecture_of({**entries, "window_norm": True}, PROBLEM)
    hp = hyperparameters(entries, arch.optimizers)
    weights = {"params": initial.init(arch, entries, 1)}
    apply = jax.jit(RecurrentNetwork(arch).apply)
    outputs = apply(weights, jnp.asarray(x), jnp.asarray(lengths), hp)
    assert isinstance(outputs, Outputs)
    return np.asarray(outputs.last)


def test_against_numpy() -> None:
    x, lengths = windows(), np.array([6, 1, 3, 5], np.int32)
    y, seen = inputs.normalise_windows(jnp.asarray(x), jnp.asarray(lengths), ON)
    outputs = np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32)
    back = inputs.restore_units(jnp.asarray(outputs), seen, FORECAST)
    for k, length in enumerate(lengths):
        own = x[k, :length].astype(float)
        end, spread = own[-1], np.sqrt(own.var(0) + 1e-4)
        np.testing.assert_allclose(seen.last[k], end, rtol=1e-6)
        np.testing.assert_allclose(seen.scale[k], spread, rtol=1e-5)
        np.testing.assert_allclose(y[k, :length], (own - end) / spread, rtol=1e-4, atol=1e-5)
        expected = [outputs[k, n] * spread[f] + end[f] for n, f in enumerate(FORECAST)]
        np.testing.assert_allclose(back[k], expected, rtol=1e-5, atol=1e-5)


def test_a_forecast_moves_and_grows_with_its_window() -> None:
    x = windows()
    shift, factor = np.array([30.0, -7.0, 2.0]), np.array([3.0, 0.5, 8.0])
    moved = (x * factor + shift).astype(np.float32)
    index = list(FORECAST)
    expected = forecast(x) * factor[index] + shift[index]
    np.testing.assert_allclose(forecast(moved), expected, rtol=1e-3, atol=1e-3)
    off = forecast(x, window_norm=False)
    still = forecast(moved, window_norm=False) - (off * factor[index] + shift[index])
    assert abs(still).max() > 1  # or the network would do so by itself


def test_off_is_the_identity_to_the_bit() -> None:
    x, lengths = jnp.asarray(windows()), jnp.array([6, 1, 3, 5])
    y, seen = inputs.normalise_windows(x, lengths, jnp.bool_(False))
    np.testing.assert_array_equal(y, x)
    outputs = jax.random.normal(jax.random.key(0), (4, 4))
    np.testing.assert_array_equal(inputs.restore_units(outputs, seen, FORECAST), outputs)


@pytest.mark.parametrize("garbage", [1e6, np.nan])
def test_what_lies_behind_a_window_does_not_count(garbage: float) -> None:
    x, lengths = windows(), np.array([6, 1, 3, 5], np.int32)
    behind = np.arange(6) >= lengths[:, None]
    x[behind] = 0.0
    expected = forecast(x, lengths)
    x[behind] = garbage
    np.testing.assert_array_equal(forecast(x, lengths), expected)
    cut = forecast(x[2:3, :3], lengths[2:3])
    np.testing.assert_allclose(cut[0], expected[2], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 1.0, -1e4])
def test_flat_windows_stay_finite_and_are_carried_on(level: float) -> None:
    """Their forecast is their level, but for what little a network adds: no division by zero."""
    x = np.full((4, 6, 3), level, np.float32)
    forecasts = forecast(x)
    assert np.isfinite(forecasts).all()
    np.testing.assert_allclose(forecasts, level, atol=0.05, rtol=1e-5)

    def loss(x: jax.Array) -> jax.Array:
        y, seen = inputs.normalise_windows(x, jnp.asarray(FULL), ON)
        return (inputs.restore_units(y[:, 0, jnp.array(FORECAST)], seen, FORECAST) ** 2).sum()

    assert np.isfinite(jax.grad(loss)(jnp.asarray(x))).all()
