"""Target replication: a part of the loss lies on every step (Lipton et al. 2016)."""

from collections.abc import Callable

import jax.numpy as jnp

from jaxrnn.tasks.problem import Outputs
from jaxrnn.tasks.steps import step_sums
from jaxrnn.tasks.task import Losses
from jaxrnn.types import Array, Number


def replicated(share: Number, outputs: Outputs, loss: Callable[[Array], Array]) -> Losses:
    """The loss after the last step, `share` of it replaced by its mean over all true steps.

    Args:
        share: Of replication, from 0 to 1.
        outputs: After the last step, and after every one where somebody replicates.
        loss: From `(batch, steps, outputs)` to `(batch, steps)`.
    """
    at_end = loss(outputs.last[:, None])[:, 0]
    ones = jnp.ones_like(at_end)
    if outputs.every is None:
        return Losses(at_end, ones)
    mean = step_sums(outputs, loss) / outputs.lengths
    return Losses((1.0 - share) * at_end + share * mean, ones)
