"""Asynchronous successive halving that promotes and continues; nothing waits for a full rung."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from search.rungs import rungs
from search.schedulers.ranking import best_first, healthy
from search.schedulers.scheduler import Decision, NewTrial, Row


@dataclass(frozen=True)
class Asha:
    """ASHA (Li et al. 2020, Algorithm 2 with s = 0).

    Rung k is at min_epochs * eta**k epochs, the last one at `max_epochs` exactly. Where there is
    room, a trial goes on that is among the best floor(n / eta) of the n scored at its rung so far,
    from the highest rung down; else a new one begins. A diverged trial never goes on.

    The paper's search has no end. This one ends once all trials have begun and none can go on: the
    others stop then. If none came to the end healthy, as happens where trials are few, the best one
    of the highest rung goes on first, so that there is a winner that trained to the end.

    Attributes:
        trials: How many in all, at least 1.
        min_epochs: Epochs of the first rung (r), at least 1.
        max_epochs: Epochs of the last rung (R), at least `min_epochs`.
        eta: One in `eta` goes on, at least 2.
    """

    trials: int
    min_epochs: int
    max_epochs: int
    eta: int

    def __post_init__(self) -> None:
        rungs(self.trials, self.min_epochs, self.max_epochs, self.eta)

    @property
    def synchronous(self) -> bool:
        """Nobody waits for others."""
        return False

    @property
    def total(self) -> None:
        """Depends on the scores."""

    @property
    def budgets(self) -> list[int]:
        """Epochs of every rung."""
        return [rung.epochs for rung in rungs(1, self.min_epochs, self.max_epochs, self.eta)]

    def decide(self, rows: Sequence[Row], free_slots: int) -> Decision:
        """Trials that go on, then new ones, until there is no more room; see `Scheduler`."""
        ready = self._promotable(rows)
        left = self.trials - len(rows)
        if not ready and not left and not any(row.epochs < row.target_epochs for row in rows):
            return self._last(rows) if free_slots else Decision()
        go = dict(itertools.islice(ready.items(), free_slots))
        new = min(free_slots - len(go), left)
        return Decision(start=(NewTrial(0, self.budgets[0]),) * new, promote=go)

    def _promotable(self, rows: Sequence[Row]) -> dict[int, int]:
        """Who may go on and how far, from the highest rung down, the best first."""
        ready = {}
        for epochs, following in reversed([*itertools.pairwise(self.budgets)]):
            scored = [row for row in rows if epochs in row.scores]
            best = best_first(scored, epochs)[: len(scored) // self.eta]
            waiting = (row for row in best if row.waiting and row.epochs == epochs)
            ready |= {row.id: following for row in waiting if healthy(row, epochs)}
        return ready

    def _last(self, rows: Sequence[Row]) -> Decision:
        """All waiting trials stop; but the best one goes on first if none is at the end."""
        waiting = [row for row in rows if row.waiting]
        alive = [row for row in waiting if healthy(row, row.epochs)]
        if alive and not any(healthy(row, self.max_epochs) for row in rows):
            highest = max(row.epochs for row in alive)
            best = best_first([row for row in alive if row.epochs == highest], highest)[0]
            return Decision(promote={best.id: self.budgets[self.budgets.index(highest) + 1]})
        return Decision(prune=tuple(sorted(row.id for row in waiting)))
