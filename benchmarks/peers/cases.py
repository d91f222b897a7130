"""Cases of the throughput, with the configurations and the noise that all contestants take."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

SAMPLES, FEATURES, CLASSES, BATCH = 320, 8, 10, 32
DROPOUT = 0.2
CELLS, HIDDEN, LENGTHS = ("lstm", "gru"), (16, 32, 64, 128), (8, 50, 200)
POPULATIONS, ON_ACCELERATORS = (1, 8, 64, 256), (1024, 4096)
STEPS_OF_A_TRIAL = 24
"""Time steps of each sequence in a trial, where an epoch has fewer."""


class Case(NamedTuple):
    """One network on one kind of data.

    Attributes:
        cell: `lstm` or `gru`.
        hidden: Units.
        length: Time steps of every sequence.
    """

    cell: str
    hidden: int
    length: int

    @property
    def epochs(self) -> int:
        """Epochs of every trial, more where they are short."""
        return max(1, STEPS_OF_A_TRIAL // self.length)


@dataclass(frozen=True)
class Grid:
    """All that is measured.

    Attributes:
        cells: Cells of the cases.
        hidden: Hidden units of the cases.
        lengths: Time steps of the cases.
        populations: Members that train together; None for those that suit the device.
        rounds: Measurements of each contestant; seeds of the whole job.
        seconds: Least time of a measurement.
        patience: Seconds after which a contestant sits out the other rounds of a case.
        trials: Trials of the whole job.
        epochs: Most epochs of a trial of the whole job.
    """

    cells: tuple[str, ...] = CELLS
    hidden: tuple[int, ...] = HIDDEN
    lengths: tuple[int, ...] = LENGTHS
    populations: tuple[int, ...] | None = None
    rounds: int = 3
    seconds: float = 0.5
    patience: float = 20.0
    trials: int = 256
    epochs: int = 27

    @property
    def cases(self) -> list[Case]:
        """Every network on every kind of data."""
        return [Case(c, h, t) for c in self.cells for h in self.hidden for t in self.lengths]

    def on(self, platform: str) -> tuple[int, ...]:
        """Populations to measure on a device of this kind, such as `cpu`."""
        if self.populations is not None:
            return self.populations
        return POPULATIONS if platform == "cpu" else POPULATIONS + ON_ACCELERATORS


QUICK = Grid(
    cells=("lstm",), hidden=(32,), lengths=(8, 50), populations=(8, 64), trials=27, epochs=9
)


def configurations(case: Case, members: int) -> list[dict[str, Any]]:
    """One for each member, in the words of `jaxrnn`; the first are the same for any `members`."""
    rng = np.random.default_rng(0)
    lows, highs = np.log([(1e-3, 3e-2), (0.1, 10.0), (1e-5, 1e-1)]).T
    drawn = np.exp(rng.uniform(lows, highs, (members, 3)))
    names = ("learning_rate", "clip_norm", "weight_decay")
    fixed = {"cell": case.cell, "hidden_size": case.hidden, "dropout": DROPOUT}
    return [fixed | dict(zip(names, map(float, numbers), strict=True)) for numbers in drawn]


def noise(length: int, samples: int = SAMPLES) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, float32 `(samples, length, features)`, and labels that they say nothing about."""
    inputs = np.random.default_rng(0).normal(size=(samples, length, FEATURES))
    return inputs.astype(np.float32), np.arange(samples) % CLASSES
