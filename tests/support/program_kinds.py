"""Kinds of program, by the configurations and the data that lead to them."""

from functools import cache
from typing import Any

import numpy as np
from support.task_data import TASKS, made

import jaxrnn

TIME = 11


MICROBATCH = 8


LSTM = {"cell": "lstm", "hidden_size": 16}


GRU = {"cell": "gru", "hidden_size": 16}


ALL = {"input_dropout": 0.1, "dropout": 0.2, "recurrent_dropout": 0.1, "input_noise": 0.1}


KINDS: dict[str, list[dict[str, Any]]] = {
    "lstm": [LSTM],
    "gru": [GRU],
    "rnn": [{"cell": "rnn", "hidden_size": 16}],
    "layer norm": [LSTM | {"layer_norm": True}],
    "layer norm, gru": [GRU | {"layer_norm": True}],
    "activations": [LSTM | {"activation": name} for name in ("tanh", "relu", "elu")],
    "blocks": [LSTM | {"tbptt_length": 4}],
    "overlapping blocks": [GRU | {"tbptt_length": 4, "tbptt_overlap": 0.5}],
    "dropout": [LSTM | ALL],
    "optimizers": [LSTM | {"optimizer": name} for name in ("adam", "sgd", "rmsprop")],
    "both directions, two layers": [GRU | {"layers": 2, "bidirectional": True, "dropout": 0.2}],
    "patience": [LSTM | {"patience": 2, "batch_size": 2 * MICROBATCH}],
    "uneven lengths": [LSTM],
    "uneven lengths, dropout": [GRU | ALL],
}


def sequences(samples: int, uneven: bool) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    lengths = (np.resize([TIME, 2, 5], samples),) if uneven else ()
    return rng.normal(size=(samples, TIME, 3)).astype(np.float32), np.arange(samples) % 3, *lengths


@cache
def drawn(kind: str) -> jaxrnn.Data:
    if kind in TASKS:
        return made(kind)
    if kind == "adding":
        return jaxrnn.adding(100, TIME)
    train, validation, test = (sequences(n, kind.startswith("uneven")) for n in (32, 16, 16))
    return jaxrnn.from_splits(train, validation, test)
