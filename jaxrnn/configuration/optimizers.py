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
LEAST_EPS = 1e-30
"""Without any, padding would be zero divided by zero."""
Factory = Callable[..., optax.GradientTransformation]


def decays(name: str) -> bool:
    """Whether a parameter is pulled towards 0: kernels are, and nothing else ever."""
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
        names = ", ".join(f"'{one}'" for one in OPTIMIZERS)
        raise ValueError(
            f"`optimizer` is {name!r}, but must be one of {names}, or the dotted name of an Optax "
            f"factory such as 'optax.lamb'; the nearest is '{near}'."
        )
    try:
        found = getattr(import_module(module), attribute)
        known = inspect.signature(found).parameters
    except Exception as error:  # importing runs code of others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"`optimizer` is {name!r}, but there is no such factory to import ({reason})."
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
            "same with zeros around the weights, and its first state must not depend on its "
            "numbers."
        )
    return found


def _fits(made: Factory) -> bool:
    """Whether padding changes nothing and stays zero, and first states need no numbers."""
    rng = np.random.default_rng(0)
    own = {"layer": {"kernel": rng.normal(size=(130, 2, 140)), "bias": rng.normal(size=(2, 140))}}
    own = jax.tree.map(np.float32, own)  # larger than what some factor into rows and columns
    ends = {"kernel": [(0, 8), (0, 0), (0, 9)], "bias": [(0, 0), (0, 9)]}
    padded = {"layer": {name: np.pad(own["layer"][name], ends[name]) for name in ends}}
    padded["unused"] = jax.tree.map(np.zeros_like, padded["layer"])

    def updated(weights: Any) -> Any:
        optimizer = _injectable(made)
        state: Any = optimizer.init(weights)
        state = state._replace(hyperparams={**state.hyperparams, "learning_rate": 0.5})
        return jax.tree.map(np.asarray, jax.jit(optimizer.update)(weights, state, weights)[0])

    try:
        numbers = {"learning_rate": 0.0, **_arguments(made)}
        other = {name: value + 0.01 for name, value in numbers.items()}
        states = (jax.tree.leaves(made(**given).init(own)) for given in (numbers, other))
        if not all(np.array_equal(one, two) for one, two in zip(*states, strict=True)):
            return False
        narrow, wide = updated(own)["layer"], updated(padded)
        expected = {name: np.pad(narrow[name], ends[name]) for name in ends}
    except Exception:  # whatever it is that others' code does not like
        return False
    close = (np.allclose(wide["layer"][n], expected[n], rtol=1e-4, atol=1e-6) for n in ends)
    silent = not any(leaf.any() for leaf in jax.tree.leaves(wide["unused"]))
    return all(close) and silent and not wide["layer"]["kernel"][130:].any()


@cache
def arguments(name: str) -> Mapping[str, float]:
    """Those of `ARGUMENTS` that the optimizer `name` takes, with its defaults."""
    return _arguments(factory(name))


def injectable(name: str) -> optax.GradientTransformationExtraArgs:
    """The optimizer `name` with every number injectable."""
    return _injectable(factory(name))


def _arguments(made: Factory) -> dict[str, float]:
    known = inspect.signature(made).parameters
    own = {entry: float(known[entry].default or 0.0) for entry in ARGUMENTS if entry in known}
    return own | {"eps": max(own["eps"], LEAST_EPS)} if "eps" in own else own


def _injectable(made: Factory) -> optax.GradientTransformationExtraArgs:
    numbers = {"learning_rate": 0.0, **_arguments(made)}
    others = [
        argument for argument in inspect.signature(made).parameters if argument not in numbers
    ]
    masked = {name: kernels for name in ("mask", "weight_decay_mask") if name in others}
    build = optax.inject_hyperparams(made, static_args=others)
    return build(**numbers, **masked)
