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
"""Hyperparameters that act where a factory has an argument of that name."""
LEAST_EPS = 1e-30
"""Lower limit of `eps`: with 0, updates of padding would be zero divided by zero."""
Factory = Callable[..., optax.GradientTransformation]


def decays(name: str) -> bool:
    """Tell if weight decay acts on a parameter: it does on kernels, and on nothing else."""
    return name.endswith(("kernel", "kernels"))


def kernels(parameters: Any) -> Any:
    """Build a tree like `parameters` that is true where one `decays`, as masks of Optax are."""

    def last(path: tuple[Any, ...], _: Any) -> bool:
        return decays(str(getattr(path[-1], "key", getattr(path[-1], "name", ""))))

    return jax.tree_util.tree_map_with_path(last, parameters)


def sgd(learning_rate: float) -> optax.GradientTransformation:
    """Stochastic gradient descent (Robbins and Monro 1951)."""
    return optax.sgd(learning_rate)


def momentum(learning_rate: float, momentum: float = 0.9) -> optax.GradientTransformation:
    """Stochastic gradient descent with momentum, or heavy ball (Polyak 1964)."""
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
    """Return the factory called `name`.

    Raises:
        ValueError: If there is no such optimizer, or it needs more than a learning rate, or it
            would move padding.
    """
    if name in OPTIMIZERS:
        return OPTIMIZERS[name]
    module, _, attribute = name.rpartition(".")
    if not module:
        near = difflib.get_close_matches(name, OPTIMIZERS, n=1, cutoff=0.0)[0]
        names = ", ".join(f"'{known}'" for known in OPTIMIZERS)
        raise ValueError(
            f"`optimizer` is {name!r}, but must be one of {names}, or the dotted name of an Optax "
            f"factory such as 'optax.lamb'; the nearest is '{near}'."
        )
    try:
        imported = getattr(import_module(module), attribute)
        parameters = inspect.signature(imported).parameters
    except Exception as error:  # importing runs code of others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"`optimizer` is {name!r}, but there is no such factory to import ({reason})."
        ) from error
    needed = [n for n, argument in parameters.items() if argument.default is argument.empty]
    if "learning_rate" not in parameters or set(needed) - {"learning_rate", "kwargs"}:
        raise ValueError(
            f"`optimizer` is {name!r}, which takes {', '.join(parameters) or 'nothing'}, but must "
            "be a factory that takes `learning_rate` and needs nothing else."
        )
    if not _fits(imported):
        raise ValueError(
            f"`optimizer` is {name!r}, which does not fit populations: its updates must be the "
            "same with zeros around the weights, and its first state must not depend on its "
            "numbers."
        )
    return imported


def _fits(factory: Factory) -> bool:
    """Tell if padding changes nothing and stays zero, and first states need no hyperparameters."""
    rng = np.random.default_rng(0)
    # Kernels that are large enough for optimizers that factor them into rows and columns.
    true = {"layer": {"kernel": rng.normal(size=(130, 2, 140)), "bias": rng.normal(size=(2, 140))}}
    true = jax.tree.map(np.float32, true)
    ends = {"kernel": [(0, 8), (0, 0), (0, 9)], "bias": [(0, 0), (0, 9)]}
    padded = {"layer": {name: np.pad(true["layer"][name], ends[name]) for name in ends}}
    padded["unused"] = jax.tree.map(np.zeros_like, padded["layer"])

    def updated(weights: Any) -> Any:
        optimizer = _injectable(factory)
        state: Any = optimizer.init(weights)
        state = state._replace(hyperparams={**state.hyperparams, "learning_rate": 0.5})
        return jax.tree.map(np.asarray, jax.jit(optimizer.update)(weights, state, weights)[0])

    try:
        defaults = {"learning_rate": 0.0, **_arguments(factory)}
        others = {name: value + 0.01 for name, value in defaults.items()}
        states = (jax.tree.leaves(factory(**values).init(true)) for values in (defaults, others))
        if not all(np.array_equal(first, second) for first, second in zip(*states, strict=True)):
            return False
        narrow, wide = updated(true)["layer"], updated(padded)
        expected = {name: np.pad(narrow[name], ends[name]) for name in ends}
    except Exception:  # foreign code may raise anything
        return False
    close = (np.allclose(wide["layer"][n], expected[n], rtol=1e-4, atol=1e-6) for n in ends)
    silent = not any(leaf.any() for leaf in jax.tree.leaves(wide["unused"]))
    return all(close) and silent and not wide["layer"]["kernel"][130:].any()


@cache
def arguments(name: str) -> Mapping[str, float]:
    """Return those of `ARGUMENTS` that the optimizer `name` takes, with its defaults."""
    return _arguments(factory(name))


def injectable(name: str) -> optax.GradientTransformationExtraArgs:
    """Build the optimizer `name` with every number injectable."""
    return _injectable(factory(name))


def _arguments(factory: Factory) -> dict[str, float]:
    parameters = inspect.signature(factory).parameters
    defaults = {
        name: float(parameters[name].default or 0.0) for name in ARGUMENTS if name in parameters
    }
    if "eps" in defaults:
        defaults["eps"] = max(defaults["eps"], LEAST_EPS)
    return defaults


def _injectable(factory: Factory) -> optax.GradientTransformationExtraArgs:
    numbers = {"learning_rate": 0.0, **_arguments(factory)}
    others = [name for name in inspect.signature(factory).parameters if name not in numbers]
    masked = {name: kernels for name in ("mask", "weight_decay_mask") if name in others}
    build = optax.inject_hyperparams(factory, static_args=others)
    return build(**numbers, **masked)
