"""Cross-entropies and their written-out gradients are NumPy's in float64, and Optax's."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit, log_expit, log_softmax, softmax

from jaxrnn.tasks.losses import binary_cross_entropy, cross_entropy

BATCH, TIME, CLASSES = 4, 5, 7


def logits(scale: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (scale * rng.normal(size=(BATCH, TIME, CLASSES))).astype(np.float32)


def pulled(loss: Callable[[Any], jax.Array], outputs: Any) -> tuple[jax.Array, np.ndarray, Any]:
    """Losses, random weights of them, and the gradient of their weighted sum."""
    weights = np.random.default_rng(2).normal(size=(BATCH, TIME)).astype(np.float32)
    losses, backwards = jax.vjp(loss, jnp.asarray(outputs))
    return losses, weights, backwards(jnp.asarray(weights))[0]


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_labels(scale: float, dtype: Any) -> None:
    z = logits(scale)
    targets = (np.random.default_rng(1).random(z.shape) < 0.3).astype(dtype)
    losses, weights, gradient = pulled(lambda z: binary_cross_entropy(z, targets), z)
    signs, exact = np.where(targets, 1.0, -1.0), z.astype(float)
    np.testing.assert_allclose(losses, -log_expit(signs * exact).sum(-1), rtol=2e-6)
    expected = -signs * expit(-signs * exact) * weights[..., None]
    np.testing.assert_allclose(gradient, expected, rtol=2e-5, atol=1e-37)
    wanted = optax.sigmoid_binary_cross_entropy(jnp.asarray(z), jnp.float32(targets)).sum(-1)
    np.testing.assert_allclose(losses, wanted, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1e3])
@pytest.mark.parametrize("smoothing", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("steps", [1, TIME])
def test_classes(scale: float, smoothing: float, steps: int) -> None:
    """Also where all steps share a target."""
    z, targets = logits(scale), np.random.default_rng(1).integers(0, CLASSES, (BATCH, steps))

    def loss(z: Any) -> jax.Array:
        return cross_entropy(z, targets.astype(np.int32), jnp.float32(smoothing))

    losses, weights, gradient = pulled(loss, z)
    certain, exact = np.eye(CLASSES)[targets], z.astype(float)
    wanted = (1 - smoothing) * certain + smoothing / CLASSES
    expected = -(wanted * log_softmax(exact, -1)).sum(-1)
    np.testing.assert_allclose(losses, expected, rtol=2e-6, atol=1e-6)
    expected = (softmax(exact, -1) - wanted) * weights[..., None]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
    smooth = optax.smooth_labels(jnp.float32(certain), smoothing)
    theirs = pulled(lambda z: optax.softmax_cross_entropy(z, smooth), z)
    np.testing.assert_allclose(losses, theirs[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradient, theirs[2], rtol=1e-5, atol=1e-6)


def test_lanes_share_targets_and_differ_in_smoothing() -> None:
    z, smoothing = (
        np.stack([logits(1.0, k) for k in range(3)]),
        np.array([0.0, 0.1, 0.5], np.float32),
    )
    targets = np.random.default_rng(1).integers(0, CLASSES, (BATCH, TIME)).astype(np.int32)

    def gradient(z: Any, smoothing: Any) -> Any:
        return jax.grad(lambda z: cross_entropy(z, targets, smoothing).sum())(z)

    lanes = jax.vmap(gradient)(z, smoothing)
    alone = [gradient(jnp.asarray(z[k]), smoothing[k]) for k in range(3)]
    np.testing.assert_allclose(lanes, np.stack(alone), rtol=1e-6, atol=1e-7)
