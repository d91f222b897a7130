"""Optimizers by name: Optax's own, with the arguments that a configuration may set.

Any other factory goes by its dotted name, such as `optax.lamb` or `my_module.my_factory`.
"""

import difflib
import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import jax
import optax

ARGUMENTS = ("momentum", "b1", "b2", "eps", "weight_decay")
"""Entries that act where a factory has an argument of that name."""
Factory = Callable[..., optax.GradientTransformation]


def decays(name: str) -> bool:
    """Whether a parameter is pulled towards 0: matrices are, biases, scales and states never."""
    return name.endswith(("kernel", "kernels"))


def kernels(parameters: Any) -> Any:
    """A tree like `parameters` of what `decays`, as Optax's masks want it."""

    def last(path: tuple[Any, ...], _: Any) -> bool:
        return decays(str(getattr(path[-1], "key", getattr(path[-1], "name", ""))))

    return jax.tree_util.tree_map_with_path(last, parameters)


def sgd(learning_rate: float) -> optax.GradientTransformation:
    """Stochastic gradient descent (Robbins and Monro 1951)."""
    return optax.sgd(learning_rate)


def momentum(learning_rate: float, momentum: float = 0.9) -> optax.GradientTransformation:
    """Heavy ball (Polyak 1964)."""
    return optax.sgd(learning_rate, momentum)


def nesterov(learning_rate: float, momentum: float = 0.9) -> optax.GradientTransformation:
    """Accelerated gradient (Nesterov 1983; Sutskever et al. 2013)."""
    return optax.sgd(learning_rate, momentum, nesterov=True)


def rmsprop(
    learning_rate: float, b2: float = 0.9, eps: float = 1e-8
) -> optax.GradientTransformation:
    """RMSprop (Tieleman and Hinton 2012); `b2` is its decay."""
    return optax.rmsprop(learning_rate, decay=b2, eps=eps)


def adagrad(learning_rate: float, eps: float = 1e-8) -> optax.GradientTransformation:
    """Adagrad (Duchi et al. 2011), its sums starting at 0 as in PyTorch: padding stays 0."""
    return optax.adagrad(learning_rate, initial_accumulator_value=0.0, eps=eps)


def adam(
    learning_rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Adam (Kingma and Ba 2015)."""
    return optax.adam(learning_rate, b1, b2, eps)


def adamw(
    learning_rate: float,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 1e-4,
) -> optax.GradientTransformation:
    """AdamW (Loshchilov and Hutter 2019)."""
    return optax.adamw(learning_rate, b1, b2, eps, weight_decay=weight_decay, mask=kernels)


def nadam(
    learning_rate: float, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
) -> optax.GradientTransformation:
    """Nadam (Dozat 2016)."""
    return optax.nadam(learning_rate, b1, b2, eps)


def lion(
    learning_rate: float, b1: float = 0.9, b2: float = 0.99, weight_decay: float = 1e-3
) -> optax.GradientTransformation:
    """Lion (Chen et al. 2023)."""
    return optax.lion(learning_rate, b1, b2, weight_decay=weight_decay, mask=kernels)


OPTIMIZERS: dict[str, Factory] = {
    "sgd": sgd,
    "momentum": momentum,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adagrad": adagrad,
    "adam": adam,
    "adamw": adamw,
    "nadam": nadam,
    "lion": lion,
}


@cache
def factory(name: str) -> Factory:
    """The factory called `name`.

    Raises:
        ValueError: No such optimizer, or one that needs more than a learning rate.
    """
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    module, _, attribute = name.rpartition(".")
    if not module:
        near = difflib.get_close_matches(name, OPTIMIZERS, n=1, cutoff=0.0)[0]
        known = ", ".join(f"'{known}'" for known in OPTIMIZERS)
        raise ValueError(
            f"`optimizer` is {name!r}, but must be one of {known}, or the dotted name of an Optax "
            f"factory such as 'optax.lamb'; the nearest is '{near}'."
        )
    try:
        found = getattr(import_module(module), attribute)
        needed = [
            argument.name
            for argument in inspect.signature(found).parameters.values()
            if argument.default is argument.empty and argument.kind is not argument.VAR_KEYWORD
        ]
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"`optimizer` is {name!r}, but there is no such factory to import."
        ) from error
    if needed != ["learning_rate"]:
        raise ValueError(
            f"`optimizer` is {name!r}, which needs {', '.join(needed) or 'nothing'}, but must be a "
            "factory that needs `learning_rate` alone."
        )
    return found


def arguments(name: str) -> dict[str, float]:
    """Those of `ARGUMENTS` that the optimizer `name` takes, with its defaults."""
    known = inspect.signature(factory(name)).parameters
    return {entry: float(known[entry].default or 0.0) for entry in ARGUMENTS if entry in known}


def injectable(name: str) -> optax.GradientTransformationExtraArgs:
    """The optimizer `name` with every number injectable; the numbers it starts with are zeros."""
    made = factory(name)
    numbers = "learning_rate", *arguments(name)
    others = [
        argument for argument in inspect.signature(made).parameters if argument not in numbers
    ]
    masked = {"mask": kernels} if "mask" in others else {}
    build = optax.inject_hyperparams(made, static_args=others)
    return build(**dict.fromkeys(numbers, 0.0), **masked)
