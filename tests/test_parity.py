"""Every entry does what it says: members of mixed populations train as a plain loop does alone.

The loop (support/reference.py) knows no padding, lanes, accumulation or selection.
"""

from typing import Any

import jax
import numpy as np
import pytest
from support import reference
from support.marks import slow
from support.tolerance import Following

import jaxrnn
from jaxrnn.data.split import Split
from jaxrnn.network import initial
from jaxrnn.network.architecture import architecture_of
from jaxrnn.population.input_pipeline import InMemory
from jaxrnn.population.population import Population
from jaxrnn.training import buckets

ORDER_SEED, MICROBATCH, EPOCHS = 5, 20, 17  # 3 steps an epoch, 4 samples left out: 51 steps

LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 20}
GRU: dict[str, Any] = {"cell": "gru", "hidden_size": 12}
RNN: dict[str, Any] = {"cell": "rnn", "hidden_size": 9}
STEADY = {"learning_rate": 3e-3, "clip_norm": 0.5}

COHORTS: dict[str, list[dict[str, Any]]] = {
    "shape": [
        {**LSTM, "layers": 2},
        {**LSTM, "layers": 2, "hidden_size_2": 33, "residual": True, "dropout": 0.2},
        {**LSTM, "layers": 2, "dense_before": 2, "dense_before_units": 7},
        {**LSTM, "layers": 2, "dense_before": 1, "dense_before_activation": "sigmoid"},
        {**LSTM, "layers": 2, "dense_after": 2, "dense_after_units": 50},
        {**LSTM, "layers": 2, "layer_norm": True, "hidden_size_2": 11},
        {**LSTM, "layers": 2, "learned_start": True, "forget_bias": -1.0},
    ],
    "activations": [
        {**LSTM, "activation": "sigmoid"},
        {**LSTM, "activation": "relu", "output_activation": "sigmoid", "hidden_size": 64},
        {**LSTM, "activation": "softsign", "output_activation": "silu", "hidden_size": 5},
        {**LSTM, "activation": "elu", "output_activation": "elu", "clip_value": 0.01},
        {**LSTM, "activation": "sigmoid", "layer_norm": True},
    ],
    "both directions": [
        {**GRU, "layers": 2, "bidirectional": True},
        {**GRU, "layers": 2, "bidirectional": True, "hidden_size_2": 30, "residual": True},
        {**GRU, "layers": 2, "bidirectional": True, "layer_norm": True, "recurrent_dropout": 0.3},
        {**GRU, "layers": 2, "bidirectional": True, "learned_start": True, "crop_length": 3},
        {**GRU, "layers": 2, "bidirectional": True, "dropout": 0.3, "target_replication": 0.4},
    ],
    "regularisation": [
        {**GRU, "input_dropout": 0.3, "input_noise": 0.2},
        {**GRU, "recurrent_dropout": 0.4, "dropout": 0.3},
        {**GRU, "l2": 0.01, "label_smoothing": 0.1},
        {**GRU, "clip_norm": 0.05, "weight_decay": 0.1, "hidden_size": 40},
        {**GRU, "clip_value": 0.005, "clip_norm": float("inf")},
        {**GRU, "target_replication": 1.0, "dense_after": 1, "dropout": 0.2},
        {**GRU, "layer_norm": True, "activation": "relu"},
    ],
    "length": [
        {**LSTM, "tbptt_length": 2},
        {**LSTM, "tbptt_length": 4, "tbptt_overlap": 0.5, "target_replication": 0.5},
        {**LSTM, "tbptt_length": 1, "tbptt_growth_epochs": 4, "target_replication": 0.7},
        {**LSTM, "crop_length": 3, "crop_at": "random", "hidden_size": 31},
        {**LSTM, "crop_length": 4, "crop_at": "start"},
        {**LSTM, "crop_length": 4, "tbptt_length": 3, "tbptt_overlap": 0.34},
        {**LSTM, "learned_start": True, "tbptt_length": 2, "input_noise": 0.1},
    ],
    "simple": [
        {**RNN, "layers": 3},
        {**RNN, "layers": 3, "activation": "relu", "recurrent_init": "he_normal", **STEADY},
        {**RNN, "layers": 3, "layer_norm": True, "learned_start": True, "hidden_size_3": 17},
        {**RNN, "layers": 3, "tbptt_length": 3, "tbptt_overlap": 0.5, "target_replication": 0.3},
        {**RNN, "layers": 3, "activation": "sigmoid", "residual": True, "dropout": 0.2},
    ],
    "optimizers": [
        {**LSTM, "optimizer": "sgd", "learning_rate": 0.1},
        {**LSTM, "optimizer": "momentum", "learning_rate": 0.03, "momentum": 0.7},
        {**LSTM, "optimizer": "nesterov", "learning_rate": 0.03, "clip_value": 0.02},
        {**LSTM, "optimizer": "adagrad", "learning_rate": 0.03, "eps": 1e-6},
        {**LSTM, "optimizer": "adam", "b1": 0.8, "b2": 0.95},
        {**LSTM, "optimizer": "adamw", "weight_decay": 0.1, "eps": 1e-6},
        {**LSTM, "optimizer": "nadam", "hidden_size": 47},
        {**LSTM, "optimizer": "lion", "learning_rate": 1e-4, "weight_decay": 1.0},
        {**LSTM, "optimizer": "optax.lamb", "weight_decay": 0.1},
    ],
    "rates": [
        {**GRU, "schedule": "exponential", "decay_rate": 0.9, "warmup_epochs": 1.5},
        {**GRU, "schedule": "step", "decay_epochs": 5.0, "decay_rate": 0.5},
        {**GRU, "schedule": "linear", "final_rate": 0.1, "epochs": 12},
        {**GRU, "schedule": "cosine", "warmup_epochs": 3.0, "learning_rate": 1e-2},
        {**GRU, "schedule": "plateau", "plateau_patience": 1, "plateau_min_delta": 0.02},
        {**GRU, "patience": 2, "min_delta": 0.03, "learning_rate": 2e-2},
        {**GRU, "epochs": 9},
    ],
    "batches": [
        {**GRU, "batch_size": 20, "schedule": "cosine"},
        {**GRU, "batch_size": 40, "clip_norm": 0.05, "schedule": "linear"},
        {**GRU, "batch_size": 60, "dropout": 0.3, "hidden_size": 28},
        {**GRU, "batch_growth_epochs": 3, "batch_growth": 1.5, "input_noise": 0.1},
        {**GRU, "batch_size": 200, "optimizer": "sgd", "learning_rate": 0.3},
    ],
}
UNEVEN = ("both directions", "length", "simple", "batches")


