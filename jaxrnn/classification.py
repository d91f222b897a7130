"""The task: one label per sequence. Its loss and its metrics, as sums over samples."""

import jax.numpy as jnp
import optax

from jaxrnn.hyperparameters import Hyperparameters
from jaxrnn.types import AnyArray, Array

METRICS = ("loss", "accuracy")
"""Mean cross-entropy in nats (lower is better); share of right labels in [0, 1]."""


def training_loss(
    numbers: Hyperparameters, last: Array, every: Array | None, labels: AnyArray, lengths: AnyArray
) -> Array:
    """Loss of each sample in nats, `(batch,)`, with label smoothing and target replication.

    Args:
        numbers: The member's.
        last: Logits after the sequence, `(batch, classes)`.
        every: Logits after each step, `(batch, time, classes)`, or None.
        labels: `(batch,)`.
        lengths: True steps, `(batch,)`; a sequence counts once, however long it is.
    """
    targets = optax.smooth_labels(
        jnp.eye(last.shape[-1], dtype=last.dtype)[labels], numbers.label_smoothing
    )
    at_end = optax.softmax_cross_entropy(last, targets)
    if every is None:
        return at_end
    at_steps = optax.softmax_cross_entropy(every, targets[:, None])  # (batch, time)
    true = jnp.arange(every.shape[1])[None] < lengths[:, None]
    mean = jnp.where(true, at_steps, 0.0).sum(1) / lengths
    share = numbers.target_replication
    return (1.0 - share) * at_end + share * mean


def metric_sums(logits: Array, labels: AnyArray, weights: AnyArray) -> Array:
    """Weighted sums over the batch, one per name in `METRICS`; weights `(batch,)`."""
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    right = (jnp.argmax(logits, axis=-1) == labels).astype(jnp.float32)
    return jnp.stack([jnp.sum(weights * losses), jnp.sum(weights * right)])
