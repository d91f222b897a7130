"""Data that needs no file: problems of the literature, drawn at random, and scanned digits."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from sklearn.datasets import load_digits

from jaxrnn.data.arrays import check_seed
from jaxrnn.data.dataset import Data
from jaxrnn.data.from_arrays import from_arrays, to_sequences
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import Sequences

Shares: TypeAlias = Sequence[float] | None
"""Shares or counts of train, validation and test; None for 70/15/15."""
SAMPLES = 2000
"""Sequences of a problem by default."""
SYMBOLS = 8
"""Symbols of the copy problem and of temporal order."""
START, END, X, Y, DISTRACTORS = 0, 1, 2, 3, (4, 5, 6, 7)
"""Roles of the symbols of temporal order."""


def digits(seed: int = 0, split: Shares = None) -> Data:
    """Load 1,797 scanned digits, each 8 rows (time) of 8 pixels (features), in 10 classes.

    They are part of scikit-learn: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten
    Digits, UCI, 1998 (CC BY 4.0).

    Args:
        seed: Seed of the division.
        split: Shares or counts of train, validation and test; 70/15/15 by default.
    """
    return prepare(digits_sequences(), split=split, seed=seed)


def digits_sequences() -> Sequences:
    """Load the digits before they are divided."""
    bunch: Any = load_digits()
    return to_sequences(bunch.images, bunch.target, "digits")


def adding(samples: int = SAMPLES, time: int = 50, seed: int = 0, split: Shares = None) -> Data:
    """Draw the adding problem: the sum of the two numbers that are marked, a regression.

    Of two features the first is uniform in [0, 1), the second marks one step in each half with 1
    and is 0 otherwise. To answer 1 always has the mean squared error 1/6 (Hochreiter and
    Schmidhuber 1997, in the form of Arjovsky et al. 2016).

    Args:
        samples: Sequences of all parts together.
        time: Steps of each, at least 2.
        seed: Seed of the numbers and of the division.
        split: Shares or counts of train, validation and test; 70/15/15 by default.
    """
    rng = _generator(samples, seed, time=(time, 2))
    values, marks = rng.random((samples, time)), np.zeros((samples, time))
    rows, half = np.arange(samples), time // 2
    marks[rows, rng.integers(0, half, samples)] = 1.0
    marks[rows, rng.integers(half, time, samples)] = 1.0
    inputs = np.stack([values, marks], axis=-1)
    return from_arrays(
        inputs, (values * marks).sum(1), seed, "adding", task="regression", split=split
    )


def copy(
    samples: int = SAMPLES,
    delay: int = 20,
    length: int = 5,
    seed: int = 0,
    split: Shares = None,
) -> Data:
    """Draw the copy problem: repeat some symbols after a delay, a labelling.

    Of ten symbols, one feature each, the first eight are data, 8 is blank and 9 a delimiter. The
    sequence is `length` data symbols, `delay` - 1 blanks, the delimiter and `length` blanks; the
    targets are `delay` + `length` blanks and then the data symbols (Arjovsky et al. 2016, whose
    length is 10). Without memory the best loss is length * ln 8 / (delay + 2 * length) nats a step.

    Args:
        samples: Sequences of all parts together.
        delay: Steps between the last data symbol and its first repetition, at least 1.
        length: Symbols to repeat, at least 1.
        seed: Seed of the symbols and of the division.
        split: Shares or counts of train, validation and test; 70/15/15 by default.
    """
    rng = _generator(samples, seed, delay=(delay, 1), length=(length, 1))
    blank, delimiter = SYMBOLS, SYMBOLS + 1
    symbols = rng.integers(0, SYMBOLS, (samples, length))
    shown = np.full((samples, delay + 2 * length), blank)
    targets = shown.copy()
    shown[:, :length], shown[:, length + delay - 1] = symbols, delimiter
    targets[:, -length:] = symbols
    inputs = np.eye(SYMBOLS + 2)[shown]
    return from_arrays(inputs, targets, seed, "copy", task="labelling", split=split)


def temporal_order(
    samples: int = SAMPLES, time: int = 30, seed: int = 0, split: Shares = None
) -> Data:
    """Draw temporal order: in which order two marks came, in four classes.

    There are eight symbols, one feature each. A sequence starts and ends with symbols of their own;
    in between are four distractors at random, except for two steps that hold X or Y: the first
    after a tenth to a fifth of `time`, the second after five to six tenths. The classes Q, R, S and
    U are XX, XY, YX and YY (Hochreiter and Schmidhuber 1997, task 6a, where `time` is 100).

    Args:
        samples: Sequences of all parts together.
        time: The least length, at least 10; the greatest is a tenth more.
        seed: Seed of the symbols and of the division.
        split: Shares or counts of train, validation and test; 70/15/15 by default.
    """
    rng = _generator(samples, seed, time=(time, 10))
    lengths = rng.integers(time, time + time // 10, samples, endpoint=True)
    symbols = rng.choice(DISTRACTORS, (samples, lengths.max()))
    rows = np.arange(samples)
    marks = rng.choice([X, Y], (2, samples))
    symbols[:, 0], symbols[rows, lengths - 1] = START, END
    for mark, tenths in zip(marks, ((1, 2), (5, 6)), strict=True):
        first, last = (time * tenth // 10 for tenth in tenths)
        symbols[rows, rng.integers(first, last, samples, endpoint=True)] = mark
    classes = np.array(["Q", "R", "S", "U"])[2 * (marks[0] == Y) + (marks[1] == Y)]
    return from_arrays(
        np.eye(SYMBOLS)[symbols], classes, seed, "temporal-order", lengths, split=split
    )


def _generator(samples: int, seed: int, **least: tuple[int, int]) -> np.random.Generator:
    """Make a generator of random numbers, once every argument is at least what it must be."""
    check_seed(seed)
    for name, (value, fewest) in {"samples": (samples, 10), **least}.items():
        if value < fewest:
            raise ValueError(f"`{name}` is {value}, but must be at least {fewest}.")
    return np.random.default_rng(seed)
