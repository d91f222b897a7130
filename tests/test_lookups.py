"""Rows of tokens and steps of sequences are looked up alike, with gradients, on every platform."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxrnn.network import inputs
from jaxrnn.network.masking import ends

BATCH, TIME, UNITS, VOCABULARY = 3, 5, 4, 7


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def tokens() -> np.ndarray:
    """Some occur often, some never."""
    return np.random.default_rng(1).integers(0, VOCABULARY - 2, (BATCH, TIME)).astype(np.int32)


@pytest.mark.parametrize("way", [inputs._add_rows, inputs._multiply_rows])
def test_gradients_of_embeddings_are_the_same_on_every_platform(way: Any) -> None:
    gradient, expected = normal(BATCH, TIME, UNITS), np.zeros((VOCABULARY, UNITS))
    np.add.at(expected, tokens(), gradient)
    given = jnp.zeros((VOCABULARY, UNITS)), jnp.asarray(tokens()), jnp.asarray(gradient)
    np.testing.assert_allclose(way(*given), expected, rtol=1e-5, atol=1e-6)
    assert not np.asarray(way(*given))[-2:].any()


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize("rows", [VOCABULARY, inputs.ONE_HOT_LIMIT + 1])
def test_embeddings_of_lanes_share_their_tokens(lanes: int, rows: int) -> None:
    table, weights = normal(lanes, rows, UNITS), normal(BATCH, TIME, UNITS)
    read = jnp.asarray(tokens())

    def loss(table: Any) -> Any:
        return (inputs.embed(table, read) * weights).sum()

    losses, gradients = jax.vmap(jax.value_and_grad(loss))(jnp.asarray(table))
    expected = np.zeros((rows, UNITS))
    np.add.at(expected, tokens(), weights)
    wanted = (table[:, tokens()] * weights).sum((1, 2, 3))
    np.testing.assert_allclose(losses, wanted, rtol=1e-5, atol=1e-5)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("directions", [1, 2])
def test_ends_pass_gradients_to_one_step_of_each_sequence(directions: int) -> None:
    lengths = np.array([1, TIME, 3], np.int32)
    x, weights = normal(BATCH, TIME, UNITS, directions), normal(BATCH, UNITS, directions)
    x[np.arange(TIME) >= lengths[:, None]] = np.nan

    def loss(x: Any) -> Any:
        return (ends(x, jnp.asarray(lengths)) * weights).sum()

    value, gradient = jax.value_and_grad(loss)(jnp.asarray(x))
    expected = np.zeros(x.shape)
    expected[np.arange(BATCH), lengths - 1, :, 0] = weights[..., 0]
    expected[:, 0, :, 1:] += weights[..., 1:]
    np.testing.assert_array_equal(gradient, expected.astype(np.float32))
    picked = np.where(expected != 0, x, 0).sum(1)
    np.testing.assert_allclose(value, (picked * weights).sum(), rtol=1e-5, atol=1e-5)
    assert "scatter" not in str(jax.make_jaxpr(jax.grad(loss))(jnp.asarray(x)))
