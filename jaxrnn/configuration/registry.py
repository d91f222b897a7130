"""Every hyperparameter by group: default, range, meaning, source, and the code that it needs."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from jaxrnn.configuration.activations import ACTIVATIONS
from jaxrnn.configuration.hyperparameter import Hyperparameter
from jaxrnn.configuration.initialisers import INITIALISERS
from jaxrnn.configuration.optimizers import LEAST_EPS, OPTIMIZERS, arguments

CELLS = ("lstm", "gru", "rnn")
CROPS = ("end", "start", "random")
SCHEDULES = ("constant", "exponential", "step", "linear", "cosine", "plateau")
CLASSES = "for classes"
PER_SEQUENCE = "for classification and regression"
FORECASTING = "for forecasting"
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


def _static(hyperparameter: Hyperparameter) -> Hyperparameter:
    """Mark as fixed when programs are compiled, or as needed on the host alone."""
    return replace(hyperparameter, traced=False)


def _of_optimizer(name: str, meaning: str, **more: Any) -> Hyperparameter:
    return _number(
        None, meaning, when={"optimizer": optimizers_with(name)}, default_is="Optax's", **more
    )


def optimizers_with(argument: str, optimizers: Iterable[str] = OPTIMIZERS) -> list[str]:
    """List the optimizers that take `argument`."""
    return [name for name in optimizers if argument in arguments(name)]


def _dense(place: str, what: str) -> dict[str, Hyperparameter]:
    when = {f"dense_{place}": GROWN}
    return {
        f"dense_{place}": _whole(0, what, high=3),
        f"dense_{place}_units": _whole(32, "units of each layer", low=1, high=4096, when=when),
        f"dense_{place}_activation": _name(
            "relu", ACTIVATIONS, "activation of each layer", when=when
        ),
    }


GROUPS: dict[str, dict[str, Hyperparameter]] = {
    "cell": {
        "cell": _static(
            _name(
                "lstm",
                CELLS,
                "long short-term memory (Hochreiter and Schmidhuber 1997), gated recurrent unit "
                "(Cho et al. 2014), simple network (Elman 1990)",
            )
        ),
        "layer_norm": _switch(
            "normalise the input and recurrent map of every gate over its units (Ba et al. 2016)",
            code="layer_norm",
        ),
        "activation": _name(
            "tanh", ACTIVATIONS, "activation of the candidate; for `rnn`, of the state"
        ),
        "output_activation": _name(
            "tanh",
            ACTIVATIONS,
            "activation of the cell state at the output gate",
            when={"cell": ["lstm"]},
        ),
    },
    "inputs": {
        "embedding_size": _static(
            _whole(32, "size of the vector of a token", low=1, high=4096, requires="for tokens")
        ),
        "window_norm": _switch(
            "forecast changes from a window's last values, in units of the window's standard "
            "deviations (Kim et al. 2022)",
            requires=FORECASTING,
            code="window_norm",
        ),
    },
    "shape": {
        "layers": _static(_whole(1, "recurrent layers", low=1, high=4)),
        "hidden_size": _whole(32, "units per layer and direction", low=1, high=4096),
        **{f"hidden_size_{layer}": _units_of(layer) for layer in (2, 3, 4)},
        "bidirectional": _static(
            _switch(
                "read backwards too (Schuster and Paliwal 1997)",
                requires="not for next-step and language tasks",
            )
        ),
        "residual": _switch(
            "add the layer below, cut or filled with zeros (He et al. 2016)",
            when={"layers": DEEP},
            code="residual",
        ),
        **_dense("before", "dense layers below the recurrent ones"),
        **_dense("after", "dense layers between the recurrent ones and the head"),
    },
    "start": {
        "kernel_init": _static(
            _name(
                "lecun_normal",
                INITIALISERS,
                "initialiser of input, dense and head kernels (LeCun 1998, Glorot and Bengio 2010, "
                "He et al. 2015, Saxe et al. 2014; `uniform` within 0.05, `normal` with standard "
                "deviation 0.05)",
            )
        ),
        "kernel_scale": _static(_number(1.0, "factor on these kernels", high=100.0)),
        "recurrent_init": _static(
            _name("orthogonal", INITIALISERS, "initialiser of recurrent kernels, gate by gate")
        ),
        "recurrent_scale": _static(_number(1.0, "factor on recurrent kernels", high=100.0)),
        "forget_bias": _static(
            _number(
                1.0,
                "first bias of the gate that keeps the state: an LSTM's forget gate (Jozefowicz et "
                "al. 2015), a GRU's update gate z in h' = (1 - z) n + z h (so 1 here is -1 where z "
                "weighs the new state)",
                low=-10.0,
                high=10.0,
                when={"cell": ["lstm", "gru"]},
            )
        ),
        "learned_start": _switch(
            "learn the initial state, from 0", requires="not for long texts", code="learned_start"
        ),
    },
    "regularisation": {
        "input_dropout": _share("probability of dropping an input", code="input_dropout"),
        "dropout": _share(
            "the same between layers and before the head (Zaremba et al. 2014)", code="dropout"
        ),
        "recurrent_dropout": _share(
            "the same for the state on its way to the next step, one mask for all steps (Gal and "
            "Ghahramani 2016)",
            code="recurrent_dropout",
        ),
        "weight_decay": _of_optimizer(
            "weight_decay", "decoupled decay of kernels, per unit of learning rate"
        ),
        "l2": _number(0.0, "penalty of half the squared kernels, in the gradient"),
        "input_noise": _number(
            0.0,
            "standard deviation of Gaussian noise on inputs",
            requires="not for tokens",
            code="input_noise",
        ),
        "label_smoothing": _share(
            "probability spread over all classes (Szegedy et al. 2016)", 0.9, requires=CLASSES
        ),
    },
    "optimizer": {
        "optimizer": _name(
            "adamw",
            OPTIMIZERS,
            "optimizer of Optax; or the dotted name of a factory, such as `optax.lamb`",
            other_names=True,
        ),
        "momentum": _of_optimizer("momentum", "share of the last update that is kept", high=0.9999),
        "b1": _of_optimizer("b1", "decay of the first moment", high=0.9999),
        "b2": _of_optimizer("b2", "decay of the second moment", high=0.999999),
        "eps": _of_optimizer("eps", "least denominator of an update", low=LEAST_EPS, high=1.0),
    },
    "learning rate": {
        "learning_rate": _number(3e-3, "step size"),
        "schedule": _name(
            "constant",
            SCHEDULES,
            "schedule over `epochs`, never over a rung; `plateau` acts when the validation loss "
            "stalls",
            code="validation",
            code_values=("plateau",),
        ),
        "warmup_epochs": _number(
            0.0, "epochs of a linear rise from 0, after which the schedule starts"
        ),
        "decay_rate": _number(
            0.97,
            "factor per epoch (`exponential`) or per `decay_epochs` (`step`)",
            low=1e-6,
            high=1.0,
            when={"schedule": ["exponential", "step"]},
        ),
        "decay_epochs": _number(
            10.0, "epochs between two steps", low=0.01, when={"schedule": ["step"]}
        ),
        "final_rate": _number(
            0.0,
            "share of the learning rate left at the end",
            high=1.0,
            when={"schedule": ["linear", "cosine"]},
        ),
        "plateau_factor": _number(
            0.5,
            "factor on the learning rate at a stall",
            low=1e-6,
            high=1.0,
            when={"schedule": ["plateau"]},
        ),
        "plateau_patience": _whole(
            3, "epochs without progress that make a stall", low=1, when={"schedule": ["plateau"]}
        ),
        "plateau_min_delta": _number(
            1e-4, "least decrease that counts as progress", when={"schedule": ["plateau"]}
        ),
    },
    "batch": {
        "batch_size": _whole(
            None,
            "sequences per update, a multiple of the microbatch",
            low=1,
            default_is="one microbatch",
        ),
        "batch_growth_epochs": _whole(
            0, "epochs between two growths of the batch; 0 for no growth", code="accumulation"
        ),
        "batch_growth": _number(
            2.0,
            "factor of growth (Smith et al. 2018)",
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
            math.inf,
            "greatest absolute value of an element of a gradient, clipped before the norm",
            finite=False,
        ),
    },
    "length": {
        "target_replication": _share(
            "share of the loss that lies on every step, as a mean over the sequence's true length; "
            "the rest lies on the last step (Lipton et al. 2016)",
            1.0,
            requires=PER_SEQUENCE,
            code="target_replication",
        ),
        "tbptt_length": _whole(
            0,
            "steps of a block of truncated back-propagation through time (Williams and Peng 1990); "
            "0 for full back-propagation",
            when={"bidirectional": [False]},
            code="tbptt",
        ),
        "tbptt_overlap": _share(
            "share of a block in common with the one before: gradients reach back at least so far",
            0.5,
            when={"tbptt_length": GROWN},
            code="tbptt_overlap",
        ),
        "tbptt_growth_epochs": _whole(
            0,
            "epochs between two growths of blocks; 0 for no growth",
            when={"tbptt_length": GROWN},
        ),
        "tbptt_growth": _number(
            2.0, "factor of growth", low=1.0, high=64.0, when={"tbptt_growth_epochs": GROWN}
        ),
        "crop_length": _whole(
            0, "steps kept of each sequence; 0 for all", requires=PER_SEQUENCE, code="crop"
        ),
        "crop_at": _name(
            "end",
            CROPS,
            "part of a sequence that is kept; `random` crops in training alone, and predictions "
            "then read whole sequences",
            when={"crop_length": GROWN},
        ),
    },
    "stopping": {
        "epochs": _whole(None, "epochs of training", low=1, default_is="as the search"),
        "patience": _whole(
            0,
            "epochs without progress of the validation loss after which training stops and the "
            "best parameters are restored (Prechelt 1998); 0 for no early stopping",
            code="validation",
        ),
        "min_delta": _number(
            0.0, "least decrease that counts as progress", when={"patience": GROWN}
        ),
    },
}

HYPERPARAMETERS: dict[str, Hyperparameter] = {
    name: hyperparameter for group in GROUPS.values() for name, hyperparameter in group.items()
}
TRACED = tuple(name for name, hyperparameter in HYPERPARAMETERS.items() if hyperparameter.traced)
"""Names of those that compiled programs take as arguments."""
