"""Every entry does what it says: members of mixed populations train as a plain loop does alone.

The loop (tests/reference.py) knows no padding, lanes, accumulation or selection.
"""

from typing import Any

import jax
import numpy as np
import pytest
import reference

import jaxrnn
from jaxrnn import initial, structure
from jaxrnn.population import Population

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
        {**LSTM, "block_length": 2},
        {**LSTM, "block_length": 4, "block_overlap": 0.5, "target_replication": 0.5},
        {**LSTM, "block_length": 1, "block_growth_epochs": 4, "target_replication": 0.7},
        {**LSTM, "crop_length": 3, "crop_at": "random", "hidden_size": 31},
        {**LSTM, "crop_length": 4, "crop_at": "start"},
        {**LSTM, "crop_length": 4, "block_length": 3, "block_overlap": 0.34},
        {**LSTM, "learned_start": True, "block_length": 2, "input_noise": 0.1},
    ],
    "simple": [
        {**RNN, "layers": 3},
        {**RNN, "layers": 3, "activation": "relu", "recurrent_init": "he_normal", **STEADY},
        {**RNN, "layers": 3, "layer_norm": True, "learned_start": True, "hidden_size_3": 17},
        {**RNN, "layers": 3, "block_length": 3, "block_overlap": 0.5, "target_replication": 0.3},
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


def alone(
    trainer: jaxrnn.Trainer, data: jaxrnn.Data, population: Population, position: int
) -> reference.Run:
    """The member at `position` trained by the reference."""
    entries, seed = population.configurations[position], 11 + position
    return reference.train(
        entries,
        initial.draw(structure.alone(entries, data.problem), entries, seed),
        data.train,
        data.validation,
        seed=seed,
        order_seed=ORDER_SEED,
        epochs=EPOCHS,
        microbatch=trainer.microbatch,
        max_epochs=population.max_epochs,
    )


def compare(
    trainer: jaxrnn.Trainer, data: jaxrnn.Data, population: Population, position: int
) -> None:
    """Training losses of every epoch, gradient norms, and what evaluation and prediction see."""
    plain = alone(trainer, data, population, position)
    given = population.configurations[position]
    history = {name: rows[:, position] for name, rows in trainer.history(population).items()}
    close = {"rtol": 1e-5, "err_msg": str(given)}
    np.testing.assert_allclose(history["train_loss"], plain.train_loss, **close)
    assert plain.train_loss[0] > np.nanmin(plain.train_loss)  # or equality would say little
    for name in ("gradient_norm_mean", "gradient_norm_max"):
        np.testing.assert_allclose(history[name], getattr(plain, name), rtol=1e-4)
    ran = np.isfinite(plain.train_loss)
    if np.isfinite(history["validation_loss"]).any() and given.get("patience", 0) > 0:
        np.testing.assert_allclose(
            history["validation_loss"][ran], plain.validation_loss[ran], **close
        )
    predictor = trainer.predictor(population, position)
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5),
        predictor.parameters,
        jax.tree.map(np.asarray, plain.best_parameters),
    )
    split = data.test
    scores = reference.logits(given, plain.best_parameters, split.inputs, split.lengths)
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    loss = -log_p[np.arange(len(split)), split.labels].mean()
    ours = trainer.evaluate(population, "test")["loss"][position]
    assert ours == pytest.approx(loss, rel=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("name", COHORTS)
def test_members_train_as_a_plain_loop_does(
    name: str, lanes: int, data: jaxrnn.Data, uneven_data: jaxrnn.Data
) -> None:
    own = uneven_data if name in UNEVEN else data
    trainer = jaxrnn.Trainer(own, microbatch=MICROBATCH, lanes=lanes, devices=2, seed=ORDER_SEED)
    members = COHORTS[name]
    population = trainer.train(start(trainer, members, EPOCHS), EPOCHS)
    assert len(population.cohorts) == 1
    assert trainer.compiler.programs == 2
    for position in range(len(members)):
        compare(trainer, own, population, position)
