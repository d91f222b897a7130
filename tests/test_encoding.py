"""Raw inputs as networks read them: numbers standardised, text as tokens."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxrnn.data import encoding
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.vocabulary import CHARACTER, UNKNOWN, WORD, Vocabulary, tokenize

RNG = np.random.default_rng(0)


def test_scaling_knows_true_steps_alone() -> None:
    x = RNG.normal(5.0, 2.0, (20, 6, 3))
    lengths = RNG.integers(1, 7, 20)
    behind = np.arange(6) >= lengths[:, None]
    found = []
    for garbage in (np.nan, np.inf, 1e300, 0.0):
        x[behind] = garbage
        scaling = Scaling.fit(x, lengths)
        read, true = scaling.encode(x, lengths)
        assert (read.dtype, true.dtype) == (np.float32, np.int32)
        assert not read[behind].any()
        found.append(read)
    true_rows = x[~behind]
    np.testing.assert_allclose(scaling.mean, true_rows.mean(0))
    np.testing.assert_allclose(scaling.scale, true_rows.std(0))
    np.testing.assert_allclose(
        read[~behind], (true_rows - true_rows.mean(0)) / true_rows.std(0), rtol=1e-5, atol=1e-6
    )
    for other in found:
        np.testing.assert_array_equal(other, read)


def test_a_constant_feature_becomes_zero() -> None:
    """Also one whose mean is not exact, so that its deviation is not quite 0."""
    x = np.full((7, 3, 2), 0.1)
    x[..., 1] = RNG.normal(size=(7, 3))
    scaling = Scaling.fit(x, np.full(7, 3))
    assert scaling.scale[0] == 1.0
    assert np.abs(scaling.encode(x)[0][..., 0]).max() < 1e-6


def test_double_precision_where_single_has_no_digits() -> None:
    stamps = 1e9 + np.arange(4000.0).reshape(100, 40, 1)
    scaling = Scaling.fit(stamps, np.full(100, 40))
    steps = np.diff(scaling.encode(stamps)[0].ravel())
    np.testing.assert_allclose(steps, 1 / np.arange(4000).std(), rtol=1e-3)


def test_identity() -> None:
    x = RNG.integers(0, 2, (4, 3, 2))
    scaling = Scaling.identity(2)
    np.testing.assert_array_equal(scaling.encode(x)[0], x)
    assert (scaling.inputs, scaling.size) == (2, 0)


def test_sequences_may_be_a_list() -> None:
    arrays = [RNG.normal(size=(time, 2)) for time in (3, 1, 5)]
    read, lengths = Scaling.identity(2).encode(arrays)
    assert read.shape == (3, 5, 2) and lengths.tolist() == [3, 1, 5]
    for row, array, length in zip(read, arrays, lengths, strict=True):
        np.testing.assert_array_equal(row[:length], array.astype(np.float32))
        assert not row[length:].any()


BAD_INPUTS: list[tuple[Any, Any, str]] = [
    (np.zeros((2, 3)), None, "`predict` inputs have the shape (2, 3), but must be (samples, time"),
    (
        np.zeros((2, 3, 4)),
        None,
        "`inputs` have the shape (2, 3, 4), but must be (samples, time, 2)",
    ),
    (np.full((2, 3, 2), np.nan), None, "`predict` inputs must be finite, but sample 0 holds NaN"),
    (np.zeros((2, 3, 2)), [4, 1], "`predict` lengths are from 1 to 4, but must be from 1 to 3"),
    (np.full((2, 3, 2), 1e300), None, "`inputs` are too far from those of the training part"),
    ([np.zeros((2, 2)), np.zeros((3, 1))], None, "a list whose sample 1 is float64 of the shape"),
    ([np.zeros((2, 2)), np.zeros(2)], None, "a list whose sample 1 is float64 of the shape (2,)"),
    ([np.zeros((0, 2)), np.zeros((3, 2))], None, "`predict` lengths are from 0 to 3, but must be"),
    ([], None, "`predict` inputs have the shape (0,)"),
    ("text", None, "`predict` inputs are <U4, but must be real numbers."),
]


@pytest.mark.parametrize(("inputs", "lengths", "message"), BAD_INPUTS)
def test_bad_inputs(inputs: Any, lengths: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        Scaling.identity(2).encode(inputs, lengths)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What's up?", ["what's", "up", "?"]),
        ("well-known -- 'quoted'", ["well-known", "-", "-", "'", "quoted", "'"]),
        ("Ünïcode, 42nd\n(1,000)", ["ünïcode", ",", "42nd", "(", "1", ",", "000", ")"]),
        ("snake_case\u2019s", ["snake", "_", "case\u2019s"]),
        (" \t\n", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert tokenize(text, WORD) == words
    assert list(tokenize(text, CHARACTER)) == list(text)


def test_vocabularies() -> None:
    characters = Vocabulary.fit(["ccab", "bad\ufffd"], CHARACTER)
    assert characters.tokens == (UNKNOWN, "a", "b", "c", "d")
    words = Vocabulary.fit(["b a b", "C c a c"], WORD)
    assert words.tokens == (UNKNOWN, "c", "a", "b")
    assert (words.inputs, words.size) == (0, 4)
    tokens, lengths = words.encode(["A b", "x c c B"])
    assert tokens.tolist() == [[2, 3, 0, 0], [0, 1, 1, 3]] and lengths.tolist() == [2, 4]
    assert (tokens.dtype, lengths.dtype) == (np.int32, np.int32)
    for bad, message in (
        ([""], "`inputs` hold '' as text 0, but must hold at least one word each."),
        (["a", " "], "`inputs` hold ' ' as text 1"),
        ("a b", "`inputs` are 'a b', but must be a list of texts."),
        ([], "`inputs` are [], but must be a list of texts."),
        ([1], "`inputs` are [1], but must be a list of texts."),
    ):
        given: Any = bad
        with pytest.raises(ValueError) as error:
            words.encode(given)
        assert message in str(error.value)
    with pytest.raises(ValueError, match="`lengths` are given, but texts have lengths of their"):
        words.encode(["a"], [1])


@given(st.lists(st.text(min_size=1), min_size=1))
def test_characters_of_the_training_part_come_back(texts: list[str]) -> None:
    vocabulary = Vocabulary.fit(texts, CHARACTER)
    tokens, lengths = vocabulary.encode(texts)
    for row, length, text in zip(tokens, lengths, texts, strict=True):
        assert "".join(vocabulary.tokens[token] for token in row[:length]) == text
        assert not row[length:].any()


@given(st.lists(st.floats(-1e200, 1e200), min_size=1))
def test_encoders_survive_json(values: list[float]) -> None:
    for encoder in (
        Scaling(np.array(values), np.abs(values) + 1),
        Vocabulary((UNKNOWN, "é", "\n"), WORD),
    ):
        again = encoding.from_json(json.loads(json.dumps(encoder.to_json())))
        assert type(again) is type(encoder)
        for name, value in vars(encoder).items():
            np.testing.assert_array_equal(getattr(again, name), value)
