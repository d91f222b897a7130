"""Where a run is within an epoch, and what it reports at the end of one."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.network.network import NetworkCarry
from jaxrnn.training.step import GradientSum, StepInfo
from jaxrnn.types import AnyArray, Array


class EpochMetrics(NamedTuple):
    """What training saw in an epoch, each `()`; NaN before the first.

    Attributes:
        train_loss: Mean over what counts in all samples, each at the parameters of its time.
        gradient_norm_mean: Over the updates, of the global norm before penalty and clipping.
        gradient_norm_max: Likewise.
        learning_rate: Of the last update.
        validation_loss: At the end, where the member's stopping or schedule asks for it.
    """

    train_loss: AnyArray
    gradient_norm_mean: AnyArray
    gradient_norm_max: AnyArray
    learning_rate: AnyArray
    validation_loss: AnyArray


NO_METRICS = EpochMetrics(*[np.float32(np.nan)] * len(EpochMetrics._fields))


class MetricSums(NamedTuple):
    """Sums over the steps of an epoch, each `()`; in order, so that pieces add up to the same bits.

    Attributes:
        loss: Of the samples.
        weight: Of the losses.
        norm: Of the gradients of updates.
        largest: Of the same.
        updates: How many.
        rate: Learning rate of the last.
    """

    loss: Array
    weight: Array
    norm: Array
    largest: Array
    updates: Array
    rate: Array

    @classmethod
    def zero(cls) -> "MetricSums":
        """Before the first step."""
        return cls(*[jnp.float32(0)] * len(cls._fields))

    def after(self, seen: StepInfo) -> "MetricSums":
        """One step later."""
        norm = jnp.where(seen.updated, seen.norm, 0.0)
        return MetricSums(
            self.loss + seen.loss,
            self.weight + seen.weight,
            self.norm + norm,
            jnp.maximum(self.largest, norm),
            self.updates + seen.updated,
            jnp.where(seen.updated, seen.rate, self.rate),
        )

    def metrics(self) -> EpochMetrics:
        """At the end of the epoch."""
        return EpochMetrics(
            train_loss=self.loss / self.weight,
            gradient_norm_mean=self.norm / self.updates,
            gradient_norm_max=self.largest,
            learning_rate=self.rate,
            validation_loss=jnp.float32(jnp.nan),
        )


class PartialEpoch(NamedTuple):
    """Within an epoch.

    Attributes:
        running: `()` bool, whether the member takes part in this epoch.
        gradient_sum: The update begun; None where every microbatch is one.
        carry: Where each row of the text is; None where nothing is carried on.
        sums: Sums so far.
    """

    running: Array
    gradient_sum: GradientSum | None
    carry: NetworkCarry | None
    sums: MetricSums
