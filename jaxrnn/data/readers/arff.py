"""`.arff`, the format of Weka: attributes, then one sequence per line."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io.arff import loadarff

from jaxrnn.data.readers.labelled import LabelledSequence
from jaxrnn.data.readers.text import read_text


class LineCounter(io.StringIO):
    """A text that counts the lines that were read of it."""

    count = 0

    def __next__(self) -> str:
        self.count += 1
        return super().__next__()


def read_arff(path: Path) -> list[LabelledSequence]:
    """Read the sequences of a file.

    Args:
        path: A file whose last attribute is the label. Those before it are the steps of a
            variable; or one relational attribute holds a line per variable, its attributes
            being the steps. Steps missing (`?`) at the end of a sequence make it shorter.

    Raises:
        ValueError: A line breaks the format; the message has its number.
    """
    text = LineCounter(read_text(path))
    try:
        rows: Any = loadarff(text)[0]
    except Exception as error:  # SciPy raises StopIteration, IndexError and others
        raise ValueError(
            f"'{path}', line {text.count} can't be read as ARFF: {_reason(error)}."
        ) from None
    names = rows.dtype.names
    lines = _data_lines(text.getvalue())
    if len(names) < 2 or not len(rows) or len(lines) != len(rows):
        raise ValueError(
            f"'{path}' has {len(names)} attributes and {len(rows)} sequences, but must have "
            "steps, a label and at least one sequence."
        )
    return [
        _sequence(path, number, line, row)
        for (number, line), row in zip(lines, rows.tolist(), strict=True)
    ]


def _reason(error: Exception) -> str:
    """Say why SciPy failed; its own errors are silent about files that end too early."""
    if isinstance(error, StopIteration):
        return "it ends before a line `@data`"
    if isinstance(error, IndexError):
        return "it has fewer values than there are attributes"
    return " ".join(str(error).split()).rstrip(".")[:200]


def _data_lines(text: str) -> list[tuple[int, str]]:
    """List the lines behind `@data` that SciPy reads, with their numbers."""
    lines = list(enumerate(text.split("\n"), 1))
    start = next(number for number, line in lines if line.lower().startswith("@data"))
    return [
        (number, line)
        for number, line in lines[start:]
        if line.strip() and not line.startswith("%")
    ]


def _sequence(path: Path, number: int, line: str, row: tuple[Any, ...]) -> LabelledSequence:
    place = f"'{path}', line {number}"
    *steps, label = row
    relational = isinstance(steps[0], np.ndarray)
    variables = [list(variable) for variable in steps[0].tolist()] if relational else [steps]
    target = label.decode() if isinstance(label, bytes) else label
    if (len(steps) > 1 and relational) or not isinstance(target, str | float):
        raise ValueError(
            f"{place} must hold one relational attribute or the steps of a variable, then a label."
        )
    values = _numbers(place, variables)
    if line.count(",") - str(target).count(",") != len(variables) * (len(variables[0]) - 1) + 1:
        raise ValueError(f"{place} must hold as many values as there are attributes.")
    present = np.flatnonzero(~np.isnan(values).all(axis=1))
    return LabelledSequence(path, number, values[: present.max(initial=-1) + 1], target)


def _numbers(place: str, variables: list[list[Any]]) -> np.ndarray:
    """Make an array `(time, variables)`."""
    if any(not isinstance(value, float) for variable in variables for value in variable):
        raise ValueError(f"{place} holds text or dates before its label, but must hold numbers.")
    return np.array(variables, np.float64).T
