"""Configurations drawn independently."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import optuna

from search.samplers.optuna_trials import quiet, suggest
from search.space.space import Space
from search.trial import Proposal, TrialView


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

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Draws `len(trials)` and those that follow it; see `Sampler.ask`."""
        last = len(trials) + count
        while len(self._drawn) < last:
            self._drawn.append(self._space.sample(partial(suggest, self._study.ask())))
        return [Proposal(dict(drawn)) for drawn in self._drawn[len(trials) : last]]
