"""The state of a member within an epoch, which streaming keeps from one segment to the next."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.network.network import NetworkCarry
from jaxrnn.network.packing import Packed
from jaxrnn.training.epoch_metrics import StepInfo
from jaxrnn.types import AnyArray, Array


class StepRange(NamedTuple):
    """Steps of an epoch that a segment holds, each number `()` int32.

    Attributes:
        count: Number of steps; what else the segment has room for is never looked at.
        first: Steps of the epoch before these.
        total: Steps of the whole epoch.
    """

    count: AnyArray
    first: AnyArray
    total: AnyArray

    @classmethod
    def whole(cls, steps: int) -> "StepRange":
        """Return all steps of an epoch."""
        return cls(np.int32(steps), np.int32(0), np.int32(steps))

    @property
    def starts(self) -> Array:
        """Whether the epoch starts here, `()` bool."""
        return self.first == 0

    @property
    def ends(self) -> Array:
        """Whether the epoch ends here, `()` bool."""
        return self.first + self.count == self.total


class GradientSum(NamedTuple):
    """Microbatches of an update so far.

    Attributes:
        gradients: Sums over the samples.
        weight: Sum of the weights of their losses, `()`.
        begin: Index in the epoch of the first microbatch, `()` int32.
    """

    gradients: Packed
    weight: Array
    begin: Array

    def emptied(self, updated: Array, following: Array) -> "GradientSum":
        """Return the sum to go on with: a new one after an update, else this one.

        Args:
            updated: Whether the update was made, `()` bool.
            following: Index of the next microbatch, `()` int32.
        """
        return GradientSum(
            jax.tree.map(lambda leaf: jnp.where(updated, 0.0, leaf), self.gradients),
            jnp.where(updated, 0.0, self.weight),
            jnp.where(updated, following, self.begin),
        )


class PartialEpoch(NamedTuple):
    """The state that steps of an epoch hand on, besides weights and optimizer.

    Attributes:
        running: Whether the member takes part in this epoch, `()` bool.
        gradient_sum: Update begun; None where every microbatch is a batch.
        carry: Recurrent state of each row of a text; None where nothing is carried on.
        sums: Sums over the steps so far.
    """

    running: Array
    gradient_sum: GradientSum | None
    carry: NetworkCarry | None
    sums: StepInfo

    def resumed(self, before: "PartialEpoch | None", steps: StepRange) -> "PartialEpoch":
        """Return this start of an epoch, or where a segment that goes on left off.

        Args:
            before: State after the segment before; None where an epoch is always one segment.
            steps: Steps of the segment.
        """
        if before is None:
            return self
        return jax.tree.map(lambda new, old: jnp.where(steps.starts, new, old), self, before)
