"""Median stopping: a trial stops that is worse than most were so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.rungs import check_budgets, check_whole
from search.schedulers.scheduler import Decision, NewTrial, healthy
from search.trial import TrialView


@dataclass(frozen=True)
class MedianStopping:
    """The median stopping rule (Golovin et al. 2017, section 3.2.2).

    Trials are scored at every multiple of `min_epochs`. One stops there if its best score so far is
    strictly worse than the median of the others' running averages up to there, over all others that
    have a score at the same epochs, stopped or not. None stops where these are fewer than
    `startup`. A diverged trial stops at once.

    Attributes:
        trials: Number of trials, at least 1.
        min_epochs: Epochs between two comparisons, at least 1.
        max_epochs: Epochs of the trials that are never pruned, at least `min_epochs`.
        startup: Number of others that a comparison needs, at least 1.
    """

    trials: int
    min_epochs: int
    max_epochs: int
    startup: int = 5

    def __post_init__(self) -> None:
        check_whole("trials", self.trials)
        check_whole("startup", self.startup)
        check_budgets(self.min_epochs, self.max_epochs)

    @property
    def synchronous(self) -> bool:
        """False, since a trial that stops makes room for a new one."""
        return False

    @property
    def total(self) -> None:
        """None, since the epochs depend on the scores."""

    def decide(self, trials: Sequence[TrialView], free_slots: int) -> Decision:
        """Prune losers, let others go on, and begin new trials in free slots; see `Scheduler`."""
        waiting = [trial for trial in trials if trial.waiting]
        losers = {
            epochs: self._losers(trials, epochs) for epochs in {trial.epochs for trial in waiting}
        }
        stop = {trial.id for trial in waiting if trial.id in losers[trial.epochs]}
        return Decision(
            start=(NewTrial(0, self.min_epochs),) * min(free_slots, self.trials - len(trials)),
            promote={
                trial.id: min(trial.epochs + self.min_epochs, self.max_epochs)
                for trial in waiting
                if trial.id not in stop
            },
            prune=tuple(sorted(stop)),
        )

    def _losers(self, trials: Sequence[TrialView], epochs: int) -> set[int]:
        """Return all that were worse than the median at `epochs`, or had diverged by then."""
        scores_of = {trial.id: _scores(trial, epochs) for trial in trials if epochs in trial.scores}
        losers = {id for id, scores in scores_of.items() if scores[-1] == math.inf}
        if len(scores_of) > self.startup:
            order = sorted((sum(scores) / len(scores), id) for id, scores in scores_of.items())
            means = [mean for mean, _ in order]
            for position, (_, id) in enumerate(order):
                if min(scores_of[id]) > _median_without(position, means):
                    losers.add(id)
        return losers


def _scores(trial: TrialView, epochs: int) -> list[float]:
    """Return the scores of a trial up to `epochs`, in order; infinite where it had diverged."""
    upto = sorted(at for at in trial.scores if at <= epochs)
    return [trial.scores[at] if healthy(trial, at) else math.inf for at in upto]


def _median_without(position: int, means: Sequence[float]) -> float:
    """Return the median of sorted `means` without the one at `position`."""
    middle = ((len(means) - 2) // 2, (len(means) - 1) // 2)
    low, high = (means[k + (k >= position)] for k in middle)
    return (low + high) / 2
