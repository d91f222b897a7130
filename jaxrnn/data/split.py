"""One part of the data, as networks read it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Samples of one part, encoded.

    Attributes:
        inputs: Standardised numbers, float32 `(samples, time, features)`, or tokens, int32
            `(samples, time)`; 0 behind the true length.
        targets: Targets `(samples, ...)`, encoded as the task wants them.
        lengths: True steps of each, int32 `(samples,)`, from 1 to time.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def time(self) -> int:
        """Number of steps that every sample is padded to."""
        return self.inputs.shape[1]

    @property
    def shortest(self) -> int:
        """Least true length."""
        return int(self.lengths.min())

    def trimmed(self, per_step: bool) -> "Split":
        """Cut off the steps that are padding in all samples.

        Args:
            per_step: True if targets have a time axis, too.
        """
        time = int(self.lengths.max())
        targets = self.targets[:, :time] if per_step else self.targets
        return Split(self.inputs[:, :time], targets, self.lengths)
