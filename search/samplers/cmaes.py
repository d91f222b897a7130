"""Configurations from a normal distribution that moves and stretches towards the good ones."""

import math
from collections.abc import Sequence

import cmaes
import numpy as np

from search.samplers.min_distance import MinDistance
from search.samplers.sobol import Sobol
from search.samplers.unit_cube import UnitCube
from search.space.space import Space
from search.trial import Proposal, TrialView

FEATURES = "cmaes:features"


class CmaEs:
    """The evolution strategy with covariance matrix adaptation, by the package `cmaes`.

    Hansen, The CMA Evolution Strategy: A Tutorial (2016), with population lambda = `batch`, first
    mean m in the middle of the cube and first deviation sigma = 1/6. Generations are `batch` trials
    one after another by id, whatever sampler proposed them; one counts as soon as all of its trials
    have a score. It knows ranks only: a trial that reached a higher rung is better, within a rung
    one with the lower score. Departures: a choice is the largest of one coordinate per value, and a
    proposal is drawn again where it is near another. All generations count again for every
    batch, so that there is no state to keep.
    """

    learns = True
    size = None

    def __init__(self, space: Space, seed: int, batch: int = 16) -> None:
        """Begin with no trials.

        Args:
            space: Space of the configurations.
            seed: Seed from 0 to 2**32 - 1; the same seed and trials give the same proposals.
            batch: Number of trials of a generation, at least 2: as many as train at once.

        Raises:
            ValueError: A batch of fewer than 2.
        """
        if batch < 2:
            raise ValueError(f"`batch` is {batch}, but a generation must have at least 2 trials.")
        self._seed, self._batch = seed, batch
        self._points = UnitCube(space)
        self._start = Sobol(space, seed)

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Draw from the distribution after the last whole generation; see `Sampler.ask`."""
        if not self._points.names:
            return self._start.ask(count, trials)
        optimizer = self._optimizer(trials)
        chooser = MinDistance(self._points, trials)
        return [chooser.choose(lambda: self._draw(optimizer)) for _ in range(count)]

    def _optimizer(self, trials: Sequence[TrialView]) -> cmaes.CMA:
        dims = self._points.width
        optimizer = cmaes.CMA(
            mean=np.full(dims, 0.5),
            sigma=1 / 6,
            bounds=np.tile([0.0, 1.0], (dims, 1)),
            n_max_resampling=10 * dims,
            population_size=self._batch,
        )
        for first in range(0, len(trials) - self._batch + 1, self._batch):
            generation = trials[first : first + self._batch]
            if not all(trial.scores for trial in generation):
                break
            best_first = sorted(generation, key=_standing)
            optimizer.tell([(self._features(t), rank) for rank, t in enumerate(best_first)])
        seeds = np.random.SeedSequence((self._seed, len(trials)))
        optimizer.reseed_rng(int(seeds.generate_state(1)[0]))
        return optimizer

    def _features(self, trial: TrialView) -> np.ndarray:
        """Return the features that were drawn, or those of the configuration of another sampler."""
        if trial.note is not None and FEATURES in trial.note:
            return np.array(trial.note[FEATURES])
        return self._points.features_of([trial.configuration])[0]

    def _draw(self, optimizer: cmaes.CMA) -> Proposal:
        features = optimizer.ask()
        proposal = self._points.proposal(self._points.point(features))
        return proposal._replace(note={FEATURES: features.tolist()})


def _standing(trial: TrialView) -> tuple[bool, int, float]:
    """Return what orders trials, the best first."""
    epochs = max(trial.scores)
    if not all(map(math.isfinite, trial.scores.values())):
        return True, 0, 0.0
    return False, -epochs, trial.scores[epochs]
