"""What pruning cost and saved: the pruned trials are trained to the end after all."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import spearmanr

from search.progress import Progress
from search.schedulers.scheduler import Decision
from search.scores import scores
from search.search import Search
from search.trial import Trial, TrialStatus, TrialView


class RungAudit(NamedTuple):
    """How well scores at some epochs foretell the scores at the end.

    Attributes:
        epochs: Epochs at which the trials were scored.
        trials: Number of trials scored both there and at the end, without diverged ones.
        correlation: Spearman's rank correlation, from -1 to 1; NaN for fewer than three trials.
    """

    epochs: int
    trials: int
    correlation: float


class Audit(NamedTuple):
    """What the search would have found without pruning, with the same proposals.

    Attributes:
        rungs: Audits of the rungs, from the first to the last but one.
        winner: Score at the end of the search's winner.
        best: Best score at the end of any trial, pruned or not.
        best_trial: Id of the trial with that score.
        regret: Difference by which the winner is worse than the best, at least 0.
        saved: Share of the trial-epochs that pruning saved.
    """

    rungs: tuple[RungAudit, ...]
    winner: float
    best: float
    best_trial: int
    regret: float
    saved: float

    def description(self) -> dict[str, Any]:
        """Return the same as plain values."""
        return {**self._asdict(), "rungs": [rung._asdict() for rung in self.rungs]}


@dataclass(frozen=True)
class Continuation:
    """Scheduler that lets all trials go on from rung to rung; none begins, none is pruned.

    Attributes:
        rungs: Epochs at which trials are scored, ascending.
        trials: Number of trials.
    """

    rungs: Sequence[int]
    trials: int

    @property
    def max_epochs(self) -> int:
        """Epochs of the last rung."""
        return self.rungs[-1]

    @property
    def synchronous(self) -> bool:
        """False, since trials go on from wherever they were stopped."""
        return False

    @property
    def total(self) -> int:
        """Trial-epochs if all trials began anew."""
        return self.trials * self.max_epochs

    def decide(self, trials: Sequence[TrialView], free_slots: int) -> Decision:
        """Send all waiting trials to the next rung; see `Scheduler`."""
        del free_slots
        waiting = [t for t in trials if t.waiting and t.epochs < self.max_epochs]
        ahead = {t.id: min(e for e in self.rungs if e > t.epochs) for t in waiting}
        return Decision(promote=ahead)


def audit(search: Search, on_progress: Callable[[Progress], None] = lambda progress: None) -> Audit:
    """Train what a search has pruned, and compare; the search itself is left as it is.

    Args:
        search: Search that is over, whose replicates keep what is released, with a winner.
        on_progress: Function that `Search.run` calls.
    """
    plan, winner = search.plan, search.best
    assert winner is not None and search.replicates.keep_released
    last = plan.scheduler.max_epochs
    rungs = sorted({epochs for trial in search.trials for epochs in trial.metrics} | {last})
    trials = [_revived(trial) for trial in search.trials]
    onwards = replace(plan, scheduler=Continuation(rungs, len(trials)))
    Search(onwards, search.replicates.copy(), trials, search.clock).run(on_progress)
    table = {trial.id: scores(trial, plan.metric, plan.mode) for trial in trials}
    sign = {"min": 1.0, "max": -1.0}[plan.mode]
    best = min(table, key=lambda id: (table[id].get(last, np.inf), id))
    spent = sum(trial.epochs for trial in search.trials)
    return Audit(
        rungs=tuple(_rung(table, epochs, last) for epochs in rungs[:-1]),
        winner=sign * table[winner.id][last],
        best=sign * table[best][last],
        best_trial=best,
        regret=table[winner.id][last] - table[best][last],
        saved=1.0 - spent / (len(trials) * last),
    )


def _revived(trial: Trial) -> Trial:
    copy = deepcopy(trial)
    if copy.state is TrialStatus.PRUNED:
        copy.state, copy.ended = TrialStatus.RUNNING, False
    return copy


def _rung(table: Mapping[int, Mapping[int, float]], epochs: int, last: int) -> RungAudit:
    pairs = [(row[epochs], row[last]) for row in table.values() if {epochs, last} <= row.keys()]
    finite = np.array([pair for pair in pairs if np.isfinite(pair).all()]).reshape(-1, 2)
    if len(finite) < 3 or (finite == finite[0]).all(0).any():
        return RungAudit(epochs, len(finite), float("nan"))
    result: Any = spearmanr(finite[:, 0], finite[:, 1])
    return RungAudit(epochs, len(finite), float(result.statistic))
