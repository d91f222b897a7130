"""What files and arrays hold before anybody decides on task, split and scale: plain records."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sequences:
    """Sequences of numbers, each with something to learn.

    Attributes:
        name: For the run folder.
        inputs: float64 `(samples, time, features)`; anything behind the true length.
        lengths: True steps, int `(samples,)`, from 1 to time.
        targets: One per sequence: labels `(samples,)` (numbers or text) or values
            `(samples, values)`; or a label for every step, int `(samples, time)`.
        groups: Whom each comes from (a writer, a speaker, a piece), `(samples,)`, or None.
        parts: A name of `PARTS` for each where the data has splits of its own, `(samples,)`, or
            None. Without any `validation`, that is taken out of `train`.
        target_names: Of the values, where they have names.
    """

    name: str
    inputs: np.ndarray
    lengths: np.ndarray
    targets: np.ndarray
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None
    target_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelledTexts:
    """Short texts, each with a label; see `Sequences`."""

    name: str
    inputs: list[str]
    targets: np.ndarray
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None


@dataclass(frozen=True)
class LongText:
    """One long text, to predict it character by character, or word by word.

    Attributes:
        name: For the run folder.
        text: All of it.
    """

    name: str
    text: str


@dataclass(frozen=True)
class PianoRolls:
    """Sequences of sets of labels, such as the notes that sound: predict the next set.

    Attributes:
        name: For the run folder.
        rolls: One `(time, labels)` array of 0 and 1 per piece, of at least 2 steps.
        groups: As in `Sequences`.
        parts: As in `Sequences`.
    """

    name: str
    rolls: list[np.ndarray]
    groups: np.ndarray | None = None
    parts: np.ndarray | None = None


@dataclass(frozen=True)
class TimeSeries:
    """Variables over time, to forecast some of them.

    Attributes:
        name: For the run folder.
        values: float64 `(rows, variables)`, in order of time within each series.
        names: Of the variables.
        targets: Names of those to forecast.
        series: Which series a row belongs to, `(rows,)`, or None for a single one.
    """

    name: str
    values: np.ndarray
    names: tuple[str, ...]
    targets: tuple[str, ...]
    series: np.ndarray | None = None


Record: TypeAlias = Sequences | LabelledTexts | LongText | PianoRolls | TimeSeries
"""What a file or arrays hold."""
