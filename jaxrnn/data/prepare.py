"""From records to data: every kind of record with the options that it knows."""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

from jaxrnn.data.dataset import Data
from jaxrnn.data.records import LabelledTexts, LongText, PianoRolls, Sequences, TimeSeries
from jaxrnn.data.rolls import from_rolls
from jaxrnn.data.sequences import from_sequences, from_texts
from jaxrnn.data.series import Window, from_series
from jaxrnn.data.splitting import Division, in_order
from jaxrnn.data.text import from_text
from jaxrnn.data.vocabulary import CHARACTER

Record: TypeAlias = Sequences | LabelledTexts | LongText | PianoRolls | TimeSeries
BLOCK = 64
TASK_OF_RECORD = {
    LabelledTexts: "classification",
    LongText: "language",
    PianoRolls: "next_step",
    TimeSeries: "forecasting",
}
"""What a record is for, where that is only one thing."""
OPTIONS_OF_RECORD = {
    LongText: ("block", "unit"),
    TimeSeries: ("look_back", "horizon", "reach_back"),
}
"""Options that make sense for one kind of record only."""


def prepare(
    raw: Record,
    *,
    task: str | None = None,
    split: Division = None,
    seed: int = 0,
    look_back: int | None = None,
    horizon: int | None = None,
    reach_back: bool = False,
    block: int = BLOCK,
    unit: str = CHARACTER,
) -> Data:
    """Data that is ready to train on.

    Args:
        raw: What a file or arrays hold.
        task: For sequences `classification`, `regression` or `labelling`, guessed by default:
            numbers with fractions are values, anything else is a label.
        split: Division of train, validation and test, at most 1 together, or whole counts; 70/15/15
            by default. Texts and series are divided in order of time.
        seed: Of a division at random, from 0 to 2**32 - 1.
        look_back: Rows of a series that a forecast sees.
        horizon: Rows of a series that it is of.
        reach_back: Whether the rows that a forecast sees may lie in the part before its own.
        block: Steps of a text in one piece, between which state is carried on.
        unit: What is a step of a long text, `character` or `word`.

    Raises:
        ValueError: An option that has no meaning for the record, or a record that doesn't fit.
    """
    _check_task(raw, task)
    given = {
        "look_back": look_back is not None,
        "horizon": horizon is not None,
        "reach_back": reach_back,
        "block": block != BLOCK,
        "unit": unit != CHARACTER,
    }
    _check_options(raw, [name for name, there in given.items() if there])
    if isinstance(raw, Sequences):
        return from_sequences(raw, task, split, seed)
    if isinstance(raw, LabelledTexts):
        return from_texts(raw, split, seed)
    if isinstance(raw, PianoRolls):
        return from_rolls(raw, split, seed)
    ranges = partial(in_order, split=split)
    if isinstance(raw, LongText):
        return from_text(raw, block, ranges, unit)
    return from_series(raw, Window.of(look_back, horizon, reach_back), ranges)


def _check_task(raw: Record, task: str | None) -> None:
    only = TASK_OF_RECORD.get(type(raw), task)
    if task not in (None, only):
        raise ValueError(f"`task` is {task!r}, but must be {only!r} for {_kind(raw)}.")


def _check_options(raw: Record, given: Sequence[str]) -> None:
    for name in given:
        if name not in OPTIONS_OF_RECORD.get(type(raw), ()):
            raise ValueError(f"`{name}` is given, but has no meaning for {_kind(raw)}.")


def _kind(raw: Any) -> str:
    return {
        Sequences: "sequences with targets",
        LabelledTexts: "texts with labels",
        LongText: "one long text",
        PianoRolls: "rolls",
        TimeSeries: "series",
    }[type(raw)]
