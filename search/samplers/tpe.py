"""The tree-structured Parzen estimator: proposals resemble good trials and no others."""

import math
from collections.abc import Sequence

import numpy as np

from search.samplers.min_distance import MinDistance
from search.samplers.parzen import ParzenEstimators
from search.samplers.sobol import Sobol
from search.samplers.unit_cube import UnitCube
from search.space.space import Space
from search.trial import Proposal, TrialView

MOST_GOOD = 25
"""Most trials that count as good, of one in ten, as in Optuna."""
MOST_OTHERS = 100
"""Most others that a batch begins with: the latest, to which Optuna gives most weight."""
BATCH = 4
"""Most draws from one fit: a fit takes most of the time that a proposal takes."""


class Tpe:
    """Proposes by Optuna's tree-structured Parzen estimator, on scores at one budget as in BOHB.

    It proposes where the density of good configurations is large against that of the others, one
    hyperparameter at a time (Bergstra et al. 2011, l(x) / g(x)): a joint density is too thin over
    the few good trials of a batch that trains at once. As in BOHB (Falkner et al. 2018)
    scores are those at the largest budget (epochs) that at least N_min + 2 trials have reached in
    good health, N_min being one more than the hyperparameters that vary; before that it proposes
    Sobol points. Departures: trials that have not come so far count among the others, be they
    pruned or still training (constant liar); a batch begins with the latest of these alone; and a
    proposal is drawn again where it is near another.
    """

    learns = True
    size = None

    def __init__(self, space: Space, seed: int) -> None:
        """Begin with no trials; the same seed and trials give the same proposals."""
        self._space, self._seed = space, seed
        self._points = UnitCube(space)
        self._start = Sobol(space, seed)

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Draw proposals that each take the ones before for pending; see `Sampler.ask`."""
        budget = model_budget(trials, len(self._points.names) + 3)
        if budget is None or not self._points.names:
            return self._start.ask(count, trials)
        chooser = MinDistance(self._points, trials)
        estimators = self._estimators(budget, trials, min(count, BATCH))
        return [chooser.choose(estimators.draw) for _ in range(count)]

    def _estimators(self, budget: int, trials: Sequence[TrialView], batch: int) -> ParzenEstimators:
        best = _good(_scores(budget, trials))
        good = [trials[k].configuration for k in sorted(best)]
        others = [trial.configuration for k, trial in enumerate(trials) if k not in best]
        seed = int(np.random.SeedSequence((self._seed, len(trials))).generate_state(1)[0])
        return ParzenEstimators(self._space, good, others[-MOST_OTHERS:], batch, seed)


def model_budget(trials: Sequence[TrialView], least: int) -> int | None:
    """Return the largest epochs at which at least `least` trials have finite scores, if any."""
    budgets = {epochs for trial in trials for epochs in trial.scores}
    enough = (epochs for epochs in budgets if len(_finite(_scores(epochs, trials))) >= least)
    return max(enough, default=None)


def _scores(budget: int, trials: Sequence[TrialView]) -> list[float | None]:
    """Return the score of every trial at `budget`, or the first one later if it has none there.

    It is infinite for a trial that diverged at any time, None where it is not known yet.
    """
    scores: list[float | None] = []
    for trial in trials:
        later = [epochs for epochs in trial.scores if epochs >= budget]
        if not all(map(math.isfinite, trial.scores.values())):
            scores.append(math.inf)
        else:
            scores.append(trial.scores[min(later)] if later else None)
    return scores


def _good(scores: Sequence[float | None]) -> set[int]:
    """Return positions of the best tenth of the trials with scores, at most `MOST_GOOD`."""
    known = [(score, k) for k, score in enumerate(scores) if score is not None]
    return {k for _, k in sorted(known)[: min(math.ceil(0.1 * len(known)), MOST_GOOD)]}


def _finite(scores: Sequence[float | None]) -> list[float]:
    return [score for score in scores if score is not None and math.isfinite(score)]
