"""The task: one label per sequence. Its loss and its metrics, as sums over samples."""

import jax.numpy as jnp
import optax

from jaxrnn.types import AnyArray, Array

METRICS = ("loss", "accuracy")
"""Mean cross-entropy in nats (lower is better); share of right labels in [0, 1]."""


def loss(logits: Array, labels: AnyArray) -> Array:
    """Cross-entropy of each sample in nats, `(batch,)`; logits `(batch, classes)`."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels)


def metric_sums(logits: Array, labels: AnyArray, weights: AnyArray) -> Array:
    """Weighted sums over the batch, one per name in `METRICS`; weights `(batch,)`."""
    right = (jnp.argmax(logits, axis=-1) == labels).astype(jnp.float32)
    return jnp.stack([jnp.sum(weights * loss(logits, labels)), jnp.sum(weights * right)])
