"""From records to data: every kind of record with the options that it knows."""

from jaxrnn.data.dataset import Data
from jaxrnn.data.options import TaskOptions
from jaxrnn.data.records import (
    LabelledTexts,
    LongText,
    PianoRolls,
    Record,
    Sequences,
    TimeSeries,
)
from jaxrnn.data.rolls import from_rolls
from jaxrnn.data.sequences import from_sequences, from_texts
from jaxrnn.data.series import from_series
from jaxrnn.data.splitting import Division
from jaxrnn.data.text import from_text

NAMES = {
    Sequences: "sequences with targets",
    LabelledTexts: "texts with labels",
    LongText: "one long text",
    PianoRolls: "rolls",
    TimeSeries: "series",
}
"""Names of records in messages."""
TASKS = {
    LabelledTexts: "classification",
    LongText: "language",
    PianoRolls: "next_step",
    TimeSeries: "forecasting",
}
"""Tasks of the records that have only one."""
OPTIONS = {LongText: ("block", "unit"), TimeSeries: ("look_back", "horizon", "reach_back")}
"""Options, besides the task, that have a meaning for a record."""


def prepare(
    record: Record, options: TaskOptions | None = None, split: Division = None, seed: int = 0
) -> Data:
    """Divide, scale and encode a record.

    Args:
        record: What a file or arrays hold.
        options: What is to be learned; by default what the record says.
        split: Division of train, validation and test, 70/15/15 by default. Texts and series are
            divided in order of time.
        seed: Seed of a division at random, from 0 to 2**32 - 1.

    Raises:
        ValueError: An option has no meaning for the record, or the record can't be divided.
    """
    options = options or TaskOptions()
    _check_options(record, options)
    if isinstance(record, Sequences):
        return from_sequences(record, options.task, split, seed)
    if isinstance(record, LabelledTexts):
        return from_texts(record, split, seed)
    if isinstance(record, PianoRolls):
        return from_rolls(record, split, seed)
    if isinstance(record, LongText):
        return from_text(record, options, split)
    return from_series(record, options, split)


def _check_options(record: Record, options: TaskOptions) -> None:
    kind = type(record)
    if options.task not in (None, TASKS.get(kind, options.task)):
        raise ValueError(
            f"`task` is {options.task!r}, but must be {TASKS[kind]!r} for {NAMES[kind]}."
        )
    for name in options.changed:
        if name not in ("task", *OPTIONS.get(kind, ())):
            raise ValueError(f"`{name}` is given, but has no meaning for {NAMES[kind]}.")
