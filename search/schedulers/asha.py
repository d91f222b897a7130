"""Asynchronous successive halving that promotes and continues; nothing waits for a full rung."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from search.rungs import rungs
from search.schedulers.scheduler import Decision, NewTrial, best_first, healthy
from search.trial import TrialView


@dataclass(frozen=True)
class Asha:
    """ASHA (Li et al. 2020, Algorithm 2 with s = 0).

    Rung k is at min_epochs * eta**k epochs, the last one at `max_epochs` exactly. In a free slot,
    a trial goes on that is among the best floor(n / eta) of the n scored at its rung so far,
    from the highest rung down; else a new one begins. A diverged trial never goes on.

    The paper's search has no end. This one ends once all trials have begun and none can go on: the
    others stop then. If none came to the end healthy, as happens where trials are few, the best one
    of the highest rung goes on first, so that there is a winner that trained to the end.

    Attributes:
        trials: Number of trials, at least 1.
        min_epochs: Epochs of the first rung (r), at least 1.
        max_epochs: Epochs of the last rung (R), at least `min_epochs`.
        eta: Reduction factor, at least 2: one trial in `eta` goes on.
    """

    trials: int
    min_epochs: int
    max_epochs: int
    eta: int

    def __post_init__(self) -> None:
        rungs(self.trials, self.min_epochs, self.max_epochs, self.eta)

    @property
    def synchronous(self) -> bool:
        """False, since no trial waits for others."""
        return False

    @property
    def total(self) -> None:
        """None, since the epochs depend on the scores."""

    @property
    def budgets(self) -> list[int]:
        """Epochs of every rung."""
        return [rung.epochs for rung in rungs(1, self.min_epochs, self.max_epochs, self.eta)]

    def decide(self, trials: Sequence[TrialView], free_slots: int) -> Decision:
        """Let trials go on, then new ones begin, while there are free slots; see `Scheduler`."""
        ready = self._promotable(trials)
        left = self.trials - len(trials)
        if (
            not ready
            and not left
            and not any(trial.epochs < trial.target_epochs for trial in trials)
        ):
            return self._last(trials) if free_slots else Decision()
        go = dict(itertools.islice(ready.items(), free_slots))
        new = min(free_slots - len(go), left)
        return Decision(start=(NewTrial(0, self.budgets[0]),) * new, promote=go)

    def _promotable(self, trials: Sequence[TrialView]) -> dict[int, int]:
        """Return which trials may go on and how far, from the highest rung down, the best first."""
        ready = {}
        for epochs, following in reversed([*itertools.pairwise(self.budgets)]):
            scored = [trial for trial in trials if epochs in trial.scores]
            best = best_first(scored, epochs)[: len(scored) // self.eta]
            waiting = (trial for trial in best if trial.waiting and trial.epochs == epochs)
            ready |= {trial.id: following for trial in waiting if healthy(trial, epochs)}
        return ready

    def _last(self, trials: Sequence[TrialView]) -> Decision:
        """Prune all waiting trials; but let the best one go on first if none is at the end."""
        waiting = [trial for trial in trials if trial.waiting]
        alive = [trial for trial in waiting if healthy(trial, trial.epochs)]
        if alive and not any(healthy(trial, self.max_epochs) for trial in trials):
            highest = max(trial.epochs for trial in alive)
            best = best_first([trial for trial in alive if trial.epochs == highest], highest)[0]
            return Decision(promote={best.id: self.budgets[self.budgets.index(highest) + 1]})
        return Decision(prune=tuple(sorted(trial.id for trial in waiting)))
