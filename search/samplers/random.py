"""Configurations drawn independently."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import optuna

from search.samplers.optuna_trials import quiet, suggest
from search.samplers.sampler import Proposal, Seen
from search.space.space import Space


class Random:
    """Independent draws by Optuna's random sampler (Bergstra and Bengio 2012)."""

    learns = False
    size = None

    def __init__(self, space: Space, seed: int) -> None:
        """Draws nothing yet.

        Args:
            space: Where to draw.
            seed: Same seed, same sequence; from 0 to 2**32 - 1.
        """
        self._space = space
        with quiet():
            sampler = optuna.samplers.RandomSampler(seed=seed)
            self._study = optuna.create_study(sampler=sampler)
        # One draw needs the random state that the one before left.
        self._drawn: list[dict[str, Any]] = []

    def ask(self, count: int, seen: Sequence[Seen]) -> list[Proposal]:
        """Draws `len(seen)` and those that follow it; see `Sampler.ask`."""
        last = len(seen) + count
        while len(self._drawn) < last:
            self._drawn.append(self._space.sample(partial(suggest, self._study.ask())))
        return [proposed(self._space, drawn) for drawn in self._drawn[len(seen) : last]]


def proposed(space: Space, configuration: dict[str, Any]) -> Proposal:
    """A configuration as a proposal that holds no more than that."""
    params = {name: configuration[name] for name in space.distributions if name in configuration}
    return Proposal(dict(configuration), params, {})
