"""The one loop of every search: decide, train an epoch, score who has come to a rung."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic

import numpy as np

from search.plans import Plan
from search.progress import Clock, Progress
from search.replicates import Replicates
from search.samplers.sampler import Seen
from search.schedulers.pbt import explore
from search.schedulers.scheduler import Decision, Exploit, NewTrial, Row
from search.scores import ScoreTable, record_scores
from search.trainer import Population, Snapshot
from search.trial import State, Trial, leaderboard, seed_of


@dataclass
class Search(Generic[Population, Snapshot]):
    """A search under way. `trials` and `members` are all that it knows.

    Attributes:
        plan: What it does.
        replicates: Trains the members of its trials.
        trials: All so far, by id.
        members: By id, those of the trials that may train on, or win, but for trials that have
            trained since they came onto the devices: see `snapshots`. These are lost if training is
            interrupted.
        keep: Whether the members of pruned trials are kept too.
        on_progress: Called whenever the trainers tell of progress, and when trials were scored.
        on_epoch: Called after every epoch, when all is consistent, with whether trials were scored.
        clock: Told where the time goes.
    """

    plan: Plan
    replicates: Replicates[Population, Snapshot]
    trials: list[Trial] = field(default_factory=list)
    members: dict[int, list[Snapshot]] = field(default_factory=dict)
    keep: bool = False
    on_progress: Callable[[Progress], None] = lambda progress: None
    on_epoch: Callable[[bool], None] = lambda scored: None
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._on_device: list[int] = []
        self._populations: list[Population] = []
        self._scores = ScoreTable(self.plan.metric, self.plan.mode)
        self._leader = self.best
        self._before = self._trained = float(sum(trial.epochs for trial in self.trials))

    @property
    def best(self) -> Trial | None:
        """The best trial at the highest rung that any has reached; None if all there diverged."""
        rung = max((max(trial.metrics) for trial in self.trials if trial.metrics), default=0)
        there = [t for t in self.trials if rung in t.metrics and t.state is not State.DIVERGED]
        return leaderboard(there, self.plan.metric, self.plan.mode)[0] if there else None

    def run(self) -> Trial | None:
        """Search to the end, from wherever the trials are; returns `best`.

        Raises:
            ValueError: The trainers know no such metric.
        """
        under_way = self._decide()
        while under_way:
            self._train(under_way)
            due = [trial for trial in under_way if trial.epochs == trial.target_epochs]
            if due:
                self._score(due)
            self._report("evaluate", scored=bool(due))
            under_way = self._decide()
            self.on_epoch(bool(due))
            self.clock.spent("keep")
        self._to_device([])
        return self.best

    def snapshots(self) -> dict[int, list[Snapshot]]:
        """`members`, all of them as they are now, without those that are of no use any more."""
        self._to_host()
        return self.members

    def _decide(self) -> list[Trial]:
        """Follow the scheduler until it has nothing more to say; the trials under way then."""
        while True:
            under_way = [trial for trial in self.trials if trial.epochs < trial.target_epochs]
            room = max(0, self.plan.max_concurrent - len(under_way))
            rows = self._scores.rows(self.trials)
            decision = self.plan.scheduler.decide(rows, room)
            if not any(decision):
                self.clock.spent("decide")
                return under_way
            self._follow(decision, rows)

    def _follow(self, decision: Decision, rows: Sequence[Row]) -> None:
        if decision.exploit:
            self._to_host()
            self._exploit(decision.exploit)
        for id in decision.prune:
            self.trials[id].end(State.PRUNED)
        for id, until in decision.promote.items():
            self.trials[id].target_epochs = until
        self.clock.spent("decide")
        if decision.start:
            self._start(decision.start, rows)

    def _start(self, new: Sequence[NewTrial], rows: Sequence[Row]) -> None:
        pairs = zip(self.trials, rows, strict=True)
        seen = [Seen(trial.proposal, row.scores) for trial, row in pairs]
        proposals = self.plan.sampler.ask(len(new), seen)
        if len(proposals) != len(new):
            raise ValueError(f"the sampler has only {len(self.trials) + len(proposals)} proposals.")
        first, trials = len(self.trials), []
        for id, (one, proposal) in enumerate(zip(new, proposals, strict=True), start=first):
            seed = seed_of(self.plan.seed, id)
            trial = Trial(id, seed, proposal.configuration, proposal, one.bracket)
            trial.target_epochs = one.target_epochs
            trials.append(trial)
        self.clock.spent("decide")
        drawn = self.replicates.init(trials, self.plan.scheduler.max_epochs)
        self.members.update({t.id: own for t, own in zip(trials, drawn, strict=True)})
        self.trials += trials
        self.clock.spent("start")

    def _exploit(self, copies: Sequence[Exploit]) -> None:
        """Losers take over from winners as these are now, whatever else is copied."""
        changed = {}
        for loser, winner in copies:
            trial, other = self.trials[loser], self.trials[winner]
            rng = np.random.default_rng(
                np.random.SeedSequence(self.plan.seed, spawn_key=(trial.epochs, loser))
            )
            changeable = self.replicates.trainers[0].can_change
            configuration = explore(other.configuration, self.plan.space, changeable, rng)
            members = self.replicates.fork(self.members[winner], configuration, trial)
            changed[loser] = configuration, members, winner
        for loser, (configuration, members, winner) in changed.items():
            trial = self.trials[loser]
            trial.configuration, self.members[loser] = configuration, members
            trial.state = State.RUNNING
            trial.changes.append((trial.epochs, winner, configuration))
        self._on_device = []
        self._leader = self.best

    def _train(self, under_way: Sequence[Trial]) -> None:
        """One epoch of all that are under way, so that an interrupted search knows where it is."""
        self._to_device(under_way)
        before = self._trained

        def report_share(share: float) -> None:
            self._trained = before + share * len(under_way)
            self._report("train")

        goals = [trial.epochs + 1 for trial in under_way]
        for trial in under_way:
            self.members.pop(trial.id, None)
        self._populations = self.replicates.train(self._populations, goals, report_share)
        self._trained = before + len(under_way)
        history = self.replicates.history(self._populations)
        for position, trial in enumerate(under_way):
            for name, values in history.items():
                value = float(values[trial.epochs, position])
                trial.history.setdefault(name, []).append(value)
            trial.epochs += 1
        self.clock.spent("train")

    def _score(self, due: Sequence[Trial]) -> None:
        places = {id: position for position, id in enumerate(self._on_device)}
        scores = self.replicates.evaluate(self._populations, [places[trial.id] for trial in due])
        if self.plan.metric not in scores:
            known = ", ".join(f"'{name}'" for name in scores)
            raise ValueError(f"`metric` is {self.plan.metric!r}, but must be one of {known}.")
        for k, trial in enumerate(due):
            record_scores(trial, scores, k)
            # Once diverged is diverged, also if a later score should be finite again.
            if not math.isfinite(trial.metrics[trial.epochs][self.plan.metric]):
                trial.state = State.DIVERGED
            if trial.epochs == self.plan.scheduler.max_epochs:
                trial.end(State.COMPLETE)
        self._leader = self.best

    def _to_device(self, trials: Sequence[Trial]) -> None:
        """On the devices, exactly these."""
        ids = [trial.id for trial in trials]
        if ids != self._on_device:
            self._to_host()
            self._populations = []  # or they would lie there twice
            self._populations = (
                self.replicates.to_device([self.members[id] for id in ids]) if ids else []
            )
            self._on_device = ids
        self.clock.spent("start" if self._trained == self._before else "select")

    def _to_host(self) -> None:
        """Bring `members` up to date, but for those that will neither train again nor win."""
        over = {t.id for t in self.trials if t.ended and t is not self._leader and not self.keep}
        for id in over:
            self.members.pop(id, None)
        known = over | self.members.keys()
        kept = [k for k, id in enumerate(self._on_device) if id not in known]
        if kept:
            parked = self.replicates.to_host(self._populations, kept)
            self.members.update(zip((self._on_device[k] for k in kept), parked, strict=True))

    def _report(self, done: str, scored: bool = False) -> None:
        """Report the standing after `done`, the clock's word for what was done."""
        self.clock.spent(done)
        scheduler = self.plan.scheduler
        under_way = [self.trials[id] for id in self._on_device]
        self.on_progress(
            Progress(
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
        )
        self.clock.spent("other")
