"""What files and arrays hold before they are divided and scaled: checked, plain records."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sequences:
    """Sequences of numbers, each with something to learn.

    Attributes:
        name: Name of the data, as the run folder shows it.
        inputs: Finite numbers `(samples, time, features)`; anything behind the true length.
        lengths: True steps, int32 `(samples,)`, from 1 to time.
        targets: Labels `(samples,)` (numbers or text), values `(samples, values)`, or a label for
            every step, `(samples, time)`.
        groups: Group of each sequence (a writer, a speaker, a piece), `(samples,)`, or None.
        parts: Name in `PARTS` for each sequence, `(samples,)`, where the data has splits of its
            own, or None. If none is `validation`, some of `train` are taken for it.
        target_names: Names of the values, where they have some.
    """

    name: str
    inputs: np.ndarray
    lengths: np.ndarray
    targets: np.ndarray
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None
    target_names: tuple[str, ...] = ()

    @property
    def per_step(self) -> bool:
        """True if there are as many targets as steps."""
        return self.targets.shape[1:] == self.inputs.shape[1:2]

    def part(self, name: str, rows: np.ndarray) -> "Sequences":
        """Take some of the sequences, as the part of that name."""
        return Sequences(name, self.inputs[rows], self.lengths[rows], self.targets[rows])


@dataclass(frozen=True)
class LabelledTexts:
    """Short texts, each with a label.

    Attributes:
        name: Name of the data, as the run folder shows it.
        inputs: Texts of at least one token.
        targets: Labels, numbers or text, `(samples,)`.
        groups: Group of each text, `(samples,)`, or None.
        parts: Name of the part of each text, `(samples,)`, or None; see `Sequences`.
    """

    name: str
    inputs: list[str]
    targets: np.ndarray
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None


@dataclass(frozen=True)
class LongText:
    """One long text, to predict it character by character, or word by word.

    Attributes:
        name: Name of the data, as the run folder shows it.
        text: The whole text.
    """

    name: str
    text: str


@dataclass(frozen=True)
class PianoRolls:
    """Sequences of sets of labels, such as the notes that sound, to predict the next set.

    Attributes:
        name: Name of the data, as the run folder shows it.
        rolls: Arrays `(time, labels)` of 0 and 1, one per piece, of at least 2 steps.
        groups: Group of each piece, `(pieces,)`, or None.
        parts: Name of the part of each piece, `(pieces,)`, or None; see `Sequences`.
    """

    name: str
    rolls: list[np.ndarray]
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None


@dataclass(frozen=True)
class TimeSeries:
    """Variables over time, to forecast some of them.

    Attributes:
        name: Name of the data, as the run folder shows it.
        values: float64 `(rows, variables)`, in order of time within each series; NaN where a value
            is missing.
        names: Names of the variables.
        targets: Names of those to forecast.
        series: Series that a row belongs to, `(rows,)`, or None for a single one.
    """

    name: str
    values: np.ndarray
    names: tuple[str, ...]
    targets: tuple[str, ...]
    series: np.ndarray | None = None


Record: TypeAlias = Sequences | LabelledTexts | LongText | PianoRolls | TimeSeries
"""What a file or arrays hold."""
