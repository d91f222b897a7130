"""Optimizers by name: Optax's own, with the arguments that a configuration may set.

Any other factory goes by its dotted name, such as `optax.lamb` or `my_module.my_factory`.
"""

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import jax
import numpy as np
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
        ValueError: No such optimizer, one that needs more than a learning rate, or one that
            would move padding.
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
        known = inspect.signature(found).parameters
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"`optimizer` is {name!r}, but there is no such factory to import."
        ) from error
    needed = [n for n, argument in known.items() if argument.default is argument.empty]
    if "learning_rate" not in known or set(needed) - {"learning_rate", "kwargs"}:
        raise ValueError(
            f"`optimizer` is {name!r}, which takes {', '.join(known) or 'nothing'}, but must be a "
            "factory that takes `learning_rate` and needs nothing else."
        )
    if not _fits(found):
        raise ValueError(
            f"`optimizer` is {name!r}, which does not fit populations: its updates must be the "
            "same with zeros around the weights, and its first state must be of numbers that do "
            "not depend on the learning rate."
        )
    return found


def _fits(made: Factory) -> bool:
    """Whether padding changes nothing and stays zero, and the state needs no learning rate."""
    rng = np.random.default_rng(0)
    own = {"layer": {"kernel": rng.normal(size=(130, 2, 140)), "bias": rng.normal(size=(2, 140))}}
    own = jax.tree.map(np.float32, own)  # larger than what some factor into rows and columns
    padded = jax.tree.map(lambda leaf: np.pad(leaf, [(0, 0)] * (leaf.ndim - 1) + [(0, 9)]), own)
    optimizer = _injectable(made)

    def updated(weights: Any, rate: float) -> list[np.ndarray]:
        state: Any = optimizer.init(weights)
        state = state._replace(hyperparams={**state.hyperparams, "learning_rate": rate})
        updates, _ = jax.jit(optimizer.update)(weights, state, weights)
        return [np.asarray(leaf) for leaf in jax.tree.leaves(updates)]

    try:
        states = (jax.tree.leaves(made(learning_rate=rate).init(own)) for rate in (0.0, 0.5))
        if not all(np.array_equal(one, two) for one, two in zip(*states, strict=True)):
            return False
        alone, among = updated(own, 0.5), updated(padded, 0.5)
    except Exception:  # whatever it is that others' code does not like
        return False
    return all(
        np.allclose(wide[..., :140], narrow, rtol=1e-4, atol=1e-6) and not wide[..., 140:].any()
        for narrow, wide in zip(alone, among, strict=True)
    )


@cache
def arguments(name: str) -> Mapping[str, float]:
    """Those of `ARGUMENTS` that the optimizer `name` takes, with its defaults."""
    return _arguments(factory(name))


def injectable(name: str) -> optax.GradientTransformationExtraArgs:
    """The optimizer `name` with every number injectable."""
    return _injectable(factory(name))


def _arguments(made: Factory) -> dict[str, float]:
    known = inspect.signature(made).parameters
    return {entry: float(known[entry].default or 0.0) for entry in ARGUMENTS if entry in known}


def _injectable(made: Factory) -> optax.GradientTransformationExtraArgs:
    numbers = {"learning_rate": 0.0, **_arguments(made)}
    others = [
        argument for argument in inspect.signature(made).parameters if argument not in numbers
    ]
    masked = {"mask": kernels} if "mask" in others else {}
    build = optax.inject_hyperparams(made, static_args=others)
    return build(**numbers, **masked)
