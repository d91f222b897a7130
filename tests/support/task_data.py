"""Small data of every task but classification of numbers, uneven wherever that can be."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxrnn.data.dataset import Data
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.vocabulary import Vocabulary
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.regression import Regression

SIZES = {"train": 66, "validation": 40, "test": 30}


TOKENS = ("\ufffd", *"abcdef")


def lengths(rng: np.random.Generator, samples: int, time: int) -> np.ndarray:
    found = rng.integers(1, time + 1, samples).astype(np.int32)
    found[:2] = time, 1
    return found


def cut(x: np.ndarray, true: np.ndarray) -> np.ndarray:
    """0 behind the true lengths."""
    return np.where((np.arange(x.shape[1]) < true[:, None]).reshape(*x.shape[:2], 1), x, 0)


def numbers(rng: np.random.Generator, samples: int, time: int) -> Split:
    """Two values, of which one is easy, with noise."""
    true = lengths(rng, samples, time)
    x = cut(rng.normal(size=(samples, time, 3)), true).astype(np.float32)
    targets = np.stack([x[:, 0, 0] + x[:, 0, 1], np.tanh(x[..., 2].sum(1))], 1)
    return Split(x, (targets + 0.3 * rng.normal(size=(samples, 2))).astype(np.float32), true)


def walks(rng: np.random.Generator, samples: int, time: int) -> Split:
    """Windows of three variables that drift, and the next two rows of the last and the first."""
    steps = rng.normal(size=(samples, time + 2, 3)) + rng.normal(size=(samples, 1, 3))
    rows = (0.3 * steps.cumsum(1) + 2 * rng.normal(size=(samples, 1, 3))).astype(np.float32)
    return Split(rows[:, :time], rows[:, time:, [2, 0]], np.full(samples, time, np.int32))


def chords(rng: np.random.Generator, samples: int, time: int) -> Split:
    """Marks that move up by one at every step, but for some."""
    true, begin = lengths(rng, samples, time), rng.integers(0, 5, (samples, 1, 1))
    marks = (begin + np.arange(time + 1)[None, :, None]) % 5 == np.arange(5)
    marks ^= rng.random(marks.shape) < 0.15
    inputs = cut(marks[:, :-1], true).astype(np.float32)
    return Split(inputs, cut(marks[:, 1:], true).astype(np.uint8), true)


def states(rng: np.random.Generator, samples: int, time: int) -> Split:
    """After every step, how often a sum has changed its sign, modulo 3."""
    true = lengths(rng, samples, time)
    x = cut(rng.normal(size=(samples, time, 3)), true).astype(np.float32)
    changes = np.diff(np.sign(x[..., 0].cumsum(1)), axis=1, prepend=1) != 0
    labels = changes.cumsum(1) % 3
    return Split(x, cut(labels[..., None], true)[..., 0].astype(np.int32), true)


def text(rng: np.random.Generator, samples: int, time: int) -> Split:
    """Consecutive blocks of a Markov chain, the last one short."""
    chain = [1]
    for _ in range(samples * time):
        chain.append((chain[-1] * 2 + int(rng.random() < 0.3)) % len(TOKENS))
    tokens = np.array(chain, np.int32)
    true = np.full(samples, time, np.int32)
    true[-1] = 2
    inputs, targets = (part.reshape(samples, time) for part in (tokens[:-1], tokens[1:]))
    return Split(inputs, targets, true)


def words(rng: np.random.Generator, samples: int, time: int) -> Split:
    """Whether the first token or the last is larger, or neither."""
    true = lengths(rng, samples, time)
    tokens = cut(rng.integers(0, len(TOKENS), (samples, time, 1)), true)[..., 0]
    first, last = tokens[:, 0], tokens[np.arange(samples), true - 1]
    labels = 1 + np.sign(first - last)
    labels[rng.random(samples) < 0.25] = 0
    return Split(tokens.astype(np.int32), labels.astype(np.int32), true)


TASKS: dict[str, tuple[Any, Any, Callable[..., Split]]] = {
    "regression": (Regression(("a", "b"), (1.0, -2.0), (2.0, 0.5)), Scaling.identity(3), numbers),
    "forecasting": (
        Forecasting(("z", "x"), (1.0, -2.0), (2.0, 0.5), (2, 0), 2),
        Scaling.identity(3),
        walks,
    ),
    "next_step": (NextStep(5), Scaling.identity(5), chords),
    "labelling": (Labelling((0, 1, 2)), Scaling.identity(3), states),
    "language": (Language(TOKENS, "character"), Vocabulary(TOKENS, "character"), text),
    "tokens": (Classification((0, 1, 2)), Vocabulary(TOKENS, "word"), words),
}


def made(kind: str) -> Data:
    """Data whose test sequences are longer than all others, where lengths differ."""
    task, encoder, draw = TASKS[kind]
    rng = np.random.default_rng(1)
    times = {"train": 7, "validation": 6, "test": 13}
    if task.stateful or task.name == "forecasting":
        times = dict.fromkeys(times, 6)
    sizes = SIZES | {"validation": 150, "test": 70} if task.stateful else SIZES
    splits: Any = {part: draw(rng, sizes[part], times[part]) for part in SIZES}
    return Data(kind, task, **splits, encoder=encoder)
