"""Losses of a batch of sequences that differ in length: what counts, and how it is summed."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import SequenceLosses
from jaxrnn.types import AnyArray, Array, Number


def true_steps(outputs: Outputs) -> Array:
    """Which of the steps in `outputs.per_step` are no padding, `(batch, time)` bool."""
    return jnp.arange(outputs.per_step.shape[1])[None] < outputs.lengths[:, None]


def where_counted(values: AnyArray, counted: AnyArray) -> Array:
    """The `values` where `counted`, whose axes are their first ones, and 0 elsewhere, also for NaN.

    Of what a loss reads as well as of what it gives: the gradient of a masked NaN is NaN otherwise.
    """
    return jnp.where(
        counted.reshape(counted.shape + (1,) * (values.ndim - counted.ndim)), values, 0
    )


def without_padding(outputs: Outputs, weights: AnyArray) -> Outputs:
    """The outputs with no true steps where a sequence has weight 0."""
    return outputs._replace(lengths=jnp.where(weights > 0, outputs.lengths, 0))


def step_sums(outputs: Outputs, loss: Callable[[Array], Array]) -> Array:
    """A loss of `(batch, time, outputs)` that is `(batch, time)`, summed to `(batch,)`."""
    true = true_steps(outputs)
    return where_counted(loss(where_counted(outputs.per_step, true)), true).sum(1)


def step_losses(outputs: Outputs, loss: Callable[[Array], Array]) -> SequenceLosses:
    """Training losses where every true step counts alike; see `step_sums`."""
    return SequenceLosses(step_sums(outputs, loss), outputs.lengths.astype(jnp.float32))


def replicated_losses(
    share: Number, outputs: Outputs, loss: Callable[[Array], Array]
) -> SequenceLosses:
    """The loss after the last step, `share` of it replaced by its mean over all true steps.

    Args:
        share: Of replication, from 0 to 1.
        outputs: After the last step, and after every one where somebody replicates.
        loss: From `(batch, steps, outputs)` to `(batch, steps)`.
    """
    at_end = loss(outputs.last[:, None])[:, 0]
    ones = jnp.ones_like(at_end)
    if outputs.per_step is None:
        return SequenceLosses(at_end, ones)
    mean = step_sums(outputs, loss) / outputs.lengths
    return SequenceLosses((1.0 - share) * at_end + share * mean, ones)


def cross_entropy(outputs: Array, targets: AnyArray, smoothing: AnyArray = 0.0) -> Array:
    """Of logits `(..., classes)` and indices, in nats, `(...)`.

    Args:
        outputs: The logits.
        targets: `(...)`, or with axes of 1 where the same holds for all of `outputs`.
        smoothing: Probability spread over all classes (Szegedy et al. 2016).
    """
    certain = jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return optax.softmax_cross_entropy(outputs, optax.smooth_labels(certain, smoothing))
