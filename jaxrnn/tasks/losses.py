"""Losses of a batch of sequences that differ in length: masks, sums, cross-entropies."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import SequenceLosses
from jaxrnn.types import AnyArray, Array, Number


def true_steps(outputs: Outputs) -> Array:
    """Mark the steps in `outputs.per_step` that are no padding, `(batch, time)` bool."""
    return jnp.arange(outputs.per_step.shape[1])[None] < outputs.lengths[:, None]


def where_counted(values: AnyArray, counted: AnyArray) -> Array:
    """Return `values` where `counted`, and 0 elsewhere, also for NaN.

    A loss applies it to its inputs as well as to its results, or the gradient of a masked NaN would
    be NaN.

    Args:
        values: Numbers, `(batch, ..., more)`.
        counted: Mask with the first axes of `values`, `(batch, ...)` bool.
    """
    return jnp.where(
        counted.reshape(counted.shape + (1,) * (values.ndim - counted.ndim)), values, 0
    )


def without_padding(outputs: Outputs, weights: AnyArray) -> Outputs:
    """Give sequences of weight 0 no true steps."""
    return outputs._replace(lengths=jnp.where(weights > 0, outputs.lengths, 0))


def step_sums(outputs: Outputs, loss: Callable[[Array], Array]) -> Array:
    """Sum a loss of `(batch, time, outputs)`, which is `(batch, time)`, over true steps."""
    true = true_steps(outputs)
    return where_counted(loss(where_counted(outputs.per_step, true)), true).sum(1)


def step_losses(outputs: Outputs, loss: Callable[[Array], Array]) -> SequenceLosses:
    """Compute training losses in which every true step counts alike; see `step_sums`."""
    return SequenceLosses(step_sums(outputs, loss), outputs.lengths.astype(jnp.float32))


def replicated_losses(
    share: Number, outputs: Outputs, loss: Callable[[Array], Array]
) -> SequenceLosses:
    """Compute the loss after the last step, partly replaced by its mean over all true steps.

    Args:
        share: Share of target replication, from 0 to 1.
        outputs: Outputs after the last step, and after every step if a member replicates.
        loss: Function from `(batch, steps, outputs)` to `(batch, steps)`.
    """
    last = loss(outputs.last[:, None])[:, 0]
    ones = jnp.ones_like(last)
    if outputs.per_step is None:
        return SequenceLosses(last, ones)
    mean = step_sums(outputs, loss) / outputs.lengths
    return SequenceLosses((1.0 - share) * last + share * mean, ones)


@jax.custom_vjp
def binary_cross_entropy(outputs: Array, targets: AnyArray) -> Array:
    """Compute the cross-entropy of labels in nats, summed over the labels, `(...)`.

    It is log(1 + exp(-z)) for the logit z of what a target says. Its gradient is written out: it
    takes one exponential and no logarithm, and none of what the loss computed is kept.

    Args:
        outputs: Logits, `(..., labels)`.
        targets: 0 or 1, `(..., labels)`.
    """
    z = jnp.where(targets > 0, outputs, -outputs)
    return (jnp.maximum(-z, 0) + jnp.log1p(jnp.exp(-abs(z)))).sum(-1)


def _binary_forwards(outputs: Array, targets: AnyArray) -> tuple[Array, tuple[Array, AnyArray]]:
    return binary_cross_entropy(outputs, targets), (outputs, targets)


def _binary_backwards(saved: tuple[Array, AnyArray], gradient: Array) -> tuple[Array, None]:
    outputs, targets = saved
    missing = jax.nn.sigmoid(jnp.where(targets > 0, -outputs, outputs))
    return jnp.where(targets > 0, -missing, missing) * gradient[..., None], None


binary_cross_entropy.defvjp(_binary_forwards, _binary_backwards)


@jax.custom_vjp
def cross_entropy(outputs: Array, targets: AnyArray, smoothing: AnyArray = 0.0) -> Array:
    """Compute the cross-entropy in nats, `(...)`.

    Its gradient with respect to the outputs is written out: the probability of a class less the
    probability that is wanted of it. No array of wanted probabilities is kept.

    Args:
        outputs: Logits, `(..., classes)`.
        targets: Indices of classes, `(...)`, or with axes of length 1 that are broadcast.
        smoothing: Probability spread over all classes (Szegedy et al. 2016); without a gradient.
    """
    return _cross_entropy_forwards(outputs, targets, smoothing)[0]


def _cross_entropy_forwards(
    outputs: Array, targets: AnyArray, smoothing: AnyArray
) -> tuple[Array, Any]:
    greatest = outputs.max(-1, keepdims=True)
    moved = outputs - greatest
    total = jnp.exp(moved).sum(-1)
    losses = jnp.log(total) - (_wanted(outputs, targets, smoothing) * moved).sum(-1)
    return losses, (outputs, targets, smoothing, greatest, total)


def _cross_entropy_backwards(saved: Any, gradient: Array) -> tuple[Array, None, None]:
    outputs, targets, smoothing, greatest, total = saved
    probabilities = jnp.exp(outputs - greatest) * (1 / total)[..., None]
    excess = probabilities - _wanted(outputs, targets, smoothing)
    return excess * gradient[..., None], None, None


def _wanted(outputs: Array, targets: AnyArray, smoothing: AnyArray) -> Array:
    """Return the probabilities that targets ask for, `(..., classes)`."""
    classes = jax.lax.broadcasted_iota(np.int32, outputs.shape, outputs.ndim - 1)
    certain = jnp.where(classes == targets[..., None], 1.0 - smoothing, 0.0)
    return certain + smoothing / outputs.shape[-1]


cross_entropy.defvjp(_cross_entropy_forwards, _cross_entropy_backwards)
