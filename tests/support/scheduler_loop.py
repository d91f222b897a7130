"""A plain loop that plays the engine for a scheduler: no training, scores by a formula.

It holds every decision to the rules that all schedulers keep, whatever the test is about.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from search.schedulers.asha import Asha
from search.schedulers.scheduler import Decision, Scheduler
from search.trial import TrialView


def trains(
    id: int, target_epochs: int, scores: dict[int, float] | None = None, bracket: int = 0
) -> TrialView:
    """A trial on its way to `target_epochs`."""
    scores = scores or {}
    return TrialView(id, {}, bracket, max(scores, default=0), target_epochs, False, scores)


def waits(id: int, scores: dict[int, float], bracket: int = 0) -> TrialView:
    """A trial that was scored where it is."""
    return trains(id, max(scores), scores, bracket)


def ended(id: int, scores: dict[int, float], bracket: int = 0) -> TrialView:
    """A trial that was pruned, or is at its end."""
    return waits(id, scores, bracket)._replace(ended=True)


def waiting(values: Sequence[float], epochs: int = 1) -> list[TrialView]:
    """Trials that wait at the same epochs, with these scores."""
    return [waits(id, {epochs: value}) for id, value in enumerate(values)]


@dataclass
class Play:
    """A search as it went.

    Attributes:
        trials: All trials, by id.
        decisions: In order, with the room there was.
        busy: How many trained after each decision.
        stopped: Ids of those that were pruned.
        spent: Trial-epochs.
        copies: Epochs, loser and winner.
    """

    trials: list[TrialView] = field(default_factory=list)
    decisions: list[tuple[Decision, int]] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    stopped: set[int] = field(default_factory=set)
    spent: int = 0
    copies: list[tuple[int, int, int]] = field(default_factory=list)

    def scored(self, epochs: int, bracket: int = 0) -> list[int]:
        """Ids of the bracket's trials that were scored at exactly `epochs`."""
        return [r.id for r in self.trials if r.bracket == bracket and epochs in r.scores]


def play(
    scheduler: Scheduler, curve: Callable[[int, int], float], capacity: int | None = None
) -> Play:
    """The whole search; trials begin while fewer than `capacity` train.

    Args:
        scheduler: Who decides.
        curve: The score of a trial, by id and epochs. Once not finite, it stays infinite.
        capacity: By default, all trials.
    """
    result, room = Play(), capacity or scheduler.trials
    while _decide(
        scheduler, result, room - sum(trial.epochs < trial.target_epochs for trial in result.trials)
    ):
        _train(scheduler, result, curve)
    assert all(trial.ended for trial in result.trials), "trials are left waiting"
    return result


def _decide(scheduler: Any, result: Play, free_slots: int) -> bool:
    """Ask and obey; false at the end of the search."""
    free_slots = max(free_slots, 0)
    decision = scheduler.decide(tuple(result.trials), free_slots)
    # No memory, no order of arrival.
    others = random.Random(len(result.decisions)).sample(result.trials, len(result.trials))
    assert replace(scheduler).decide(others, free_slots) == decision
    _check(scheduler, result.trials, decision, free_slots)
    _obey(result, decision)
    used = len(decision.start) + (len(decision.promote) if isinstance(scheduler, Asha) else 0)
    assert scheduler.decide(result.trials, free_slots - used) == Decision(), "decided twice"
    result.decisions.append((decision, free_slots))
    result.busy.append(sum(trial.epochs < trial.target_epochs for trial in result.trials))
    return result.busy[-1] > 0


def _check(
    scheduler: Scheduler, trials: list[TrialView], decision: Decision, free_slots: int
) -> None:
    waiting_trials = {trial.id: trial for trial in trials if trial.waiting}
    assert len(decision.start) <= free_slots
    assert len(trials) + len(decision.start) <= scheduler.trials
    if isinstance(scheduler, Asha):
        assert len(decision.start) + len(decision.promote) <= free_slots
    assert not set(decision.promote) & set(decision.prune)
    assert len(set(decision.prune)) == len(decision.prune)
    assert set(decision.promote) | set(decision.prune) <= set(waiting_trials)
    for id, target_epochs in decision.promote.items():
        assert waiting_trials[id].epochs < target_epochs <= scheduler.max_epochs
    assert all(0 < fresh.target_epochs <= scheduler.max_epochs for fresh in decision.start)
    losers, winners = ({copy[side] for copy in decision.exploit} for side in (0, 1))
    assert len(losers) == len(decision.exploit) and not losers & winners
    assert losers | winners <= set(waiting_trials)


def _obey(result: Play, decision: Decision) -> None:
    result.copies += [
        (result.trials[loser].epochs, loser, winner) for loser, winner in decision.exploit
    ]
    for id, target_epochs in decision.promote.items():
        result.trials[id] = result.trials[id]._replace(target_epochs=target_epochs)
    for id in decision.prune:
        result.trials[id] = result.trials[id]._replace(ended=True)
        result.stopped.add(id)
    for fresh in decision.start:
        result.trials.append(
            TrialView(len(result.trials), {}, fresh.bracket, 0, fresh.target_epochs)
        )


def _train(scheduler: Scheduler, result: Play, curve: Callable[[int, int], float]) -> None:
    """Until the next of those that train is where it was sent to."""
    step = min(
        trial.target_epochs - trial.epochs
        for trial in result.trials
        if trial.epochs < trial.target_epochs
    )
    epochs = {trial.epochs for trial in result.trials if trial.epochs < trial.target_epochs}
    assert len(epochs) == 1 or not scheduler.synchronous
    for id, trial in enumerate(result.trials):
        if trial.epochs < trial.target_epochs:
            result.spent += step
            trial = trial._replace(epochs=trial.epochs + step)
            if trial.epochs == trial.target_epochs:
                lost = any(not math.isfinite(score) for score in trial.scores.values())
                score = math.inf if lost else curve(id, trial.epochs)
                trial = trial._replace(
                    scores={**trial.scores, trial.epochs: score},
                    ended=trial.epochs == scheduler.max_epochs,
                )
            result.trials[id] = trial
