"""Some of the samples, as networks read them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Split:
    """Some of the samples.

    Attributes:
        inputs: Standardised, float32 `(samples, time, features)`, or tokens, int32
            `(samples, time)`; 0 behind the true length.
        targets: `(samples, ...)`, as the task wants them.
        lengths: True steps of each, int32 `(samples,)`, from 1 to time.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def time(self) -> int:
        """Steps that every sample is padded to."""
        return self.inputs.shape[1]

    @property
    def shortest(self) -> int:
        """The least true length."""
        return int(self.lengths.min())

    def trimmed(self, every: bool) -> "Split":
        """Without steps that are padding in all samples; `every`: targets have a time axis, too."""
        time = int(self.lengths.max())
        targets = self.targets[:, :time] if every else self.targets
        return Split(self.inputs[:, :time], targets, self.lengths)
