"""A configuration is checked, one hyperparameter after the other and as a whole, and completed."""

import difflib
from collections.abc import Iterable, Mapping, Set
from functools import cache
from typing import Any

import numpy as np

from jaxrnn.configuration.hyperparameter import MAX, describe, is_met
from jaxrnn.configuration.optimizers import ARGUMENTS, OPTIMIZERS, arguments, factory
from jaxrnn.configuration.registry import GROUPS, HYPERPARAMETERS, optimizers_with
from jaxrnn.types import Configuration

UNITS_OF_LAYERS = ("hidden_size", "hidden_size_2", "hidden_size_3", "hidden_size_4")
NONE_EXCLUDED: frozenset[str] = frozenset()
EVERY_STEP = ("regularisation", "optimizer", "learning rate", "batch", "stability")
"""Groups of hyperparameters that act in every step; others shape arrays, or act at the start or
end."""


def check(
    name: str,
    value: Any,
    microbatch: int | None = None,
    label: str | None = None,
    excluded: Set[str] = NONE_EXCLUDED,
) -> None:
    """Accept the value of one hyperparameter.

    Args:
        name: Name of the hyperparameter.
        value: Value in the configuration.
        microbatch: Sequences per step; without it, any batch size is accepted.
        label: Name to use in a message; `name` by default.
        excluded: Hyperparameters that have no meaning for the task and its data.

    Raises:
        ValueError: If the name is unknown (the nearest known one is suggested), the value is
            outside the rule (the nearest allowed one is suggested), or `name` is excluded.
    """
    hyperparameter = HYPERPARAMETERS.get(name)
    if hyperparameter is None:
        near = difflib.get_close_matches(name, HYPERPARAMETERS, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else "; README.md lists them all."
        raise ValueError(f"`{name}` is no hyperparameter{hint}")
    if name in excluded:
        raise ValueError(f"`{name}` is {value!r}, but has no meaning for this task and its data.")
    if not hyperparameter.allows(value):
        near = hyperparameter.nearest(value)
        if name == "batch_size" and isinstance(near, int):
            near = _nearest_multiple(near, microbatch or 1)
        hint = "" if near is None else f"; the nearest is {near!r}"
        raise ValueError(
            f"`{label or name}` is {value!r}, but must be {hyperparameter.rule}{hint}."
        )
    if name == "optimizer":
        factory(value)
    if name == "batch_size" and microbatch is not None and value % microbatch:
        near = _nearest_multiple(value, microbatch)
        raise ValueError(
            f"`batch_size` is {value}, but must be a multiple of the microbatch, {microbatch}; "
            f"the nearest is {near} (`microbatch` can be set)."
        )


def complete(
    configuration: Configuration,
    microbatch: int,
    max_epochs: int,
    excluded: Set[str] = NONE_EXCLUDED,
) -> dict[str, Any]:
    """Return a checked copy of `configuration` that has every active hyperparameter.

    Args:
        configuration: Values by name; what it does not set takes its default.
        microbatch: Sequences per step, the default batch size.
        max_epochs: Default of `epochs`, and its upper limit.
        excluded: Hyperparameters that have no meaning for the task and its data; they are absent.

    Returns:
        Values by name as plain Python numbers, in the order of `HYPERPARAMETERS`.

    Raises:
        ValueError: If `check` refuses a value, or a hyperparameter is set that is not active.
    """
    if not isinstance(configuration, Mapping):
        raise ValueError(
            f"`configuration` is {configuration!r}, but must be a mapping of hyperparameters."
        )
    for name, value in configuration.items():
        check(name, value, microbatch, excluded=excluded)
    plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in configuration.items()}
    optimizer = str(plain.get("optimizer", HYPERPARAMETERS["optimizer"].default))
    defaults = {"batch_size": microbatch, "epochs": max_epochs, **arguments(optimizer)}
    whens = _conditions(optimizer)
    active: dict[str, Any] = {}
    for name in _parents_first():
        if is_met(whens.get(name, {}), active):
            if name in UNITS_OF_LAYERS[1:]:
                defaults[name] = active["hidden_size"]
            default = defaults.get(name, HYPERPARAMETERS[name].default)
            active[name] = plain.get(name, default)
        elif name in plain:
            raise ValueError(_inactive(name, plain[name], whens[name], active))
    active["epochs"] = min(active["epochs"], max_epochs)
    return {
        name: active[name] for name in HYPERPARAMETERS if name in active and name not in excluded
    }


def conditions(optimizers: Iterable[str] = ()) -> dict[str, Mapping[str, Any]]:
    """Return when each hyperparameter is active that is not always: what `search.Space` takes.

    Args:
        optimizers: Optimizers in question; only dotted names need to be given.
    """
    known = dict.fromkeys((*OPTIMIZERS, *optimizers))
    dynamic = {name: {"optimizer": optimizers_with(name, known)} for name in ARGUMENTS}
    return {
        name: hyperparameter.when
        for name, hyperparameter in HYPERPARAMETERS.items()
        if hyperparameter.when
    } | dynamic


def check_parents(names: Iterable[str], optimizers: Iterable[str] = ()) -> None:
    """Accept hyperparameters whose parents are not among them: defaults must make them active.

    Args:
        names: Names of the hyperparameters of a space.
        optimizers: Optimizers in question, as for `conditions`.

    Raises:
        ValueError: If a hyperparameter could never act.
    """
    defaults, names = complete({}, 1, 1), set(names)
    for name, when in conditions(optimizers).items():
        absent = {parent: values for parent, values in when.items() if parent not in names}
        # A parent that is itself conditional, such as `tbptt_length`, has its own default.
        known = {parent: defaults.get(parent, HYPERPARAMETERS[parent].default) for parent in absent}
        if name in names and not is_met(absent, known):
            parent = next(iter(absent))
            raise ValueError(
                f"`{name}` acts only where {describe(absent)}, but the space leaves `{parent}` at "
                f"{known[parent]!r}."
            )


def can_change(name: str) -> bool:
    """Tell if the hyperparameter `name` may change in the middle of training.

    Numbers that act in every step may. Names pick code, and what counts epochs sets the clock.
    """
    acts = any(name in GROUPS[group] for group in EVERY_STEP)
    return acts and HYPERPARAMETERS[name].kind is not str and not name.endswith("epochs")


def _nearest_multiple(value: int, microbatch: int) -> int:
    return max(1, min(round(value / microbatch), MAX[int] // microbatch)) * microbatch


@cache
def _conditions(optimizer: str) -> dict[str, Mapping[str, Any]]:
    return conditions([optimizer])


@cache
def _parents_first() -> list[str]:
    """Order all names such that each comes after those that its condition names."""
    order = [name for name, hyperparameter in HYPERPARAMETERS.items() if not hyperparameter.when]
    while len(order) < len(HYPERPARAMETERS):
        order += [
            name
            for name, hyperparameter in HYPERPARAMETERS.items()
            if name not in order and set(hyperparameter.when) <= set(order)
        ]
    return order


def _inactive(name: str, value: Any, when: Mapping[str, Any], active: Mapping[str, Any]) -> str:
    parents = ", ".join(
        f"`{parent}` is {active[parent]!r}" if parent in active else f"`{parent}` does not act"
        for parent in when
    )
    if name in ARGUMENTS:
        when = {
            "optimizer": [optimizer for optimizer in when["optimizer"] if optimizer in OPTIMIZERS]
        }
    return (
        f"`{name}` is {value!r}, but acts only where {describe(when)}, and {parents}; leave it out."
    )
