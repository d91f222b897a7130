"""Texts: blocks that follow each other, and labelled sentences."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.splits import splits_of, train_of

from jaxrnn.data.dataset import Data
from jaxrnn.data.options import TaskOptions
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import LabelledTexts, LongText
from jaxrnn.data.text import to_blocks
from jaxrnn.data.vocabulary import Vocabulary
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.language import Language


def tokens_of(data: Data) -> tuple[str, ...]:
    assert isinstance(data.encoder, Vocabulary)
    return data.encoder.tokens


@pytest.mark.parametrize(
    ("count", "block", "inputs", "targets", "lengths"),
    [
        (5, 2, [[0, 1], [2, 3]], [[1, 2], [3, 4]], [2, 2]),
        (6, 2, [[0, 1], [2, 3], [4, 0]], [[1, 2], [3, 4], [5, 0]], [2, 2, 1]),
        (2, 3, [[0, 0, 0]], [[1, 0, 0]], [1]),
        (4, 3, [[0, 1, 2]], [[1, 2, 3]], [3]),
        (4, 1, [[0], [1], [2]], [[1], [2], [3]], [1, 1, 1]),
    ],
)
def test_blocks(count: int, block: int, inputs: Any, targets: Any, lengths: Any) -> None:
    split = to_blocks(np.arange(count, dtype=np.int32), block)
    assert split.inputs.tolist() == inputs
    assert split.targets.tolist() == targets
    assert split.lengths.tolist() == lengths
    assert split.inputs.dtype == split.targets.dtype == split.lengths.dtype == np.int32


@given(st.text(min_size=20, max_size=300), st.integers(1, 70))
def test_parts_follow_each_other(text: str, block: int) -> None:
    """Every token but the first of a part is due once; the order is that of the text."""
    data = prepare(LongText("some", text), TaskOptions(block=block))
    task = data.task
    assert isinstance(task, Language)
    ends = [int(len(text) * share + 1e-6) for share in (0, 0.7, 0.85, 1)]
    known = set(text[: ends[1]])
    for k, split in enumerate(splits_of(data)):
        own = text[ends[k] : ends[k + 1]]
        true = np.arange(block) < split.lengths[:, None]
        for tokens, due in ((split.inputs, own[:-1]), (split.targets, own[1:])):
            read = "".join(task.tokens[token] for token in tokens[true])
            assert read == "".join(one if one in known else "\ufffd" for one in due)
            assert not tokens[~true].any()
    assert sorted(task.tokens[1:]) == sorted(known - {"\ufffd"})


def test_what_a_text_asks_of_networks() -> None:
    data = prepare(
        LongText("abc", "abc" * 100 + "z" * 100), TaskOptions(task="language"), split=(300, 50, 50)
    )
    problem = data.spec
    assert (problem.inputs, problem.outputs, problem.vocabulary) == (0, 4, 4)
    assert problem.per_step and problem.stateful and "embedding_size" not in problem.excluded
    assert train_of(data).inputs.shape == (5, 64)
    assert data.notes == (
        "Tokens are characters, 3 different ones: train 300, validation 50, test 50.",
        "100.00% of the tokens of validation are unknown to train.",
        "100.00% of the tokens of test are unknown to train.",
    )


def test_words() -> None:
    data = prepare(LongText("abc", "The cat, the dog. " * 20), TaskOptions(unit="word", block=8))
    task = data.task
    assert isinstance(task, Language)
    assert task.tokens == ("\ufffd", "the", ",", ".", "cat", "dog") and task.unit == "word"
    assert train_of(data).inputs[0].tolist() == [1, 4, 2, 1, 5, 3, 1, 4]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("abc" * 9, {"block": 0}, "`block` is 0, but must be at least 1."),
        ("abc" * 9, {"block": 1.5}, "`block` is 1.5, but must be a whole number."),
        ("abc" * 9, {"unit": "line"}, "`unit` is 'line', but must be one of character, word."),
        ("abcdefgh", {}, "`validation` holds 1 character, but must hold at least 2."),
        ("", {}, "`split` leaves a part empty: there are only 0 to divide."),
        ("abc" * 9, {"horizon": 1}, "`horizon` is given, but has no meaning for one long text."),
        ("abc" * 9, {"task": "regression"}, "`task` is 'regression', but must be 'language' for"),
    ],
)
def test_bad_text(text: str, options: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        prepare(LongText("bad", text), TaskOptions(**options))
    assert message in str(error.value)


def sentences() -> LabelledTexts:
    inputs = [f"{'good' if k % 2 else 'bad'} film number {k}" for k in range(60)]
    return LabelledTexts("films", inputs, np.array(["bad", "good"])[np.arange(60) % 2])


def test_labelled_texts() -> None:
    data = prepare(sentences())
    task, words = data.task, tokens_of(data)
    assert isinstance(task, Classification) and task.classes == ("bad", "good")
    assert words[1:3] == ("film", "number")
    for split in splits_of(data):
        assert split.inputs.dtype == np.int32 and split.inputs.shape[1] == 4
        for tokens, label in zip(split.inputs, split.targets, strict=True):
            assert words[tokens[0]] == task.classes[label]
    assert (data.test.inputs[:, 3] == 0).all()  # numbers that the training part lacks
    problem = data.spec
    assert problem.vocabulary == len(words) and not problem.per_step and not problem.lengths_differ


def test_words_of_the_training_part_alone() -> None:
    raw = sentences()
    raw.inputs[-1] = "longest film of all, and of the test part"
    parts = np.repeat(["train", "validation", "test"], 20)
    data = prepare(LabelledTexts(raw.name, raw.inputs, raw.targets, parts=parts))
    assert "longest" not in tokens_of(data) and "19" in tokens_of(data)
    assert (data.train.time, data.test.time) == (4, 10) and data.spec.lengths_differ
