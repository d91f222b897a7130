"""The scores of trials, as trainers give them and as schedulers see them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.replicates import MeanAndError
from search.trial import Trial, TrialView


class ScoreTable:
    """What schedulers and samplers see of the trials of a search.

    Views are asked for after every epoch, so the scores of trials without new ones are cached.
    """

    def __init__(self, metric: str, mode: str) -> None:
        """Rank by `metric`, of which `mode` says whether `min` or `max` is better."""
        self._metric, self._mode = metric, mode
        self._cache: dict[int, tuple[tuple[int, int], dict[int, float]]] = {}

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
        cached = self._cache.get(trial.id)
        if cached is None or cached[0] != standing:
            cached = standing, scores(trial, self._metric, self._mode)
            self._cache[trial.id] = cached
        return cached[1]


def scores(trial: Trial, metric: str, mode: str) -> dict[int, float]:
    """Return the scores of a trial by epochs, lower is better.

    They are infinite from where it diverged to where it took over from another trial.
    """
    sign, dead, scores = {"min": 1.0, "max": -1.0}[mode], False, {}
    revived = {epochs for epochs, _, _ in trial.changes}
    for epochs in sorted(trial.metrics):
        value = sign * trial.metrics[epochs].get(metric, math.nan)
        dead |= not math.isfinite(value)
        scores[epochs] = math.inf if dead else value
        dead &= epochs not in revived
    return scores


def record_scores(trial: Trial, scores: Mapping[str, MeanAndError], position: int) -> None:
    """Record the scores of a trial at its epochs.

    Args:
        trial: Trial to record them in.
        scores: Metrics of several trials by name.
        position: Position of the trial among these.
    """
    metrics: dict[str, Any] = {name: float(s.mean[position]) for name, s in scores.items()}
    trial.metrics[trial.epochs] = metrics
    errors = {name: float(s.error[position]) for name, s in scores.items()}
    if any(map(math.isfinite, errors.values())):
        trial.errors[trial.epochs] = errors