def start(trainer: jaxrnn.Trainer, members: list[dict[str, Any]], max_epochs: int) -> Population:
    return trainer.start(members, range(11, 11 + len(members)), max_epochs)


def alone(trainer: jaxrnn.Trainer, population: Population, position: int) -> Following:
    """The member at `position` trained by the reference."""
    data, training_data = trainer.data, trainer.training_data
    assert isinstance(training_data, InMemory)
    entries, seed = population.configurations[position], 11 + position

    def run(first: Any) -> reference.Run:
        return reference.train(
            entries,
            first,
            data.train,
            data.validation,
            seed=seed,
            order_seed=ORDER_SEED,
            epochs=EPOCHS,
            microbatch=MICROBATCH,
            max_epochs=population.max_epochs,
            boundaries=training_data.samples.boundaries,
        )

    return Following(run, initial.init(architecture_of(entries, data.spec), entries, seed))


def compare(
    trainer: jaxrnn.Trainer, population: Population, position: int, following: Following
) -> None:
    """Training losses of every epoch, gradient norms, and what evaluation and prediction see."""
    following.slack = 1.0  # others may have followed it
    plain, given = following.run, population.configurations[position]
    history = {name: rows[:, position] for name, rows in trainer.history(population).items()}
    following.check(history["train_loss"], "train_loss", 1e-5, str(given))
    assert plain.train_loss[0] > np.nanmin(plain.train_loss)  # or equality would say little
    slack = following.slack
    for name in ("gradient_norm_mean", "gradient_norm_max"):
        following.check(history[name][:4], name, 1e-4, str(given))
        # Norms feel last bits of the weights more than losses do, by as much as the loss is curved.
        following.check(history[name], name, 1e-3, str(given))
    ran = np.isfinite(plain.train_loss)
    if np.isfinite(history["validation_loss"]).any() and given.get("patience", 0) > 0:
        np.testing.assert_allclose(
            history["validation_loss"][ran], plain.validation_loss[ran], rtol=1e-5 * slack
        )
    predictor = trainer.predictor(population, position)
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5 * slack),
        predictor.parameters,
        jax.tree.map(np.asarray, plain.best_parameters),
    )
    split = trainer.data.test
    assert isinstance(split, Split)
    scores = reference.logits(given, plain.best_parameters, split.inputs, split.lengths)
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    loss = -log_p[np.arange(len(split)), split.targets].mean()
    ours = trainer.evaluate(population, "test")["loss"][position]
    assert ours == pytest.approx(loss, rel=2e-5 * slack)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "widths", "among"),
    [
        ("batches", [3], slice(None, None, 3)),
        *slow(*((name, [1, 3], slice(None)) for name in COHORTS)),
    ],
)
def test_members_train_as_a_plain_loop_does(
    name: str, widths: list[int], among: slice, data: jaxrnn.Data, uneven_data: jaxrnn.Data
) -> None:
    """Those `among` the members of a cohort, in programs so many lanes wide."""
    own = uneven_data if name in UNEVEN else data
    members, runs = COHORTS[name], []
    for lanes in widths:
        trainer = jaxrnn.Trainer(
            own, microbatch=MICROBATCH, lanes=lanes, devices=2, seed=ORDER_SEED
        )
        population = trainer.train(start(trainer, members, EPOCHS), EPOCHS)
        assert len(population.cohorts) == 1
        assert trainer.compiler.programs == 2
        runs.append((trainer, population))
    trainer, population = runs[0]
    for position in range(len(members))[among]:
        following = alone(trainer, population, position)
        for trainer, population in runs:
            compare(trainer, population, position, following)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "lanes", "devices", "among"),
    [
        ("length", 4, 2, slice(None, None, 3)),
        *slow(
            *((name, lanes, 2, slice(None)) for name in UNEVEN for lanes in (1, 4)),
            ("length", 1, 8, slice(None)),
        ),
    ],
)
def test_buckets_of_lengths_train_as_a_plain_loop_does(
    name: str,
    lanes: int,
    devices: int,
    among: slice,
    uneven_data: jaxrnn.Data,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a bucket for each length of a microbatch."""
    for limit in ("LEAST_GAIN", "LEAST_STEPS"):
        monkeypatch.setattr(buckets, limit, 1e-6)
    options: Any = {
        "microbatch": MICROBATCH,
        "lanes": lanes,
        "devices": devices,
        "seed": ORDER_SEED,
    }
    trainer = jaxrnn.Trainer(uneven_data, **options)
    assert isinstance(trainer.training_data, InMemory)
    assert len(trainer.training_data.samples.boundaries) == 3
    members = COHORTS[name]
    population = trainer.train(start(trainer, members, EPOCHS), EPOCHS)
    for position in range(len(members))[among]:
        compare(trainer, population, position, alone(trainer, population, position))


def rmsprop(entries: dict[str, Any]) -> dict[str, Any]:
    return {**entries, "optimizer": "rmsprop", "learning_rate": 1e-3}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_rmsprop_beside_others(data: jaxrnn.Data) -> None:
    """Its trajectories feel last bits early, so they are followed for nine steps."""
    trainer = jaxrnn.Trainer(data, microbatch=MICROBATCH, devices=2, seed=ORDER_SEED)
    members = [rmsprop(LSTM), LSTM, rmsprop({**LSTM, "b2": 0.99, "eps": 1e-6, "hidden_size": 33})]
    population = trainer.train(start(trainer, members, EPOCHS), EPOCHS)
    for position in (0, 2):
        following = alone(trainer, population, position)
        ours = trainer.history(population)["train_loss"][:3, position]
        following.check(ours, "train_loss", 1e-5)


@pytest.mark.slow
def test_eight_devices_agree_with_one(data: jaxrnn.Data) -> None:
    members = [*COHORTS["batches"], *COHORTS["rates"][:3], *COHORTS["batches"]]
    results = []
    for count in (1, 8):
        trainer = jaxrnn.Trainer(data, microbatch=MICROBATCH, lanes=2, devices=count)
        assert trainer.mesh.size == count
        population = trainer.train(start(trainer, members, 8), 5)
        population = trainer.train(trainer.select(population, [12, 3, 4, 9]), 8)
        results.append([*trainer.history(population).values()])
        results[-1] += trainer.evaluate(population).values()
    for one, eight in zip(*results, strict=True):
        np.testing.assert_allclose(eight, one, rtol=2e-5)


@pytest.mark.parametrize("lanes", [*slow(1), 2])
def test_bits_do_not_depend_on_lane_or_neighbours(data: jaxrnn.Data, lanes: int) -> None:
    """By the same plan, first or last, beside diverging members or healthy ones: the same bits."""
    trainer = jaxrnn.Trainer(data, lanes=lanes, devices=2)
    mine = {**GRU, "hidden_size": 60, "dropout": 0.2, "optimizer": "lion", "batch_size": 16}
    others = [
        {**GRU, "hidden_size": 64 - k, "learning_rate": 10.0**k, "dropout": 0.1} for k in range(5)
    ]
    losses = []
    for place in (0, 2, 5):
        crowd = [*others[:place], mine, *others[place:]]
        seeds = [*range(place), 42, *range(place, 5)]
        population = trainer.train(trainer.start(crowd, seeds), 4)
        assert len(population.cohorts) == 1
        losses.append(trainer.history(population)["train_loss"][:, place])
    for other in losses[1:]:
        np.testing.assert_array_equal(other, losses[0])
    assert trainer.compiler.programs == 2
    alone = trainer.train(trainer.start([mine], [42]), 4)
    np.testing.assert_allclose(trainer.history(alone)["train_loss"][:, 0], losses[0], rtol=1e-5)
