"""Every task: members of mixed populations train as a plain loop trains them, one by one.

The loop (support/task_reference.py) knows no padding, lanes, chunks or accumulation. What has no
place in a member's true sizes is exactly zero afterwards.
"""

import math
from typing import Any

import jax
import numpy as np
import pytest
from support import task_reference
from support.marks import slow
from support.padding import check_padding, moments, padding
from support.task_data import TASKS, made
from support.tolerance import Following

import jaxrnn
from jaxrnn.data.dataset import Data
from jaxrnn.data.split import Split
from jaxrnn.network import initial
from jaxrnn.network.architecture import architecture_of
from jaxrnn.network.packing import Packing
from jaxrnn.population.input_pipeline import InMemory
from jaxrnn.population.population import Population
from jaxrnn.training import buckets
from jaxrnn.training.update import Update

Tree = dict[str, Any]
ORDER_SEED, MICROBATCH, EPOCHS = 3, 20, 17  # 3 steps an epoch: 51 steps


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
        {**NORMED, "tbptt_length": 3, "learned_start": True},
    ],
    "forecasting": [
        {"window_norm": True},
        {**SGD, "window_norm": True, "learning_rate": 0.03},
        {**LION},
        {**ADAM, **DENSE, "window_norm": True},
        {**NORMED, "tbptt_length": 4},
    ],
    "next_step": [{}, {**SGD}, {**LION, **DENSE}, {**ADAM}, {**NORMED, "tbptt_length": 2}],
    "labelling": [
        {**GRU, "label_smoothing": 0.1, "bidirectional": True},
        {**GRU, **SGD, "residual": True, "bidirectional": True},
        {**GRU, **LION, **DENSE, "bidirectional": True, "learned_start": True},
        {**GRU, **ADAM},
        {**GRU, **NORMED, "tbptt_length": 2},
    ],
    "language": [
        {"embedding_size": 4},
        {**SGD, "embedding_size": 17, "label_smoothing": 0.1},
        {**LION, "embedding_size": 6, **DENSE},
        {**ADAM, "embedding_size": 12, "tbptt_length": 4},
        {**NORMED, "embedding_size": 9, "schedule": "cosine"},
    ],
    "tokens": [
        {"embedding_size": 4, "target_replication": 0.3},
        {**SGD, "embedding_size": 17, "label_smoothing": 0.1},
        {**LION, "embedding_size": 6, **DENSE},
        {**ADAM, "embedding_size": 12, "tbptt_length": 4},
        {"hidden_size": 9, "layer_norm": True, "embedding_size": 9, "optimizer": "nadam"},
    ],
}


def alone(trainer: jaxrnn.Trainer, population: Population, position: int) -> Following:
    """The member at `position` trained by the reference."""
    data, training_data = trainer.data, trainer.training_data
    given, task, train = population.configurations[position], data.task, data.train
    assert isinstance(train, Split) and isinstance(training_data, InMemory)

    def run(first: Tree) -> task_reference.Run:
        return task_reference.train(
            given,
            task,
            first,
            train,
            order_seed=ORDER_SEED,
            epochs=EPOCHS,
            microbatch=MICROBATCH,
            boundaries=training_data.samples.boundaries,
        )

    first = initial.init(architecture_of(given, data.spec), given, 11 + position)
    return Following(run, first)


def compare(
    trainer: jaxrnn.Trainer, population: Population, position: int, following: Following
) -> None:
    """Losses of every epoch, weights, and metrics at the end."""
    following.slack = 1.0  # others may have followed it
    data, theirs, given = trainer.data, following.run, population.configurations[position]
    task = data.task
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
    read = task_reference.reader(given, task, theirs.parameters)
    for part in ("validation", "test"):
        split = getattr(data, part)
        rows = max(1, min(64, len(split) // 16))  # a text is read in so many stretches
        outputs = read(split, math.ceil(len(split) / rows))
        ours = trainer.evaluate(population, part)
        for name, value in task_reference.metrics(task, outputs, split).items():
            assert ours[name][position] == pytest.approx(value, rel=2e-5 * slack), (part, name)


def check_zeros(data: Data, population: Population) -> None:
    """Exactly zero where a member has nothing: parameters and what optimizers keep."""
    for cohort in population.cohorts:
        architecture, states = cohort.architecture, cohort.gather(cohort.state)
        update = Update(architecture.optimizers, Packing(architecture.shapes()))
        for k, member in enumerate(cohort.members):
            given = population.configurations[member]
            padded = padding(architecture, architecture_of(given, data.spec))
            assert any(map(np.any, jax.tree.leaves(padded)))
            train_state = jax.tree.map(lambda leaf, k=k: leaf[k], states.train_state)
            kept = moments(update, given["optimizer"], train_state.opt_state)
            for tree in (update.packing.unpack(train_state.parameters), *kept):
                check_padding(tree, padded, given["optimizer"], alive=0.5)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "widths", "among"),
    [
        ("language", [3], slice(None, None, 3)),
        *slow(*((kind, [1, 3], slice(None)) for kind in TASKS)),
    ],
)
def test_members_train_as_a_plain_loop_does(kind: str, widths: list[int], among: slice) -> None:
    """Those `among` the members of a kind, in programs so many lanes wide."""
    data, members, runs = made(kind), MEMBERS[kind], []
    for lanes in widths:
        trainer = jaxrnn.Trainer(
            data, microbatch=MICROBATCH, lanes=lanes, devices=2, seed=ORDER_SEED
        )
        population = trainer.start(members, range(11, 11 + len(members)), EPOCHS)
        population = trainer.train(population, EPOCHS)
        assert len(population.cohorts) == (2 if kind == "labelling" else 1)
        check_zeros(data, population)
        runs.append((trainer, population))
    trainer, population = runs[0]
    for position in range(len(members))[among]:
        following = alone(trainer, population, position)
        for trainer, population in runs:
            compare(trainer, population, position, following)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["labelling", *slow("next_step", "tokens", "regression")])
def test_buckets_of_lengths_train_as_a_plain_loop_does(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a bucket for each length of a microbatch, four lanes wide."""
    for limit in ("LEAST_GAIN", "LEAST_STEPS"):
        monkeypatch.setattr(buckets, limit, 1e-6)
    data, members = made(kind), MEMBERS[kind][:4]
    trainer = jaxrnn.Trainer(data, microbatch=MICROBATCH, lanes=4, devices=2, seed=ORDER_SEED)
    assert isinstance(trainer.training_data, InMemory)
    assert len(trainer.training_data.samples.boundaries) > 1
    population = trainer.start(members, range(11, 11 + len(members)), EPOCHS)
    population = trainer.train(population, EPOCHS)
    for position in range(len(members)):
        compare(trainer, population, position, alone(trainer, population, position))
