"""Every entry that a configuration may hold, by group: default, range, meaning and source."""

import math
from collections.abc import Iterable
from typing import Any

from jaxrnn.configuration.activations import ACTIVATIONS
from jaxrnn.configuration.hyperparameter import Hyperparameter
from jaxrnn.configuration.initialisers import INITIALISERS
from jaxrnn.configuration.optimizers import LEAST_EPS, OPTIMIZERS, arguments

CELLS = ("lstm", "gru", "rnn")
CROPS = ("end", "start", "random")
SCHEDULES = ("constant", "exponential", "step", "linear", "cosine", "plateau")
CLASSES = "there are classes"
PER_SEQUENCE = "a class or values per sequence are due"
DEEP, GROWN = {"low": 2}, {"low": 1}


def _name(default: str, choices: Iterable[str], meaning: str, **more: Any) -> Hyperparameter:
    return Hyperparameter(str, default, meaning, choices=tuple(choices), **more)


def _number(default: float | None, meaning: str, **more: Any) -> Hyperparameter:
    return Hyperparameter(float, default, meaning, **more)


def _whole(default: int | None, meaning: str, **more: Any) -> Hyperparameter:
    return Hyperparameter(int, default, meaning, **more)


def _switch(meaning: str, **more: Any) -> Hyperparameter:
    return Hyperparameter(bool, False, meaning, **more)


def _share(meaning: str, high: float = 0.95, **more: Any) -> Hyperparameter:
    return Hyperparameter(float, 0.0, meaning, high=high, **more)


def _units_of(layer: int) -> Hyperparameter:
    return _whole(
        None,
        f"units of layer {layer}",
        low=1,
        high=4096,
        when={"layers": {"low": layer}},
        default_is="as `hidden_size`",
    )


def _of_optimizer(name: str, meaning: str, **more: Any) -> Hyperparameter:
    return _number(None, meaning, when={"optimizer": takers(name)}, default_is="Optax's", **more)


def takers(argument: str, optimizers: Iterable[str] = OPTIMIZERS) -> list[str]:
    """Optimizers that take `argument`."""
    return [name for name in optimizers if argument in arguments(name)]


def _dense(place: str, what: str) -> dict[str, Hyperparameter]:
    when = {f"dense_{place}": GROWN}
    return {
        f"dense_{place}": _whole(0, what, high=3),
        f"dense_{place}_units": _whole(32, "units of each", low=1, high=4096, when=when),
        f"dense_{place}_activation": _name("relu", ACTIVATIONS, "of each", when=when),
    }


