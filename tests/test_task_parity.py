"""Every task: members of mixed populations train as a plain loop trains them, one by one.

The loop (tests/plain.py) knows no padding, lanes, chunks or accumulation. What has no place in a
member's true sizes is exactly zero afterwards.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import plain
import pytest
from following import Following
from test_update import check_padding, moments, padding

import jaxrnn
from jaxrnn.data.data import Data
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.vocabulary import Vocabulary
from jaxrnn.network import initial, structure
from jaxrnn.network.packing import Packing
from jaxrnn.population.population import Population
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.regression import Regression
from jaxrnn.training.update import Update

Tree = dict[str, Any]
ORDER_SEED, MICROBATCH, EPOCHS = 3, 20, 17  # 3 steps an epoch: 51 steps
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
    if task.carries or task.name == "forecasting":
        times = dict.fromkeys(times, 6)
    sizes = SIZES | {"validation": 150, "test": 70} if task.carries else SIZES
    splits: Any = {part: draw(rng, sizes[part], times[part]) for part in SIZES}
    return Data(kind, task, **splits, encoder=encoder)


SGD = {"optimizer": "sgd", "learning_rate": 0.2, "hidden_size": 11, "batch_size": 40}
LION = {"optimizer": "lion", "learning_rate": 1e-3, "hidden_size": 21}
ADAM = {"optimizer": "adam", "hidden_size": 16, "batch_size": 60, "learning_rate": 1e-2}
NORMED = {"hidden_size": 9, "layer_norm": True, "weight_decay": 0.1}
DENSE = {"dense_before": 1, "dense_before_units": 5, "dense_after": 1}
GRU = {"cell": "gru", "layers": 2, "hidden_size_2": 6}

MEMBERS: dict[str, list[Tree]] = {
    "regression": [
        {"target_replication": 0.5},
        {**SGD, "l2": 0.01},
        {**LION, "target_replication": 1.0, "clip_norm": 0.1},
        {**ADAM, **DENSE},
        {**NORMED, "block_length": 3, "learned_start": True},
    ],
    "forecasting": [
        {"window_norm": True},
        {**SGD, "window_norm": True, "learning_rate": 0.03},
        {**LION},
        {**ADAM, **DENSE, "window_norm": True},
        {**NORMED, "block_length": 4},
    ],
    "next_step": [{}, {**SGD}, {**LION, **DENSE}, {**ADAM}, {**NORMED, "block_length": 2}],
    "labelling": [
        {**GRU, "label_smoothing": 0.1, "bidirectional": True},
        {**GRU, **SGD, "residual": True, "bidirectional": True},
        {**GRU, **LION, **DENSE, "bidirectional": True, "learned_start": True},
        {**GRU, **ADAM},
        {**GRU, **NORMED, "block_length": 2},
    ],
    "language": [
        {"embedding_size": 4},
        {**SGD, "embedding_size": 17, "label_smoothing": 0.1},
        {**LION, "embedding_size": 6, **DENSE},
        {**ADAM, "embedding_size": 12, "block_length": 4},
        {**NORMED, "embedding_size": 9, "schedule": "cosine"},
    ],
    "tokens": [
        {"embedding_size": 4, "target_replication": 0.3},
        {**SGD, "embedding_size": 17, "label_smoothing": 0.1},
        {**LION, "embedding_size": 6, **DENSE},
        {**ADAM, "embedding_size": 12, "block_length": 4},
        {"hidden_size": 9, "layer_norm": True, "embedding_size": 9, "optimizer": "nadam"},
    ],
}


def compare(trainer: jaxrnn.Trainer, data: Data, population: Population, position: int) -> None:
    """Losses of every epoch, weights, and metrics at the end."""
    given, task, train = population.configurations[position], data.task, data.train
    assert isinstance(train, Split)

    def run(first: Tree) -> plain.Run:
        return plain.train(
            given,
            task,
            first,
            train,
            order_seed=ORDER_SEED,
            epochs=EPOCHS,
            microbatch=MICROBATCH,
        )

    first = initial.draw(structure.alone(given, data.problem), given, 11 + position)
    following = Following(run, first)
    theirs = following.run
    history = {name: rows[:, position] for name, rows in trainer.history(population).items()}
    following.check(history["train_loss"], "train_loss", 1e-5, str(given))
    slack = following.slack
    following.check(history["gradient_norm_max"][:4], "norms", 1e-4, str(given))
    assert theirs.train_loss[-1] < 0.97 * theirs.train_loss[0], given
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=5e-5 * slack),
        trainer.predictor(population, position).parameters,
        theirs.parameters,
    )
    fewest = min(len(data.validation), len(data.test))
    rows = max(1, min(64, fewest // 16))  # a text is read in so many stretches
    read = plain.reader(given, task, theirs.parameters)
    for part in ("validation", "test"):
        split = getattr(data, part)
        told = read(split, math.ceil(len(split) / rows))
        ours = trainer.evaluate(population, part)
        for name, value in plain.metrics(task, told, split).items():
            assert ours[name][position] == pytest.approx(value, rel=2e-5 * slack), (part, name)


def check_zeros(data: Data, population: Population) -> None:
    """Exactly zero where a member has nothing: parameters and what optimizers keep."""
    for cohort in population.cohorts:
        architecture, states = cohort.architecture, cohort.of_members(cohort.state)
        update = Update(architecture.optimizers, Packing(architecture.shapes()))
        for k, member in enumerate(cohort.members):
            given = population.configurations[member]
            padded = padding(architecture, structure.alone(given, data.problem))
            assert any(map(np.any, jax.tree.leaves(padded)))
            learner = jax.tree.map(lambda leaf, k=k: leaf[k], states.learner)
            kept = moments(update, given["optimizer"], learner.slots)
            for tree in (update.packing.unpack(learner.parameters), *kept):
                check_padding(tree, padded, given["optimizer"], alive=0.5)


QUICK = {("language", 3)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "lanes"),
    [
        pytest.param(kind, lanes, marks=[] if (kind, lanes) in QUICK else pytest.mark.slow)
        for kind in TASKS
        for lanes in (1, 3)
    ],
)
def test_members_train_as_a_plain_loop_does(kind: str, lanes: int) -> None:
    data, members = made(kind), MEMBERS[kind]
    trainer = jaxrnn.Trainer(data, microbatch=MICROBATCH, lanes=lanes, devices=2, seed=ORDER_SEED)
    population = trainer.start(members, range(11, 11 + len(members)), EPOCHS)
    population = trainer.train(population, EPOCHS)
    assert len(population.cohorts) == (2 if kind == "labelling" else 1)
    for position in range(len(members)):
        compare(trainer, data, population, position)
    check_zeros(data, population)
