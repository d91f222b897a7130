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
            sampler: Sampler of what comes after them.
            space: Space of the configurations.
            configurations: Starting points, as values by name; what is missing is drawn at random,
                so that the conditions of the given values hold.
            seed: Seed of these draws, from 0 to 2**32 - 1.

        Raises:
            ValueError: A hyperparameter that the space does not have, a value that it can't have
                there, or a hyperparameter whose conditions do not hold.
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
        """Whether the sampler learns from scores."""
        return self._sampler.learns

    @property
    def size(self) -> int | None:
        """Number of starting points and of the sampler's configurations."""
        size = self._sampler.size
        return None if size is None else len(self._starts) + size

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Propose starting points while there are any, then ask the sampler; see `Sampler.ask`."""
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
    """Read starting points, given as JSON or in a file.

    Args:
        source: JSON object, a list of them, the path of a `.json` file that holds either, or of a
            `.toml` file with one `[[trial]]` for each.

    Raises:
        ValueError: Anything else.
    """
    text = str(source)
    inline = text.lstrip().startswith(("{", "["))
    try:
        if inline:
            content = json.loads(text)
        elif text.endswith(".toml"):
            content = tomllib.loads(Path(text).read_text(encoding="utf-8")).get("trial")
        else:
            content = json.loads(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"`enqueue` is '{text}', but can't be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if text.endswith(".toml") and not inline else "JSON"
        raise ValueError(f"`enqueue` is {text!r}, but is not {kind}: {error}.") from error
    starts = [content] if isinstance(content, dict) else content
    if not isinstance(starts, list) or not all(isinstance(start, dict) for start in starts):
        raise ValueError(
            f"`enqueue` is {text!r}, but must give configurations: a JSON object, a list of them, "
            "or a TOML file with [[trial]] tables."
        )
    return starts


def _checked(space: Space, start: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the values of a starting point as the space spells them."""
    values = {}
    for name, value in start.items():
        if name not in space.hyperparameters:
            raise ValueError(
                f"`enqueue` has the hyperparameter {name!r} in starting point {number}, "
                f"but the space does not{near(name, space.hyperparameters)}"
            )
        fixed = CategoricalDistribution([space.fixed.get(name, "")])
        matches = _matches(space.distributions.get(name, fixed), value)
        if not matches:
            raise ValueError(
                f"`enqueue` has `{name}` {value!r} in starting point {number}, "
                f"but the space has {space.hyperparameters[name]!r}."
            )
        values[name] = matches[0]
    return values


def _matches(distribution: BaseDistribution, value: Any) -> list[Any]:
    """Return the one value of the distribution that is meant, or none."""
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
    space: Space, values: dict[str, Any], study: optuna.Study, number: int
) -> dict[str, Any]:
    missing: list[str] = []
    for _ in range(TRIES):
        draw = partial(suggest, study.ask())
        configuration = space.sample(
            lambda name, distribution, draw=draw: (
                values[name] if name in values else draw(name, distribution)
            )
        )
        missing = [name for name in values if name not in configuration]
        if not missing:
            return configuration
    raise ValueError(
        f"`enqueue` has `{missing[0]}` in starting point {number}, "
        "but its conditions do not hold there."
    )
