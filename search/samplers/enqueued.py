"""Configurations that the user wants tried first."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.samplers.optuna_trials import quiet, suggest
from search.samplers.sampler import Sampler
from search.space.space import Space
from search.space.suggestions import near
from search.trial import Proposal, TrialView

# Draws of what the user left open, until the conditions of what is given hold.
TRIES = 1000


class Enqueued:
    """A sampler behind the user's own starting points, which come first."""

    def __init__(
        self,
        sampler: Sampler,
        space: Space,
        configurations: Sequence[Mapping[str, Any]],
        seed: int,
    ) -> None:
        """Complete the starting points.

        Args:
            sampler: Proposes what comes after them.
            space: Where to search.
            configurations: Entries by name; those that one lacks are drawn at random, but so that
                the conditions of those that it has hold.
            seed: Of these draws, from 0 to 2**32 - 1.

        Raises:
            ValueError: An entry that the space does not have, a value that it can't have there, or
                an entry whose conditions do not hold.
        """
        self._sampler = sampler
        with quiet():
            study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        self._starts = [
            Proposal(_completed(space, _checked(space, configuration, k), study, k))
            for k, configuration in enumerate(configurations, 1)
        ]

    @property
    def learns(self) -> bool:
        """As the sampler."""
        return self._sampler.learns

    @property
    def size(self) -> int | None:
        """Starting points and what the sampler has."""
        size = self._sampler.size
        return None if size is None else len(self._starts) + size

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Starting points while there are any, then the sampler's; see `Sampler.ask`."""
        starts = self._starts[len(trials) : len(trials) + count]
        if len(starts) == count:
            return starts
        pending = [
            TrialView(id, start.configuration) for id, start in enumerate(starts, len(trials))
        ]
        known = [*trials, *pending]
        # A sequence begins behind the starting points, but there is something to learn from them.
        counted = known if self.learns else known[len(self._starts) :]
        return [*starts, *self._sampler.ask(count - len(starts), counted)]


def read_configurations(source: str | Path) -> list[dict[str, Any]]:
    """Starting points as JSON, or from a file.

    Args:
        source: A JSON object, a list of them, the path of a `.json` file that holds either, or of a
            `.toml` file with one `[[trial]]` for each.

    Raises:
        ValueError: Anything else.
    """
    text = str(source)
    inline = text.lstrip().startswith(("{", "["))
    try:
        if inline:
            found = json.loads(text)
        elif text.endswith(".toml"):
            found = tomllib.loads(Path(text).read_text(encoding="utf-8")).get("trial")
        else:
            found = json.loads(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"`enqueue` is '{text}', but can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if text.endswith(".toml") and not inline else "JSON"
        raise ValueError(f"`enqueue` is {text!r}, but is not {kind}: {error}.") from error
    listed = [found] if isinstance(found, dict) else found
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError(
            f"`enqueue` is {text!r}, but must give configurations: a JSON object, a list of them, "
            "or a TOML file with [[trial]] tables."
        )
    return listed


def _checked(space: Space, given: Mapping[str, Any], number: int) -> dict[str, Any]:
    """The values as the space spells them."""
    values = {}
    for name, value in given.items():
        if name not in space.entries:
            raise ValueError(
                f"`enqueue` has the entry {name!r} in starting point {number}, "
                f"but the space does not{near(name, space.entries)}"
            )
        fixed = CategoricalDistribution([space.fixed.get(name, "")])
        found = _matches(space.distributions.get(name, fixed), value)
        if not found:
            raise ValueError(
                f"`enqueue` has `{name}` {value!r} in starting point {number}, "
                f"but the space has {space.entries[name]!r}."
            )
        values[name] = found[0]
    return values


def _matches(distribution: BaseDistribution, value: Any) -> list[Any]:
    """The one value of the distribution that is meant, or none."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(distribution, CategoricalDistribution):
        return [
            choice
            for choice in distribution.choices
            if choice == value and isinstance(choice, bool) == isinstance(value, bool)
        ]
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    low, high, step = distribution.low, distribution.high, distribution.step
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:
        return []
    if step is None:
        return [float(value)]
    exact = min(low + round((value - low) / step) * step, high)
    return [exact] if abs(value - exact) <= 1e-9 * step else []


def _completed(
    space: Space, given: dict[str, Any], study: optuna.Study, number: int
) -> dict[str, Any]:
    missing: list[str] = []
    for _ in range(TRIES):
        draw = partial(suggest, study.ask())
        drawn = space.sample(
            lambda name, values, draw=draw: given[name] if name in given else draw(name, values)
        )
        missing = [name for name in given if name not in drawn]
        if not missing:
            return drawn
    raise ValueError(
        f"`enqueue` has `{missing[0]}` in starting point {number}, "
        "but its conditions do not hold there."
    )
