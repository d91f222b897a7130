"""Sequences that occur in two parts are reported."""

import numpy as np
from support.datasets import sequences

import jaxrnn
from jaxrnn.data.checks import duplicates
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import LabelledTexts
from jaxrnn.data.split import Split


def split_of(rows: list[list[int]]) -> Split:
    """Rows of positive numbers, 0 being padding."""
    tokens = np.array(rows, np.int32)
    return Split(tokens, np.zeros(len(rows)), (tokens > 0).sum(1).astype(np.int32))


def test_steps_alone_make_a_sequence() -> None:
    """Neither padding nor the time of the part makes a difference; lengths do."""
    splits = {
        "train": split_of([[1, 2, 0], [3, 0, 0], [4, 4, 4]]),
        "validation": split_of([[1, 2], [4, 4], [2, 1]]),
        "test": split_of([[3, 0, 0, 0], [1, 2, 0, 0], [1, 2, 0, 0], [5, 5, 5, 5]]),
    }
    assert tuple(duplicates(splits)) == (
        "1 validation sequence also occurs in train.",
        "3 test sequences also occur in train.",
        "2 test sequences also occur in validation.",
    )


def test_unknown_words_are_not_alike() -> None:
    """Two texts of words that the training part lacks read the same, but are not the same."""
    texts = [f"{word} {number}" for number in range(20) for word in ("good", "bad")]
    texts += ["new words", "other terms", "good 1"]
    parts = np.array(["train"] * 40 + ["validation", "test", "test"])
    data = prepare(LabelledTexts("texts", texts, np.arange(43) % 2, parts=parts))
    assert [note for note in data.notes if "occur" in note] == [
        "1 test sequence also occurs in train."
    ]


def test_duplicates_are_noted() -> None:
    x, y = sequences(60)
    one, two, three = (x[:30], y[:30]), (x[30:45], y[30:45]), (x[45:], y[45:])
    assert jaxrnn.from_splits(one, two, three).notes == ()
    again = np.concatenate([x[45:50], x[:10]]), y[45:]
    notes = jaxrnn.from_splits(one, two, again).notes
    assert notes == ("10 test sequences also occur in train.",)