GROUPS: dict[str, dict[str, Hyperparameter]] = {
    "cell": {
        "cell": _name(
            "lstm",
            CELLS,
            "long short-term memory (Hochreiter and Schmidhuber 1997), gated recurrent unit (Cho "
            "et al. 2014), simple network (Elman 1990)",
        ),
        "layer_norm": _switch(
            "normalise the input and recurrent map of every gate over its units (Ba et al. 2016)"
        ),
        "activation": _name("tanh", ACTIVATIONS, "of the candidate; of the state of `rnn`"),
        "output_activation": _name(
            "tanh", ACTIVATIONS, "of the memory at the output gate", when={"cell": ["lstm"]}
        ),
    },
    "inputs": {
        "embedding_size": _whole(
            32, "numbers that stand for a token", low=1, high=4096, asks="inputs are tokens"
        ),
        "window_norm": _switch(
            "forecast changes from a window's last values, in its deviations (Kim et al. 2022)",
            asks="the task is forecasting",
        ),
    },
    "shape": {
        "layers": _whole(1, "recurrent layers", low=1, high=4),
        "hidden_size": _whole(32, "units per layer and direction", low=1, high=4096),
        **{f"hidden_size_{layer}": _units_of(layer) for layer in (2, 3, 4)},
        "bidirectional": _switch(
            "read backwards too (Schuster and Paliwal 1997)", asks="nobody asks what comes next"
        ),
        "residual": _switch(
            "add the layer below, cut or filled with zeros (He et al. 2016)", when={"layers": DEEP}
        ),
        **_dense("before", "dense layers below the recurrent ones"),
        **_dense("after", "dense layers between the recurrent ones and the head"),
    },
    "start": {
        "kernel_init": _name(
            "lecun_normal",
            INITIALISERS,
            "of input, dense and head kernels (LeCun 1998, Glorot and Bengio 2010, He et al. 2015, "
            "Saxe et al. 2014; `uniform` within 0.05, `normal` of deviation 0.05)",
        ),
        "kernel_scale": _number(1.0, "factor on them", high=100.0),
        "recurrent_init": _name("orthogonal", INITIALISERS, "of recurrent kernels, gate by gate"),
        "recurrent_scale": _number(1.0, "factor on them", high=100.0),
        "forget_bias": _number(
            1.0,
            "first bias of the gate that keeps the state: an LSTM's forget gate (Jozefowicz et al. "
            "2015), a GRU's update gate z in h' = (1 - z) n + z h (so 1 here is the -1 of those "
            "who write z for the new state)",
            low=-10.0,
            high=10.0,
            when={"cell": ["lstm", "gru"]},
        ),
        "learned_start": _switch("learn the initial state, from 0", asks="inputs are no long text"),
    },
    "regularisation": {
        "input_dropout": _share("probability of dropping an input"),
        "dropout": _share("the same between layers and before the head (Zaremba et al. 2014)"),
        "recurrent_dropout": _share(
            "the same for the state on its way to the next step, one mask for all steps (Gal and "
            "Ghahramani 2016)"
        ),
        "weight_decay": _of_optimizer(
            "weight_decay", "decoupled decay of kernels, per unit of learning rate"
        ),
        "l2": _number(0.0, "penalty of half the squared kernels, in the gradient"),
        "input_noise": _number(0.0, "deviation of noise on inputs", asks="inputs are numbers"),
        "label_smoothing": _share(
            "probability spread over all classes (Szegedy et al. 2016)", 0.9, asks=CLASSES
        ),
    },
    "optimizer": {
        "optimizer": _name(
            "adamw", OPTIMIZERS, "Optax's; or the dotted name of a factory: `optax.lamb`", open=True
        ),
        "momentum": _of_optimizer("momentum", "share of the last update kept", high=0.9999),
        "b1": _of_optimizer("b1", "decay of the first moment", high=0.9999),
        "b2": _of_optimizer("b2", "decay of the second moment", high=0.999999),
        "eps": _of_optimizer("eps", "least denominator", low=LEAST_EPS, high=1.0),
    },
    "learning rate": {
        "learning_rate": _number(3e-3, "step size"),
        "schedule": _name(
            "constant",
            SCHEDULES,
            "over `epochs`, never over a rung; `plateau` acts when the validation loss stalls",
        ),
        "warmup_epochs": _number(0.0, "rise evenly from 0 for so long, then start the schedule"),
        "decay_rate": _number(
            0.97,
            "factor per epoch (`exponential`) or per `decay_epochs` (`step`)",
            low=1e-6,
            high=1.0,
            when={"schedule": ["exponential", "step"]},
        ),
        "decay_epochs": _number(10.0, "epochs of a step", low=0.01, when={"schedule": ["step"]}),
        "final_rate": _number(
            0.0, "share left at the end", high=1.0, when={"schedule": ["linear", "cosine"]}
        ),
        "plateau_factor": _number(
            0.5, "factor at a stall", low=1e-6, high=1.0, when={"schedule": ["plateau"]}
        ),
        "plateau_patience": _whole(
            3, "epochs without progress that make a stall", low=1, when={"schedule": ["plateau"]}
        ),
        "plateau_min_delta": _number(1e-4, "least progress", when={"schedule": ["plateau"]}),
    },
    "batch": {
        "batch_size": _whole(
            None,
            "sequences per update, a multiple of the microbatch",
            low=1,
            default_is="one microbatch",
        ),
        "batch_growth_epochs": _whole(0, "grow the batch every so many epochs; 0 for never"),
        "batch_growth": _number(
            2.0,
            "factor (Smith et al. 2018)",
            low=1.0,
            high=64.0,
            when={"batch_growth_epochs": GROWN},
        ),
    },
    "stability": {
        "clip_norm": _number(
            1.0,
            "greatest global norm of a gradient (Pascanu et al. 2013); inf for no clipping",
            finite=False,
        ),
        "clip_value": _number(
            math.inf, "greatest size of a gradient's entry, clipped before the norm", finite=False
        ),
    },
    "length": {
        "target_replication": _share(
            "share of the loss that lies on every step, as a mean over the sequence's true length; "
            "the rest lies on the last step (Lipton et al. 2016)",
            1.0,
            asks=PER_SEQUENCE,
        ),
        "tbptt_length": _whole(
            0,
            "steps of a block of truncated back-propagation (Williams and Peng 1990); 0 for none",
            when={"bidirectional": [False]},
        ),
        "tbptt_overlap": _share(
            "share of a block in common with the one before: gradients reach back at least so far",
            0.5,
            when={"tbptt_length": GROWN},
        ),
        "tbptt_growth_epochs": _whole(
            0, "grow blocks every so many epochs; 0 for never", when={"tbptt_length": GROWN}
        ),
        "tbptt_growth": _number(
            2.0, "factor of growth", low=1.0, high=64.0, when={"tbptt_growth_epochs": GROWN}
        ),
        "crop_length": _whole(0, "steps kept of each sequence; 0 for all", asks=PER_SEQUENCE),
        "crop_at": _name(
            "end",
            CROPS,
            "where they are kept; `random` in training alone, predictions then read all",
            when={"crop_length": GROWN},
        ),
    },
    "stopping": {
        "epochs": _whole(None, "train for so many", low=1, default_is="as the search"),
        "patience": _whole(
            0,
            "stop after so many epochs without progress of the validation loss, and restore the "
            "best parameters (Prechelt 1998); 0 for never",
        ),
        "min_delta": _number(0.0, "least progress", when={"patience": GROWN}),
    },
}

HYPERPARAMETERS: dict[str, Hyperparameter] = {
    name: entry for group in GROUPS.values() for name, entry in group.items()
}
