"""The one loop of every search: decide, train an epoch, score the trials that reached a rung."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from search.first_rung import behind, next_part
from search.plans import Plan
from search.progress import Clock, Progress
from search.replicates import Replicates
from search.schedulers.pbt import explore
from search.schedulers.scheduler import Decision, Exploit, NewTrial
from search.scores import ScoreTable, record_scores
from search.trial import Trial, TrialStatus, TrialView, leaderboard, seed_of

OnProgress = Callable[[Progress], None]


@dataclass
class Search:
    """A search under way: its trials are all that it knows, their weights are in `replicates`.

    Attributes:
        plan: Plan of the search.
        replicates: Trainers of the trials' members, and their weights.
        trials: All trials so far, by id.
        clock: Seconds by what they were spent on.
    """

    plan: Plan
    replicates: Replicates[Any, Any]
    trials: list[Trial] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._scores = ScoreTable(self.plan.metric, self.plan.mode)
        self._leader = self.best
        self._before = self._trained = float(sum(trial.epochs for trial in self.trials))

    @property
    def best(self) -> Trial | None:
        """Best trial at the highest rung that any has reached; None if all of these diverged."""
        rung = max((max(trial.metrics) for trial in self.trials if trial.metrics), default=0)
        alive = [
            t for t in self.trials if rung in t.metrics and t.state is not TrialStatus.DIVERGED
        ]
        return leaderboard(alive, self.plan.metric, self.plan.mode)[0] if alive else None

    def run(
        self,
        on_progress: OnProgress = lambda progress: None,
        on_epoch: Callable[[bool], None] = lambda scored: None,
    ) -> Trial | None:
        """Search to the end, from wherever the trials are.

        Args:
            on_progress: Called whenever the trainers report progress, and after every epoch.
            on_epoch: Called after every epoch, when trials and members are consistent, with
                whether trials were scored.

        Returns:
            The best trial, as `best`.

        Raises:
            ValueError: The trainers know no such metric, or the sampler has too few proposals.
        """
        under_way = self._decide()
        while under_way:
            report = partial(self._report, on_progress, under_way)
            turn = self._turn(under_way)
            self._train(turn, report)
            arrived = [trial for trial in turn if trial.epochs == trial.target_epochs]
            if arrived:
                with self.clock("evaluate"):
                    self._score(arrived)
            report(scored=bool(arrived))
            under_way = self._decide()
            with self.clock("keep"):
                on_epoch(bool(arrived))
        with self.clock("select"):
            self.replicates.to_host()
        return self.best

    def _decide(self) -> list[Trial]:
        """Follow the scheduler until it decides nothing more; return the trials that train then."""
        with self.clock("decide"):
            while True:
                under_way = [trial for trial in self.trials if trial.epochs < trial.target_epochs]
                if self._behind() and any(trial.epochs for trial in self.trials):
                    return under_way
                free_slots = max(0, self.plan.max_concurrent - len(under_way))
                views = self._scores.views(self.trials)
                decision = self.plan.scheduler.decide(views, free_slots)
                if not any(decision):
                    return under_way
                self._follow(decision, views)

    def _follow(self, decision: Decision, views: Sequence[TrialView]) -> None:
        if decision.exploit:
            self._exploit(decision.exploit)
        for id in decision.prune:
            self.trials[id].end(TrialStatus.PRUNED)
        if decision.prune:
            self._release()
        for id, target_epochs in decision.promote.items():
            self.trials[id].target_epochs = target_epochs
        if decision.start:
            self._start(decision.start, views)

    def _start(self, new: Sequence[NewTrial], views: Sequence[TrialView]) -> None:
        proposals = self.plan.sampler.ask(len(new), views)
        if len(proposals) != len(new):
            raise ValueError(f"the sampler has only {len(self.trials) + len(proposals)} proposals.")
        trials = []
        pairs = zip(new, proposals, strict=True)
        for id, (fresh, proposal) in enumerate(pairs, start=len(self.trials)):
            seed = seed_of(self.plan.seed, id)
            trial = Trial(id, seed, proposal.configuration, proposal, fresh.bracket)
            trial.target_epochs = fresh.target_epochs
            trials.append(trial)
        with self.clock("start"):
            self.replicates.start(trials, self.plan.scheduler.max_epochs)
        self.trials += trials

    def _exploit(self, exploits: Sequence[Exploit]) -> None:
        forks = []
        for loser, winner in exploits:
            trial, other = self.trials[loser], self.trials[winner]
            rng = np.random.default_rng(
                np.random.SeedSequence(self.plan.seed, spawn_key=(trial.epochs, loser))
            )
            can_change = self.replicates.can_change
            configuration = explore(other.configuration, self.plan.space, can_change, rng)
            forks.append((trial, other, configuration))
        self.replicates.fork(forks)
        for trial, other, configuration in forks:
            trial.configuration = configuration
            trial.state = TrialStatus.RUNNING
            trial.changes.append((trial.epochs, other.id, configuration))
        self._leader = self.best

    def _behind(self) -> list[Trial]:
        most = min(self.plan.max_concurrent, self.plan.scheduler.trials)
        return behind(self.trials, most)

    def _turn(self, under_way: Sequence[Trial]) -> Sequence[Trial]:
        """Put trials on the devices, and return those that train now: all, or a part at first."""
        first = self._behind()
        placed = [trial for trial in self.trials if not trial.ended] if first else under_way
        with self.clock("start" if self._trained == self._before else "select"):
            self.replicates.to_device(placed)
            return next_part(first, self.replicates.next_part) if first else under_way

    def _train(self, turn: Sequence[Trial], report: Callable[[], None]) -> None:
        """Train one epoch of some trials, so that an interrupted search is consistent.

        Args:
            turn: Trials to train.
            report: Called whenever the trainers have made progress.
        """
        before = self._trained

        def advance(trial_epochs: float) -> None:
            self._trained += trial_epochs
            report()

        with self.clock("train"):
            epochs = self.replicates.train(turn, advance)
        self._trained = before + len(turn)  # exactly, whatever the fractions sum up to
        for trial, values in zip(turn, epochs, strict=True):
            trial.epochs += 1
            for name, value in values.items():
                trial.history.setdefault(name, []).append(value)

    def _score(self, arrived: Sequence[Trial]) -> None:
        scores = self.replicates.evaluate(arrived)
        if self.plan.metric not in scores:
            known = ", ".join(f"'{name}'" for name in scores)
            raise ValueError(f"`metric` is {self.plan.metric!r}, but must be one of {known}.")
        for k, trial in enumerate(arrived):
            record_scores(trial, scores, k)
            # Once diverged is diverged, also if a later score should be finite again.
            if not math.isfinite(trial.metrics[trial.epochs][self.plan.metric]):
                trial.state = TrialStatus.DIVERGED
            if trial.epochs == self.plan.scheduler.max_epochs:
                trial.end(TrialStatus.COMPLETE)
        self._leader = self.best
        self._release()

    def _release(self) -> None:
        """Let go the members of trials that have ended and do not lead."""
        ended = [trial for trial in self.trials if trial.ended and trial is not self._leader]
        self.replicates.release(ended)

    def _report(
        self, on_progress: OnProgress, under_way: Sequence[Trial], scored: bool = False
    ) -> None:
        with self.clock("other"):
            scheduler = self.plan.scheduler
            progress = Progress(
                begun=len(self.trials),
                trials=scheduler.trials,
                training=len(under_way),
                epochs=max(trial.epochs for trial in under_way),
                max_epochs=scheduler.max_epochs,
                trained=self._trained,
                total=scheduler.total,
                before=self._before,
                seconds=self.clock.train,
                best=self._leader,
                scored=scored,
            )
            on_progress(progress)
