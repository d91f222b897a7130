"""Successive halving: train all, rank at the rung, keep one in eta, go on."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, NamedTuple

from search.protocol import Population, Trainer
from search.rungs import Rung, trial_epochs
from search.trial import State, Trial, rank


class Progress(NamedTuple):
    """Where a search stands, told after every epoch and every rung.

    Attributes:
        rung: Index of the rung in the plan.
        plan: All rungs.
        trained: Trial-epochs behind.
        total: Trial-epochs of the whole plan.
        seconds: Training time behind.
        best: Best trial at the latest rung that was ranked; None before the first.
        ranked: Whether the rung has just been ranked.
    """

    rung: int
    plan: tuple[Rung, ...]
    trained: int
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

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Count the time of a `with` block as `what`."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, what, getattr(self, what) + time.perf_counter() - begin)


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
        observe: Called after every epoch and every ranking.
        clock: Told where the time goes.

    Raises:
        ValueError: An unknown `metric` or `mode`, or a plan for another number of trials.
    """
    if mode not in ("min", "max"):
        raise ValueError(f"`mode` is {mode!r}, but must be 'min' or 'max'.")
    if len(trials) != plan[0].trials:
        raise ValueError(f"`trials` are {len(trials)}, but `plan` starts with {plan[0].trials}.")
    race = _Race(trainer, list(trials), plan, observe, clock or Clock())
    population = race.start()
    for race.rung, rung in enumerate(plan):
        population = race.train(population, rung.epochs)
        order = race.rank(population, metric, mode)
        last = rung is plan[-1]
        population = race.keep(
            population,
            order[: 1 if last else plan[race.rung + 1].trials],
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
        observe: Told after every epoch and every ranking.
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
    trained: int = 0
    best: Trial | None = None

    def start(self) -> Population:
        """All trials, untrained."""
        with self.clock.on("start"):
            return self.trainer.start(
                [trial.configuration for trial in self.alive], [trial.seed for trial in self.alive]
            )

    def train(self, population: Population, until: int) -> Population:
        """Train epoch by epoch, so that people see progress and can interrupt."""
        for epochs in range(self.alive[0].epochs + 1, until + 1):
            with self.clock.on("train"):
                population = self.trainer.train(population, epochs)
            self.trained += len(self.alive)
            for trial in self.alive:
                trial.epochs = epochs
            self.tell(ranked=False)
        return population

    def rank(self, population: Population, metric: str, mode: str) -> list[int]:
        """Record the scores of the rung; positions from best to worst."""
        with self.clock.on("evaluate"):
            metrics = self.trainer.evaluate(population)
        if metric not in metrics:
            known = ", ".join(f"'{name}'" for name in metrics)
            raise ValueError(f"`metric` is {metric!r}, but must be one of {known}.")
        for position, trial in enumerate(self.alive):
            row = {name: float(values[position]) for name, values in metrics.items()}
            trial.metrics[trial.epochs] = row
            if not math.isfinite(row[metric]):
                trial.state = State.DIVERGED
        scores = [trial.last(metric) for trial in self.alive]
        order = rank(scores, [trial.id for trial in self.alive], mode)
        first = self.alive[order[0]]
        self.best = first if first.state is State.RUNNING else None
        return order

    def keep(self, population: Population, positions: list[int], end: State) -> Population:
        """Go on with `positions`, in order of id; the others end as `end`, or diverged."""
        kept = sorted(positions)
        with self.clock.on("select"):
            population = self.trainer.select(population, kept)
        for position in set(range(len(self.alive))) - set(kept):
            if self.alive[position].state is State.RUNNING:
                self.alive[position].state = end
        self.tell(ranked=True)
        self.alive = [self.alive[position] for position in kept]
        return population

    def tell(self, ranked: bool) -> None:
        """Report the standing."""
        total = trial_epochs(self.plan)
        seconds = self.clock.train
        self.observe(
            Progress(self.rung, self.plan, self.trained, total, seconds, self.best, ranked)
        )
