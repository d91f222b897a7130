"""The populations whose results are compared: cases of mixed members, and what they learn."""

from typing import Any, NamedTuple

import numpy as np

import jaxrnn
from jaxrnn.configuration.optimizers import OPTIMIZERS

EPOCHS, MICROBATCH = 3, 16
TIME, FEATURES, CLASSES, SAMPLES, HELD_OUT = 12, 5, 3, 96, 48
RATES = {"sgd": 0.1, "momentum": 0.03, "nesterov": 0.03, "rmsprop": 1e-3, "lion": 1e-4}
"""Learning rates where 3e-3 would say little."""
LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 24}
GRU: dict[str, Any] = {"cell": "gru", "hidden_size": 20}
RNN: dict[str, Any] = {"cell": "rnn", "hidden_size": 18}
NORM = {**LSTM, "layer_norm": True}
BOTH = {**GRU, "layers": 2, "bidirectional": True}


class Case(NamedTuple):
    """Members that train together.

    Attributes:
        name: For people and files.
        kinds: Their configurations, which repeat; widths and learning rates then differ.
        uneven: Whether sequences are of different lengths.
    """

    name: str
    kinds: tuple[dict[str, Any], ...]
    uneven: bool = False


CASES = (
    Case(
        "optimizers",
        tuple(
            {**LSTM, "optimizer": name, "learning_rate": RATES.get(name, 3e-3)}
            for name in OPTIMIZERS
        ),
    ),
    Case("cells", (LSTM, GRU, {**RNN, "dropout": 0.2}), uneven=True),
    Case(
        "norms-and-activations",
        (
            NORM,
            {**NORM, "activation": "sigmoid"},
            {**NORM, "activation": "relu", "output_activation": "softsign"},
            {**NORM, "activation": "silu", "learned_start": True},
        ),
        uneven=True,
    ),
    Case(
        "blocks",
        (
            {**LSTM, "tbptt_length": 4},
            {**LSTM, "tbptt_length": 5, "tbptt_overlap": 0.4, "target_replication": 0.5},
            {**LSTM, "tbptt_length": 3, "input_dropout": 0.2},
        ),
        uneven=True,
    ),
    Case(
        "both-directions",
        (BOTH, {**BOTH, "dropout": 0.3, "residual": True}, {**BOTH, "recurrent_dropout": 0.2}),
        uneven=True,
    ),
    Case(
        "batches-and-rates",
        (
            {**GRU, "batch_size": 32, "schedule": "cosine"},
            {**GRU, "batch_size": 64, "clip_norm": 0.05, "schedule": "linear"},
            {**GRU, "patience": 1, "min_delta": 0.05, "schedule": "plateau"},
        ),
    ),
)


def members(case: Case, count: int) -> list[dict[str, Any]]:
    """The configurations of so many members."""
    rates = np.random.default_rng(0).uniform(0.5, 1.0, count)
    found = []
    for number in range(count):
        kind = case.kinds[number % len(case.kinds)]
        rate = kind.get("learning_rate", 3e-3) * float(rates[number])
        width = kind["hidden_size"] + number % 5
        found.append({**kind, "learning_rate": rate, "hidden_size": width})
    return found


def sequences(samples: int, seed: int, uneven: bool) -> tuple[np.ndarray, ...]:
    """Noise whose label says which third of the steps is largest, for three labels of four."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(samples, TIME, FEATURES)).astype(np.float32)
    thirds = inputs.reshape(samples, CLASSES, -1, FEATURES).sum((2, 3))
    labels = np.where(rng.random(samples) < 0.25, rng.integers(0, 3, samples), thirds.argmax(1))
    if not uneven:
        return inputs, labels
    lengths = rng.integers(2, TIME + 1, samples)
    inputs[np.arange(TIME) >= lengths[:, None]] = np.nan
    return inputs, labels, lengths


def data(uneven: bool) -> jaxrnn.Data:
    """Data for members to learn."""
    sizes = (SAMPLES, HELD_OUT, HELD_OUT)
    train, validation, test = (sequences(n, seed, uneven) for seed, n in enumerate(sizes))
    return jaxrnn.from_splits(train, validation, test, name="thirds")
