"""The tree-structured Parzen estimator: proposals resemble good trials and no others."""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import optuna
from optuna.trial import TrialState, create_trial

from search.samplers.min_distance import MinDistance
from search.samplers.optuna_trials import quiet, suggest
from search.samplers.sobol import Sobol
from search.samplers.unit_cube import UnitCube
from search.space.space import Space
from search.trial import Proposal, TrialView

MOST_GOOD = 25
"""Most trials that count as good, of one in ten, as in Optuna."""
MOST_TRIALS = 10 * MOST_GOOD
"""Most trials that the model sees: Optuna reads all of them for every value, and gives the early
ones little weight."""


class Tpe:
    """Proposes by Optuna's tree-structured Parzen estimator, on scores at one budget as in BOHB.

    It proposes where the density of good configurations is large against that of the others, one
    hyperparameter at a time (Bergstra et al. 2011, l(x) / g(x)). As in BOHB (Falkner et al. 2018)
    scores are those at the largest budget (epochs) that at least N_min + 2 trials have reached in
    good health, N_min being one more than the hyperparameters that vary; before that it proposes
    Sobol points. Departures: trials that have not come so far count among the others, be they
    pruned or still training (constant liar), and a proposal is drawn again where it is near
    another, and the model sees the good trials and the latest others alone.
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
        with quiet():
            study = self._study(budget, trials)
            return [chooser.choose(partial(self._draw, study)) for _ in range(count)]

    def _study(self, budget: int, trials: Sequence[TrialView]) -> optuna.Study:
        seed = int(np.random.SeedSequence((self._seed, len(trials))).generate_state(1)[0])
        scores = _scores(budget, trials)
        worst, good = max(_finite(scores)), _good(scores)
        others = [k for k in range(len(trials)) if k not in good][len(good) - MOST_TRIALS :]
        chosen = [(trials[k], scores[k]) for k in sorted({*good, *others})]
        study = optuna.create_study(
            # A joint density is too thin over the few good trials of a batch that trains at once.
            sampler=optuna.samplers.TPESampler(
                n_startup_trials=0,
                multivariate=False,
                constant_liar=True,
                seed=seed,
            )
        )
        for trial, score in chosen:
            params = self._space.varying(trial.configuration)
            study.add_trial(
                create_trial(
                    state=TrialState.RUNNING if score is None else TrialState.COMPLETE,
                    value=None if score is None else min(score, worst),
                    params=params,
                    distributions={name: self._space.distributions[name] for name in params},
                )
            )
        return study

    def _draw(self, study: optuna.Study) -> Proposal:
        """Draw a proposal; if it is not taken, it stays pending, which drives the next one away."""
        return Proposal(self._space.sample(partial(suggest, study.ask())))


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
