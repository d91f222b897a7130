"""`.ts` and `.arff`: labelled sequences as the UCR and UEA archives publish them.

`.ts` is the format of sktime and aeon: a header of tags, then one sequence per line.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxrnn.data.options import ColumnRoles
from jaxrnn.data.readers.arff import read_arff
from jaxrnn.data.readers.labelled import LabelledSequence, to_sequences
from jaxrnn.data.readers.text import read_text
from jaxrnn.data.records import Sequences

ENDINGS = {"_TRAIN": "_TEST", "_train": "_test"}
"""Endings of the names of two files that belong together."""


def read(path: Path, roles: ColumnRoles) -> Sequences:
    """Read the sequences of a file, or of two.

    Args:
        path: A `.ts` or `.arff` file. If its name ends in `_TRAIN` and the same with `_TEST` is
            beside it, they are the train and test parts.
        roles: Roles that name no column.

    Raises:
        ValueError: A file is damaged, or sequences don't fit each other.
    """
    roles.refuse_columns(path)
    read_file = read_arff if path.suffix.lower() == ".arff" else read_ts
    for train, test in ENDINGS.items():
        name = path.stem.removesuffix(train)
        test_path = path.with_name(f"{name}{test}{path.suffix}")
        if path.stem.endswith(train) and test_path.is_file():
            return to_sequences(name, {"train": read_file(path), "test": read_file(test_path)})
    return to_sequences(path.stem, {"": read_file(path)})


class HeaderTag(NamedTuple):
    """A line of the header, such as `@classLabel true yes no`.

    Attributes:
        line: Number of the line.
        values: Words behind the name of the tag.
    """

    line: int
    values: list[str]

    @property
    def is_true(self) -> bool:
        """True if the first word is `true`."""
        return self.values[:1] in (["true"], ["True"], ["TRUE"])


ABSENT = HeaderTag(0, [])
"""Tag that stands for any that the header lacks."""


def read_ts(path: Path) -> list[LabelledSequence]:
    """Read the sequences of a `.ts` file.

    Args:
        path: A file of tags such as `@classLabel true yes no`, a line `@data`, and lines such as
            `1,2,3:4,5,6:yes`: variables with their steps, then the label.

    Raises:
        ValueError: A line breaks the format; the message has its number.
    """
    lines = [(number, line.strip()) for number, line in enumerate(read_text(path).split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    end = next((k for k, (_, line) in enumerate(lines) if line.lower() == "@data"), None)
    tags = _tags(path, lines[:end])
    if end is None:
        raise ValueError(f"'{path}' has no line `@data`, but must have one before its sequences.")
    _check_kind(path, tags)
    sequences = [_sequence(path, number, line, tags) for number, line in lines[end + 1 :]]
    if not sequences:
        raise ValueError(f"'{path}' has no sequences behind line {lines[end][0]}, `@data`.")
    return sequences


def _tags(path: Path, lines: list[tuple[int, str]]) -> dict[str, HeaderTag]:
    """Collect the tags by name, in small letters."""
    for number, line in lines:
        if not line.startswith("@"):
            raise ValueError(
                f"'{path}', line {number} starts with {line[:20]!r}, but must start with `@` or "
                "`#` before the line `@data`."
            )
    split = [(number, line[1:].split()) for number, line in lines]
    return {words[0].lower(): HeaderTag(number, words[1:]) for number, words in split if words}


def _check_kind(path: Path, tags: dict[str, HeaderTag]) -> None:
    stamps = tags.get("timestamps", ABSENT)
    if stamps.is_true:
        raise ValueError(
            f"'{path}', line {stamps.line} announces time stamps, but only values at even steps "
            "can be read."
        )
    if not any(tags.get(tag, ABSENT).is_true for tag in ("classlabel", "targetlabel")):
        raise ValueError(
            f"'{path}' has neither `@classLabel true` nor `@targetLabel true`, but its sequences "
            "must have something to learn."
        )


def _sequence(path: Path, number: int, line: str, tags: dict[str, HeaderTag]) -> LabelledSequence:
    place = f"'{path}', line {number}"
    *variables, label = line.split(":")
    _check_count(place, "variables", len(variables), tags.get("dimensions", ABSENT))
    if not variables:
        raise ValueError(f"{place} has no label, but must end in a colon and a label.")
    columns = [_numbers(place, variable) for variable in variables]
    if len({len(column) for column in columns}) > 1:
        steps = ", ".join(str(len(column)) for column in columns)
        raise ValueError(f"{place} has variables of {steps} steps, but they must be the same.")
    _check_count(place, "steps", len(columns[0]), tags.get("serieslength", ABSENT))
    return LabelledSequence(path, number, np.stack(columns, 1), _target(place, label.strip(), tags))


def _check_count(place: str, what: str, count: int, tag: HeaderTag) -> None:
    """Refuse a count that differs from that of a tag, if there is one."""
    if tag.values and tag.values[0] not in ("0", str(count)):
        raise ValueError(
            f"{place} has {count} {what}, but must have {tag.values[0]} as line {tag.line} says."
        )


def _numbers(place: str, variable: str) -> np.ndarray:
    """Read the steps of a variable, `(time,)`."""
    fields = variable.replace("?", "nan").split(",")
    try:
        return np.array(fields, np.float64)
    except ValueError:
        for step, field in enumerate(fields, 1):
            try:
                float(field)
            except ValueError:
                raise ValueError(
                    f"{place} holds {field[:20]!r} in step {step}, but must hold a number."
                ) from None
        raise


def _target(place: str, label: str, tags: dict[str, HeaderTag]) -> str | float:
    classes = tags.get("classlabel", ABSENT)
    if classes.is_true:
        allowed = classes.values[1:] or [label]
        if label not in allowed or not label:
            raise ValueError(
                f"{place} has the label {label[:20]!r}, but only those of line {classes.line} are "
                f"allowed: {', '.join(allowed[:20])}."
            )
        return label
    value = _numbers(place, label)
    if len(value) > 1 or not np.isfinite(value).all():
        raise ValueError(f"{place} ends in {label[:20]!r}, but must end in the number to predict.")
    return float(value[0])
