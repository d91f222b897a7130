"""Losses of a batch of sequences that differ in length: masks, sums, cross-entropy."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

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


def cross_entropy(outputs: Array, targets: AnyArray, smoothing: AnyArray = 0.0) -> Array:
    """Compute the cross-entropy in nats, `(...)`.

    Args:
        outputs: Logits, `(..., classes)`.
        targets: Indices of classes, `(...)`, or with axes of length 1 that are broadcast.
        smoothing: Probability spread over all classes (Szegedy et al. 2016).
    """
    certain = jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return optax.softmax_cross_entropy(outputs, optax.smooth_labels(certain, smoothing))
