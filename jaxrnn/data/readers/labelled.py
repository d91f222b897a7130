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
    """One sequence.

    Attributes:
        path: Of its file.
        line: On which it stands.
        values: float64 `(time, features)`; NaN where one is missing.
        target: Its label, or a number to predict.
    """

    path: Path
    line: int
    values: np.ndarray
    target: str | float

    @property
    def place(self) -> str:
        """For messages."""
        return f"'{self.path}', line {self.line}"


def to_sequences(name: str, parts: Mapping[str, list[LabelledSequence]]) -> Sequences:
    """Cases as a record.

    Args:
        name: Of the record.
        parts: Cases by the name of their part; by "" where there are no parts.

    Raises:
        ValueError: Empty, missing or infinite values, or different features.
    """
    cases = [case for part in parts.values() for case in part]
    features = cases[0].values.shape[1]
    for case in cases:
        _check(case, features)
    return Sequences(
        name,
        pad_sequences([case.values for case in cases]),
        np.array([len(case.values) for case in cases], np.int32),
        _to_labels([case.target for case in cases]),
        parts=None if "" in parts else np.repeat(list(parts), list(map(len, parts.values()))),
    )


def _check(case: LabelledSequence, features: int) -> None:
    time, found = case.values.shape
    if not time or found != features:
        raise ValueError(
            f"{case.place} has {time} steps of {found} variables, but must have at least 1 step of "
            f"{features} as the first sequence."
        )
    if isinstance(case.target, float) and not np.isfinite(case.target):
        raise ValueError(f"{case.place} ends in {case.target}, but must end in a finite number.")
    strange = np.argwhere(~np.isfinite(case.values))
    if len(strange):
        step, variable = strange[0] + 1
        raise ValueError(
            f"{case.place} holds a missing or infinite value in step {step} of variable "
            f"{variable}, but must hold numbers."
        )


def _to_labels(values: list[str | float]) -> np.ndarray:
    """Labels as whole numbers where all of them are."""
    if all(isinstance(one, str) and WHOLE_NUMBER.fullmatch(one) for one in values):
        return np.array([int(one) for one in values])
    return np.array(values)
