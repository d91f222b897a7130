"""A configuration: checked entry by entry and as a whole, and completed with defaults."""

import difflib
from collections.abc import Iterable, Mapping, Set
from functools import cache
from typing import Any

import numpy as np

from jaxrnn.configuration.hyperparameter import MOST, holds, words
from jaxrnn.configuration.optimizers import ARGUMENTS, OPTIMIZERS, arguments, factory
from jaxrnn.configuration.registry import GROUPS, HYPERPARAMETERS, takers
from jaxrnn.types import Configuration

UNITS_OF_LAYERS = ("hidden_size", "hidden_size_2", "hidden_size_3", "hidden_size_4")


NOTHING: frozenset[str] = frozenset()


def check(
    name: str,
    value: Any,
    microbatch: int | None = None,
    called: str | None = None,
    without: Set[str] = NOTHING,
) -> None:
    """Accept one entry of a configuration.

    Args:
        name: Of the entry.
        value: Of the entry.
        microbatch: Sequences per step; without it, any batch size is accepted.
        called: What to call the entry in a message; `name` by default.
        without: Entries that make no sense for the task and its data.

    Raises:
        ValueError: Unknown name (the nearest known one is suggested), or a value outside the rule
            (the nearest allowed one is suggested), or an entry that makes no sense.
    """
    entry = HYPERPARAMETERS.get(name)
    if entry is None:
        near = difflib.get_close_matches(name, HYPERPARAMETERS, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else "; README.md lists them all."
        raise ValueError(f"`{name}` is no hyperparameter{hint}")
    if name in without:
        raise ValueError(f"`{name}` is {value!r}, but has no meaning for this task and its data.")
    if not entry.allows(value):
        near = entry.nearest(value)
        if name == "batch_size" and isinstance(near, int):
            near = _multiple(near, microbatch or 1)
        hint = "" if near is None else f"; the nearest is {near!r}"
        raise ValueError(f"`{called or name}` is {value!r}, but must be {entry.rule}{hint}.")
    if name == "optimizer":
        factory(value)
    if name == "batch_size" and microbatch is not None and value % microbatch:
        near = _multiple(value, microbatch)
        raise ValueError(
            f"`batch_size` is {value}, but must be a multiple of the microbatch, {microbatch}; "
            f"the nearest is {near} (`microbatch` can be set)."
        )


def complete(
    configuration: Configuration, microbatch: int, max_epochs: int, without: Set[str] = NOTHING
) -> dict[str, Any]:
    """A checked copy of `configuration`: every active entry, values as plain Python numbers.

    Args:
        configuration: The entries given; the others take their defaults.
        microbatch: Sequences per step, the default batch size.
        max_epochs: The default of `epochs`, and the most that it can be.
        without: Entries that make no sense for the task and its data; they are absent.

    Raises:
        ValueError: As `check`, or an entry that is not active.
    """
    if not isinstance(configuration, Mapping):
        raise ValueError(f"`configuration` is {configuration!r}, but must be a mapping of entries.")
    for name, value in configuration.items():
        check(name, value, microbatch, without=without)
    plain = {n: v.item() if isinstance(v, np.generic) else v for n, v in configuration.items()}
    optimizer = str(plain.get("optimizer", HYPERPARAMETERS["optimizer"].default))
    own = {"batch_size": microbatch, "epochs": max_epochs, **arguments(optimizer)}
    whens = _conditions(optimizer)
    entries: dict[str, Any] = {}
    for name in _parents_first():
        entry = HYPERPARAMETERS[name]
        if holds(whens.get(name, {}), entries):
            if name in UNITS_OF_LAYERS[1:]:
                own[name] = entries["hidden_size"]
            entries[name] = plain.get(name, own.get(name, entry.default))
        elif name in plain:
            raise ValueError(_inactive(name, plain[name], whens[name], entries))
    entries["epochs"] = min(entries["epochs"], max_epochs)
    return {
        name: entries[name] for name in HYPERPARAMETERS if name in entries and name not in without
    }


def conditions(optimizers: Iterable[str] = ()) -> dict[str, Mapping[str, Any]]:
    """When every entry is active that is not always: what `search.Space` wants to know.

    Args:
        optimizers: Those in question; only dotted names need telling.
    """
    known = dict.fromkeys((*OPTIMIZERS, *optimizers))
    dynamic = {name: {"optimizer": takers(name, known)} for name in ARGUMENTS}
    return {name: entry.when for name, entry in HYPERPARAMETERS.items() if entry.when} | dynamic


def check_parents(given: Iterable[str], optimizers: Iterable[str] = ()) -> None:
    """Accept entries whose parents are not among them: their defaults must make them active.

    Args:
        given: Names of the entries.
        optimizers: As for `conditions`.

    Raises:
        ValueError: An entry that could never act.
    """
    defaults, given = complete({}, 1, 1), set(given)
    for name, when in conditions(optimizers).items():
        absent = {parent: what for parent, what in when.items() if parent not in given}
        # A parent that is itself conditional, such as `tbptt_length`, has its own default.
        known = {parent: defaults.get(parent, HYPERPARAMETERS[parent].default) for parent in absent}
        if name in given and not holds(absent, known):
            parent = next(iter(absent))
            raise ValueError(
                f"`{name}` acts only where {words(absent)}, but the space leaves `{parent}` at "
                f"{known[parent]!r}."
            )


def _multiple(value: int, microbatch: int) -> int:
    return max(1, min(round(value / microbatch), MOST[int] // microbatch)) * microbatch


@cache
def _conditions(optimizer: str) -> dict[str, Mapping[str, Any]]:
    return conditions([optimizer])


@cache
def _parents_first() -> list[str]:
    """All names, each after those that its condition names."""
    order = [name for name, entry in HYPERPARAMETERS.items() if not entry.when]
    while len(order) < len(HYPERPARAMETERS):
        order += [
            n for n, e in HYPERPARAMETERS.items() if n not in order and set(e.when) <= set(order)
        ]
    return order


def _inactive(name: str, value: Any, when: Mapping[str, Any], entries: Mapping[str, Any]) -> str:
    parents = ", ".join(
        f"`{parent}` is {entries[parent]!r}" if parent in entries else f"`{parent}` does not act"
        for parent in when
    )
    if name in ARGUMENTS:
        when = {"optimizer": [one for one in when["optimizer"] if one in OPTIMIZERS]}
    return f"`{name}` is {value!r}, but acts only where {words(when)}, and {parents}; leave it out."


EVERY_STEP = ("regularisation", "optimizer", "learning rate", "batch", "stability")
"""Groups of entries that act in every step; others shape arrays, or act at the start or end."""


def can_change(name: str) -> bool:
    """Whether the entry `name` may change in mid-run.

    Numbers that act in every step may. Names pick code, and what counts epochs sets the clock.
    """
    acts = any(name in GROUPS[group] for group in EVERY_STEP)
    return acts and HYPERPARAMETERS[name].kind is not str and not name.endswith("epochs")
