"""The scores of trials, as trainers give them and as schedulers see them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.replicates import MeanAndError
from search.trial import Trial, TrialView


class ScoreTable:
    """What schedulers and samplers see of the trials of a search.

    It is asked for after every epoch, so the scores of trials that have no new ones are kept.
    """

    def __init__(self, metric: str, mode: str) -> None:
        """Rank by `metric`, `min` or `max`."""
        self._metric, self._mode = metric, mode
        self._known: dict[int, tuple[tuple[int, int], dict[int, float]]] = {}

    def views(self, trials: Sequence[Trial]) -> list[TrialView]:
        """Return a view of every trial."""
        return [self._view(trial) for trial in trials]

    def _view(self, trial: Trial) -> TrialView:
        return TrialView(
            id=trial.id,
            configuration=trial.proposal.configuration,
            bracket=trial.bracket,
            epochs=trial.epochs,
            target_epochs=trial.target_epochs,
            ended=trial.ended,
            scores=self._scores(trial),
            note=trial.proposal.note,
        )

    def _scores(self, trial: Trial) -> dict[int, float]:
        standing = len(trial.metrics), len(trial.changes)
        known = self._known.get(trial.id)
        if known is None or known[0] != standing:
            known = standing, scores(trial, self._metric, self._mode)
            self._known[trial.id] = known
        return known[1]


def scores(trial: Trial, metric: str, mode: str) -> dict[int, float]:
    """By epochs, lower is better; infinite from where it diverged to where it takes over."""
    sign, dead, found = {"min": 1.0, "max": -1.0}[mode], False, {}
    revived = {epochs for epochs, _, _ in trial.changes}
    for epochs in sorted(trial.metrics):
        value = sign * trial.metrics[epochs].get(metric, math.nan)
        dead |= not math.isfinite(value)
        found[epochs] = math.inf if dead else value
        dead &= epochs not in revived
    return found


def record_scores(trial: Trial, scores: Mapping[str, MeanAndError], position: int) -> None:
    """What the trial scored where it is now."""
    own: dict[str, Any] = {name: float(s.mean[position]) for name, s in scores.items()}
    trial.metrics[trial.epochs] = own
    errors = {name: float(s.error[position]) for name, s in scores.items()}
    if any(map(math.isfinite, errors.values())):
        trial.errors[trial.epochs] = errors
