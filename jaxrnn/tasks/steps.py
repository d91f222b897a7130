"""Sequences of a batch differ in length: what counts, and what lies behind."""

from collections.abc import Callable

import jax.numpy as jnp

from jaxrnn.tasks.problem import Outputs
from jaxrnn.tasks.task import Losses
from jaxrnn.types import AnyArray, Array


def true_steps(outputs: Outputs) -> Array:
    """Which of the steps in `outputs.every` are no padding, `(batch, time)` bool."""
    return jnp.arange(outputs.every.shape[1])[None] < outputs.lengths[:, None]


def only(values: AnyArray, counted: AnyArray) -> Array:
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
    return only(loss(only(outputs.every, true)), true).sum(1)


def step_losses(outputs: Outputs, loss: Callable[[Array], Array]) -> Losses:
    """Training losses where every true step counts alike; see `step_sums`."""
    return Losses(step_sums(outputs, loss), outputs.lengths.astype(jnp.float32))
