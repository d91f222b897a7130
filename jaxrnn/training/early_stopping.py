"""The validation loss after every epoch: it slows training down, keeps the best, and stops it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.configuration.registry import SCHEDULES
from jaxrnn.network.packing import Packed
from jaxrnn.types import AnyArray, Array


class ValidationTracker(NamedTuple):
    """State of plateau schedule and early stopping, all `()` but the parameters.

    Attributes:
        factor: Factor of the learning rate under the plateau schedule.
        lowest: Validation loss that a stall is measured against.
        stall: Epochs since `lowest`.
        best: Validation loss that early stopping is measured against.
        parameters: Parameters of the epoch of `best`.
        wait: Epochs since `best`.
        stopped: Whether early stopping has ended the run.
    """

    factor: AnyArray
    lowest: AnyArray
    stall: AnyArray
    best: AnyArray
    parameters: Packed
    wait: AnyArray
    stopped: AnyArray

    @classmethod
    def init(cls, parameters: Packed) -> "ValidationTracker":
        """Return the state before the first epoch, on the host."""
        infinity, zero = np.float32(np.inf), np.int32(0)
        first = jax.tree.map(np.copy, parameters)
        return cls(np.float32(1), infinity, zero, infinity, first, zero, np.bool_(False))

    def update(
        self, hp: Hyperparameters, loss: AnyArray, parameters: Packed
    ) -> "ValidationTracker":
        """Return the state one epoch later.

        Args:
            hp: Hyperparameters of the member.
            loss: Loss on the validation data, `()`; NaN is no progress.
            parameters: Parameters at the end of the epoch.
        """
        progress = loss < self.lowest - hp.plateau_min_delta
        stall = jnp.where(progress, 0, self.stall + 1)
        plateau = hp.schedule == SCHEDULES.index("plateau")
        slower = plateau & (stall >= hp.plateau_patience)
        better = loss < self.best - hp.min_delta
        wait = jnp.where(better, 0, self.wait + 1)
        return ValidationTracker(
            factor=jnp.where(slower, self.factor * hp.plateau_factor, self.factor),
            lowest=jnp.where(progress, loss, self.lowest),
            stall=jnp.where(slower, 0, stall),
            best=jnp.where(better, loss, self.best),
            parameters=jax.tree.map(
                lambda new, old: jnp.where(better, new, old), parameters, self.parameters
            ),
            wait=wait,
            stopped=self.stopped | ((hp.patience > 0) & (wait >= hp.patience)),
        )

    def best_parameters(self, hp: Hyperparameters, parameters: Packed) -> Packed:
        """Return the parameters to evaluate with: the best ones, where there is patience."""
        restore = (hp.patience > 0) & jnp.isfinite(self.best)
        return jax.tree.map(
            lambda best, last: jnp.where(restore, best, last), self.parameters, parameters
        )


def uses_validation(hp: Hyperparameters) -> Array:
    """Return whether the validation loss steers a member's training, `()` bool."""
    return (hp.patience > 0) | (hp.schedule == SCHEDULES.index("plateau"))
