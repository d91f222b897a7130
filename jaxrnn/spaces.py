"""Built-in search spaces, as `search.Space` reads them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxrnn.configuration.activations import ACTIVATIONS
from jaxrnn.configuration.initialisers import INITIALISERS
from jaxrnn.configuration.optimizers import OPTIMIZERS
from jaxrnn.configuration.registry import CROPS, SCHEDULES
from jaxrnn.configuration.rules import UNITS_OF_LAYERS
from jaxrnn.tasks.task import Task

Space = dict[str, Any]


class SpaceContext(NamedTuple):
    """Facts that a space depends on.

    Attributes:
        task: Task that is learned.
        time: Steps of a sequence.
        microbatch: Sequences of a training step.
        max_epochs: Most epochs that a trial trains.
    """

    task: Task
    time: int
    microbatch: int
    max_epochs: int


DEFAULT_SPACE: Space = {
    "cell": ["lstm", "gru"],
    "hidden_size": {"low": 16, "high": 64, "log": True},
    "learning_rate": {"low": 1e-3, "high": 3e-2, "log": True},
    "dropout": {"low": 0.0, "high": 0.5},
    "clip_norm": {"low": 0.1, "high": 10.0, "log": True},
    "weight_decay": {"low": 1e-5, "high": 1e-1, "log": True},
}
"""A good start on most data: the hyperparameters that matter most, in ranges that rarely fail."""


def _log(low: float, high: float) -> Space:
    return {"low": low, "high": high, "log": True}


def _even(low: float, high: float) -> Space:
    return {"low": low, "high": high}


def default_space(context: SpaceContext) -> Space:
    """Return `DEFAULT_SPACE` with what the task calls for.

    `Trainer.space` leaves out hyperparameters that make no sense for the data.
    """
    return DEFAULT_SPACE | {"embedding_size": _log(16, 64)} | FOR_TASKS.get(context.task.name, {})


def full_space(context: SpaceContext) -> Space:
    """Return all hyperparameters, to see what matters rather than to find the best soonest."""
    _, time, microbatch, max_epochs = context
    units, activations, yes_or_no = _log(16, 64), list(ACTIVATIONS), [True, False]
    return {
        "cell": ["lstm", "gru", "rnn"],
        "layer_norm": yes_or_no,
        "activation": activations,
        "output_activation": activations,
        "embedding_size": units,
        "window_norm": yes_or_no,
        "layers": _even(1, 4),
        **{name: units for name in UNITS_OF_LAYERS},
        "bidirectional": yes_or_no,
        "residual": yes_or_no,
        "dense_before": _even(0, 2),
        "dense_before_units": _log(8, 64),
        "dense_before_activation": activations,
        "dense_after": _even(0, 2),
        "dense_after_units": _log(8, 64),
        "dense_after_activation": activations,
        "kernel_init": list(INITIALISERS),
        "kernel_scale": _log(0.5, 2.0),
        "recurrent_init": list(INITIALISERS),
        "recurrent_scale": _log(0.5, 2.0),
        "forget_bias": _even(-1.0, 2.0),
        "learned_start": yes_or_no,
        **_training(max_epochs),
        "batch_size": [microbatch, 2 * microbatch, 4 * microbatch],
        "batch_growth_epochs": _even(0, 5),
        "batch_growth": _even(1.5, 3.0),
        "clip_norm": _log(0.1, 10.0),
        "clip_value": _log(0.01, 1.0),
        "target_replication": _even(0.0, 0.5),
        "tbptt_length": sorted({0, -(-time // 4), -(-time // 2)}),
        "tbptt_overlap": _even(0.0, 0.5),
        "tbptt_growth_epochs": _even(0, 5),
        "tbptt_growth": _even(1.5, 3.0),
        "crop_length": sorted({0, -(-time * 3 // 4)}),
        "crop_at": list(CROPS),
    }


def _training(max_epochs: int) -> Space:
    """Return the space of regularisation, optimizers, learning rates and stopping."""
    return {
        "input_dropout": _even(0.0, 0.3),
        "dropout": _even(0.0, 0.5),
        "recurrent_dropout": _even(0.0, 0.5),
        "weight_decay": _log(1e-5, 1e-1),
        "l2": _log(1e-7, 1e-3),
        "input_noise": _even(0.0, 0.3),
        "label_smoothing": _even(0.0, 0.2),
        "optimizer": list(OPTIMIZERS),
        "momentum": _even(0.5, 0.99),
        "b1": _even(0.8, 0.99),
        "b2": _even(0.9, 0.9999),
        "eps": _log(1e-9, 1e-6),
        "learning_rate": _log(3e-4, 1e-1),
        "schedule": list(SCHEDULES),
        "warmup_epochs": _even(0.0, 2.0),
        "decay_rate": _even(0.5, 0.99),
        "decay_epochs": _even(1.0, 10.0),
        "final_rate": _even(0.0, 0.2),
        "plateau_factor": _even(0.1, 0.7),
        "plateau_patience": _even(1, 5),
        "plateau_min_delta": _log(1e-5, 1e-2),
        "epochs": sorted({-(-max_epochs // 2), max_epochs}),
        "patience": [0, 3, 5, 8],
        "min_delta": _log(1e-5, 1e-2),
    }


FOR_TASKS: dict[str, Space] = {
    "forecasting": {"window_norm": [True, False]},
    "next_step": {"hidden_size": _log(32, 128)},
    "language": {
        "layers": [1, 2],
        "hidden_size": _log(64, 256),
        "learning_rate": _log(1e-3, 1e-2),
        "dropout": _even(0.0, 0.3),
    },
}
"""Additions to `DEFAULT_SPACE` and other ranges, by task."""

SPACES: dict[str, Callable[[SpaceContext], Space]] = {"default": default_space, "full": full_space}
"""Functions that build a space, by the name that `Trainer.space` takes."""
