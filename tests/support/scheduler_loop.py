"""A plain loop that plays the engine for a scheduler: no training, scores by a formula.

It holds every decision to the rules that all schedulers keep, whatever the test is about.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from search.schedulers.asha import Asha
from search.schedulers.scheduler import Decision, Row, Scheduler


def trains(id: int, until: int, scores: dict[int, float] | None = None, bracket: int = 0) -> Row:
    """A trial on its way to `until`."""
    scores = scores or {}
    return Row(id, bracket, max(scores, default=0), until, False, scores)


def waits(id: int, scores: dict[int, float], bracket: int = 0) -> Row:
    """A trial that was scored where it is."""
    return trains(id, max(scores), scores, bracket)


def ended(id: int, scores: dict[int, float], bracket: int = 0) -> Row:
    """A trial that was pruned, or is at its end."""
    return waits(id, scores, bracket)._replace(ended=True)


def waiting(values: Sequence[float], epochs: int = 1) -> list[Row]:
    """Trials that wait at the same epochs, with these scores."""
    return [waits(id, {epochs: value}) for id, value in enumerate(values)]


@dataclass
class Play:
    """A search as it went.

    Attributes:
        rows: All trials, by id.
        decisions: In order, with the room there was.
        busy: How many trained after each decision.
        stopped: Ids of those that were pruned.
        spent: Trial-epochs.
        copies: Epochs, loser and winner.
    """

    rows: list[Row] = field(default_factory=list)
    decisions: list[tuple[Decision, int]] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    spent: int = 0
    copies: list[tuple[int, int, int]] = field(default_factory=list)

    def scored(self, epochs: int, bracket: int = 0) -> list[int]:
        """Ids of the bracket's trials that were scored at exactly `epochs`."""
        return [r.id for r in self.rows if r.bracket == bracket and epochs in r.scores]


def play(
    scheduler: Scheduler, curve: Callable[[int, int], float], capacity: int | None = None
) -> Play:
    """The whole search; trials begin while fewer than `capacity` train.

    Args:
        scheduler: Who decides.
        curve: The score of a trial, by id and epochs. Once not finite, it stays infinite.
        capacity: By default, all trials.
    """
    made, room = Play(), capacity or scheduler.trials
    while _decide(scheduler, made, room - sum(row.epochs < row.target_epochs for row in made.rows)):
        _train(scheduler, made, curve)
    assert all(row.ended for row in made.rows), "trials are left waiting"
    return made


def _decide(scheduler: Any, made: Play, free_slots: int) -> bool:
    """Ask and obey; false at the end of the search."""
    free_slots = max(free_slots, 0)
    decision = scheduler.decide(tuple(made.rows), free_slots)
    # No memory, no order of arrival.
    others = random.Random(len(made.decisions)).sample(made.rows, len(made.rows))
    assert replace(scheduler).decide(others, free_slots) == decision
    _check(scheduler, made.rows, decision, free_slots)
    _obey(made, decision)
    used = len(decision.start) + (len(decision.promote) if isinstance(scheduler, Asha) else 0)
    assert scheduler.decide(made.rows, free_slots - used) == Decision(), "decided twice"
    made.decisions.append((decision, free_slots))
    made.busy.append(sum(row.epochs < row.target_epochs for row in made.rows))
    return made.busy[-1] > 0


def _check(scheduler: Scheduler, rows: list[Row], decision: Decision, free_slots: int) -> None:
    there = {row.id: row for row in rows if row.waiting}
    assert len(decision.start) <= free_slots
    assert len(rows) + len(decision.start) <= scheduler.trials
    if isinstance(scheduler, Asha):
        assert len(decision.start) + len(decision.promote) <= free_slots
    assert not set(decision.promote) & set(decision.prune)
    assert len(set(decision.prune)) == len(decision.prune)
    assert set(decision.promote) | set(decision.prune) <= set(there)
    for id, until in decision.promote.items():
        assert there[id].epochs < until <= scheduler.max_epochs
    assert all(0 < fresh.target_epochs <= scheduler.max_epochs for fresh in decision.start)
    losers, winners = ({copy[side] for copy in decision.exploit} for side in (0, 1))
    assert len(losers) == len(decision.exploit) and not losers & winners
    assert losers | winners <= set(there)


def _obey(made: Play, decision: Decision) -> None:
    made.copies += [(made.rows[loser].epochs, loser, winner) for loser, winner in decision.exploit]
    for id, until in decision.promote.items():
        made.rows[id] = made.rows[id]._replace(target_epochs=until)
    for id in decision.prune:
        made.rows[id] = made.rows[id]._replace(ended=True)
        made.stopped.add(id)
    for fresh in decision.start:
        made.rows.append(Row(len(made.rows), fresh.bracket, 0, fresh.target_epochs, False, {}))


def _train(scheduler: Scheduler, made: Play, curve: Callable[[int, int], float]) -> None:
    """Until the next of those that train is where it was sent to."""
    step = min(
        row.target_epochs - row.epochs for row in made.rows if row.epochs < row.target_epochs
    )
    apart = {row.epochs for row in made.rows if row.epochs < row.target_epochs}
    assert len(apart) == 1 or not scheduler.synchronous
    for id, row in enumerate(made.rows):
        if row.epochs < row.target_epochs:
            made.spent += step
            row = row._replace(epochs=row.epochs + step)
            if row.epochs == row.target_epochs:
                lost = any(not math.isfinite(score) for score in row.scores.values())
                score = math.inf if lost else curve(id, row.epochs)
                row = row._replace(
                    scores={**row.scores, row.epochs: score},
                    ended=row.epochs == scheduler.max_epochs,
                )
            made.rows[id] = row
