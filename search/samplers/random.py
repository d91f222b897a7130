"""Random search: configurations are drawn independently."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import optuna

from search.samplers.optuna_trials import quiet, suggest
from search.space.space import Space
from search.trial import Proposal, TrialView


class Random:
    """Draws independently by Optuna's random sampler (Bergstra and Bengio 2012)."""

    learns = False
    size = None

    def __init__(self, space: Space, seed: int) -> None:
        """Draw nothing yet.

        Args:
            space: Space of the configurations.
            seed: Seed of the sequence, from 0 to 2**32 - 1.
        """
        self._space = space
        with quiet():
            sampler = optuna.samplers.RandomSampler(seed=seed)
            self._study = optuna.create_study(sampler=sampler)
        # One draw needs the random state that the one before left.
        self._draws: list[dict[str, Any]] = []

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Propose draw `len(trials)` and those that follow it; see `Sampler.ask`."""
        last = len(trials) + count
        while len(self._draws) < last:
            self._draws.append(self._space.sample(partial(suggest, self._study.ask())))
        return [Proposal(dict(draw)) for draw in self._draws[len(trials) : last]]
