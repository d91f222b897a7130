"""The metrics of training: sums over steps, and the means of an epoch."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.types import AnyArray


class EpochMetrics(NamedTuple):
    """Training metrics of an epoch, each `()` float32; NaN before the first epoch.

    Attributes:
        train_loss: Mean loss of all samples, each at the parameters of its time.
        gradient_norm_mean: Mean over the updates of the global norm before penalty and clipping.
        gradient_norm_max: Maximum over the updates of the same norm.
        learning_rate: Learning rate of the last update.
        validation_loss: Loss at the end, where the member's stopping or schedule asks for it.
    """

    train_loss: AnyArray
    gradient_norm_mean: AnyArray
    gradient_norm_max: AnyArray
    learning_rate: AnyArray
    validation_loss: AnyArray


NO_METRICS = EpochMetrics(*[np.float32(np.nan)] * len(EpochMetrics._fields))


class StepInfo(NamedTuple):
    """Sums over training steps, or the part of a single one, each `()`.

    Attributes:
        loss: Sum of the samples' losses; NaN once diverged.
        weight: Sum of the weights of these losses.
        norm: Sum over the updates of the global norm of the batch's mean gradient.
        max_norm: Largest of these norms, 0 without an update.
        updates: Number of updates; of a single step whether it completed a batch.
        rate: Learning rate of the last update.
    """

    loss: AnyArray
    weight: AnyArray
    norm: AnyArray
    max_norm: AnyArray
    updates: AnyArray
    rate: AnyArray

    @classmethod
    def zero(cls) -> "StepInfo":
        """Return the sums before the first step."""
        return cls(*[jnp.float32(0)] * len(cls._fields))

    def plus(self, step: "StepInfo") -> "StepInfo":
        """Return the sums after one more step; the order of the steps decides on the last bits."""
        return StepInfo(
            loss=self.loss + step.loss,
            weight=self.weight + step.weight,
            norm=self.norm + step.norm,
            max_norm=jnp.maximum(self.max_norm, step.max_norm),
            updates=self.updates + step.updates,
            rate=jnp.where(step.updates, step.rate, self.rate),
        )

    def metrics(self) -> EpochMetrics:
        """Return the metrics of an epoch, from the sums over all its steps."""
        return EpochMetrics(
            train_loss=self.loss / self.weight,
            gradient_norm_mean=self.norm / self.updates,
            gradient_norm_max=self.max_norm,
            learning_rate=self.rate,
            validation_loss=jnp.float32(jnp.nan),
        )
