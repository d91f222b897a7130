"""One labelled sequence of a file, and many of them as a record."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrnn.data.arrays import pad_sequences
from jaxrnn.data.records import Sequences

WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")


class LabelledSequence(NamedTuple):
    """One sequence of a file.

    Attributes:
        path: Path of the file.
        line: Number of the line on which the sequence stands.
        values: float64 `(time, features)`; NaN where one is missing.
        target: Label, or a number to predict.
    """

    path: Path
    line: int
    values: np.ndarray
    target: str | float

    @property
    def place(self) -> str:
        """Place in the file, for messages."""
        return f"'{self.path}', line {self.line}"


def to_sequences(name: str, parts: Mapping[str, list[LabelledSequence]]) -> Sequences:
    """Make a record of labelled sequences.

    Args:
        name: Name of the record.
        parts: Sequences by the name of their part; by "" where there are no parts.

    Raises:
        ValueError: A sequence is empty, a value missing or infinite, or features differ.
    """
    sequences = [sequence for part in parts.values() for sequence in part]
    features = sequences[0].values.shape[1]
    for sequence in sequences:
        _check(sequence, features)
    return Sequences(
        name,
        pad_sequences([sequence.values for sequence in sequences]),
        np.array([len(sequence.values) for sequence in sequences], np.int32),
        _to_labels([sequence.target for sequence in sequences]),
        parts=None if "" in parts else np.repeat(list(parts), list(map(len, parts.values()))),
    )


def _check(sequence: LabelledSequence, features: int) -> None:
    time, variables = sequence.values.shape
    if not time or variables != features:
        raise ValueError(
            f"{sequence.place} has {time} steps of {variables} variables, but must have at least "
            f"1 step of {features} as the first sequence."
        )
    if isinstance(sequence.target, float) and not np.isfinite(sequence.target):
        raise ValueError(
            f"{sequence.place} ends in {sequence.target}, but must end in a finite number."
        )
    strange = np.argwhere(~np.isfinite(sequence.values))
    if len(strange):
        step, variable = strange[0] + 1
        raise ValueError(
            f"{sequence.place} holds a missing or infinite value in step {step} of variable "
            f"{variable}, but must hold numbers."
        )


def _to_labels(values: list[str | float]) -> np.ndarray:
    """Make an array of labels, of whole numbers if all of them are such."""
    if all(isinstance(value, str) and WHOLE_NUMBER.fullmatch(value) for value in values):
        return np.array([int(value) for value in values])
    return np.array(values)
