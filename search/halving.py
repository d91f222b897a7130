"""Successive halving: train all, rank at the rung, keep one in eta, go on."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple

from search.protocol import Population, Trainer
from search.rungs import Rung, trial_epochs
from search.trial import State, Trial, rank


class Progress(NamedTuple):
    """Where a search stands, told about every second and after every rung.

    Attributes:
        rung: Index of the rung in the plan.
        plan: All rungs.
        trained: Trial-epochs behind, a fraction in the middle of an epoch.
        total: Trial-epochs of the whole plan.
        seconds: Training time behind.
        best: Best trial at the latest rung that was ranked; None before the first.
        ranked: Whether the rung has just been ranked.
    """

    rung: int
    plan: tuple[Rung, ...]
    trained: float
    total: int
    seconds: float
    best: Trial | None
    ranked: bool


@dataclass
class Clock:
    """Seconds by what they were spent on."""

    start: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0
    select: float = 0.0
    other: float = 0.0
    _last: float = field(default_factory=time.perf_counter, repr=False)

    def spent(self, what: str) -> None:
        """Count the time since the last call (or the making of the clock) as `what`."""
        now = time.perf_counter()
        setattr(self, what, getattr(self, what) + now - self._last)
        self._last = now


@dataclass
class Result(Generic[Population]):
    """What a search found.

    Attributes:
        best: The winning trial; None if all diverged.
        winner: It alone, trained, as a population of one.
    """

    best: Trial | None
    winner: Population


def successive_halving(
    trainer: Trainer[Population],
    trials: Sequence[Trial],
    plan: tuple[Rung, ...],
    *,
    metric: str = "loss",
    mode: str = "min",
    observe: Callable[[Progress], None] = lambda progress: None,
    clock: Clock | None = None,
) -> Result[Population]:
    """Train `trials` by `plan`, and write into each what became of it.

    All trials of a rung are ranked by their validation score at exactly that rung's epochs.
    Survivors go on as they are. A diverged trial ranks last and the rung keeps its size. The
    winner is the best of the last rung.

    Args:
        trainer: Trains them side by side.
        trials: Their number is that of the plan's first rung.
        plan: As `rungs` makes it.
        metric: The score, a name that `trainer.evaluate` gives.
        mode: `min` or `max`: which scores are better.
        observe: Called whenever the trainer tells of progress, and after every ranking.
        clock: Told where the time goes.

    Raises:
        ValueError: An unknown `metric` or `mode`, a plan for another number of trials, or trials
            that were searched before.
    """
    _check(trials, plan, mode)
    race = _Race(trainer, list(trials), plan, observe, clock or Clock())
    population = race.start()
    for index, rung in enumerate(plan):
        race.rung = index
        population = race.train(population, rung.epochs)
        order = race.rank(population, metric, mode)
        last = index == len(plan) - 1
        population = race.keep(
            population,
            order[: 1 if last else plan[index + 1].trials],
            State.COMPLETE if last else State.PRUNED,
        )
    if race.best is not None:
        race.best.state = State.COMPLETE
    return Result(race.best, population)


@dataclass
class _Race(Generic[Population]):
    """Who is still in it, and how far they are.

    Attributes:
        trainer: Trains them.
        alive: Trials not pruned yet, by id.
        plan: All rungs.
        observe: Told of all progress and every ranking.
        clock: Told where the time goes.
        rung: Index of the rung now running.
        trained: Trial-epochs behind.
        best: Best trial at the latest ranking; None if it diverged.
    """

    trainer: Trainer[Population]
    alive: list[Trial]
    plan: tuple[Rung, ...]
    observe: Callable[[Progress], None]
    clock: Clock
    rung: int = 0
    trained: float = 0.0
    best: Trial | None = None

    def start(self) -> Population:
        """All trials, untrained."""
        population = self.trainer.start(
            [trial.configuration for trial in self.alive],
            [trial.seed for trial in self.alive],
            self.plan[-1].epochs,
        )
        self.clock.spent("start")
        return population

    def train(self, population: Population, until: int) -> Population:
        """Train epoch by epoch, so that an interrupted search knows how far its trials are."""
        for epochs in range(self.alive[0].epochs + 1, until + 1):
            before = self.trained

            def tell(share: float, before: float = before) -> None:
                self.trained = before + share * len(self.alive)
                self.tell("train")

            population = self.trainer.train(population, epochs, tell)
            self.note(population, epochs)
        return population

    def note(self, population: Population, epochs: int) -> None:
        """Record the latest of `epochs` epochs."""
        latest = {
            name: values[epochs - 1] for name, values in self.trainer.history(population).items()
        }
        for position, trial in enumerate(self.alive):
            trial.epochs = epochs
            for name, values in latest.items():
                trial.history.setdefault(name, []).append(float(values[position]))
        self.clock.spent("train")

    def rank(self, population: Population, metric: str, mode: str) -> list[int]:
        """Record the scores of the rung; positions from best to worst."""
        metrics = self.trainer.evaluate(population)
        self.clock.spent("evaluate")
        if metric not in metrics:
            known = ", ".join(f"'{name}'" for name in metrics)
            raise ValueError(f"`metric` is {metric!r}, but must be one of {known}.")
        for position, trial in enumerate(self.alive):
            row = {name: float(values[position]) for name, values in metrics.items()}
            trial.metrics[trial.epochs] = row
            if not math.isfinite(row[metric]):
                trial.state = State.DIVERGED
        # Once diverged is diverged, also if a later score should be finite again.
        scores = [
            math.nan if trial.state is State.DIVERGED else trial.last(metric)
            for trial in self.alive
        ]
        order = rank(scores, [trial.id for trial in self.alive], mode)
        first = self.alive[order[0]]
        self.best = first if first.state is State.RUNNING else None
        return order

    def keep(self, population: Population, positions: list[int], end: State) -> Population:
        """Go on with `positions`, in order of id; the others end as `end`, or diverged."""
        kept = sorted(positions)
        population = self.trainer.select(population, kept)
        for position in set(range(len(self.alive))) - set(kept):
            if self.alive[position].state is State.RUNNING:
                self.alive[position].state = end
        self.tell("select")
        self.alive = [self.alive[position] for position in kept]
        return population

    def tell(self, done: str) -> None:
        """Report the standing after `done`, the clock's word for what was done."""
        self.clock.spent(done)
        total = trial_epochs(self.plan)
        seconds, ranked = self.clock.train, done == "select"
        self.observe(
            Progress(self.rung, self.plan, self.trained, total, seconds, self.best, ranked)
        )
        self.clock.spent("other")


def _check(trials: Sequence[Trial], plan: tuple[Rung, ...], mode: str) -> None:
    if mode not in ("min", "max"):
        raise ValueError(f"`mode` is {mode!r}, but must be 'min' or 'max'.")
    if len(trials) != plan[0].trials:
        raise ValueError(f"`trials` are {len(trials)}, but `plan` starts with {plan[0].trials}.")
    for trial in trials:
        if trial.state is not State.RUNNING or trial.epochs:
            raise ValueError(f"`trials` must be new, but trial {trial.id} is {trial.state}.")
