"""Successive halving: train all, rank at the rung, keep one in eta, go on."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, NamedTuple

import numpy as np

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
    clock, alive, best, trained = clock or Clock(), list(trials), None, 0
    with clock.on("start"):
        population = trainer.start([t.configuration for t in alive], [t.seed for t in alive])
    for index, rung in enumerate(plan):

        def tell(ranked: bool, index: int = index) -> None:
            total = trial_epochs(plan)
            observe(Progress(index, plan, trained, total, clock.train, best, ranked))

        for epochs in range(alive[0].epochs + 1, rung.epochs + 1):
            with clock.on("train"):
                population = trainer.train(population, epochs)
            trained += len(alive)
            for trial in alive:
                trial.epochs = epochs
            tell(ranked=False)
        with clock.on("evaluate"):
            scores = _record(alive, trainer.evaluate(population), rung.epochs, metric)
        order = rank(scores, [trial.id for trial in alive], mode)
        best = alive[order[0]] if alive[order[0]].state is State.RUNNING else None
        # Survivors stay in order of id, so that no one's place depends on the scores.
        kept = sorted(order[: plan[index + 1].trials if index + 1 < len(plan) else 1])
        _close(alive, kept, State.PRUNED if index + 1 < len(plan) else State.COMPLETE)
        with clock.on("select"):
            population = trainer.select(population, kept)
        tell(ranked=True)
        alive = [alive[position] for position in kept]
    if best is not None:
        best.state = State.COMPLETE
    return Result(best, population)


def _record(
    alive: Sequence[Trial], metrics: "dict[str, np.ndarray]", epochs: int, metric: str
) -> list[float]:
    """Write the metrics of a rung into its trials; return their scores."""
    if metric not in metrics:
        known = ", ".join(f"'{name}'" for name in metrics)
        raise ValueError(f"`metric` is {metric!r}, but must be one of {known}.")
    for position, trial in enumerate(alive):
        trial.metrics[epochs] = {name: float(values[position]) for name, values in metrics.items()}
    scores = [trial.metrics[epochs][metric] for trial in alive]
    for trial, score in zip(alive, scores, strict=True):
        if not np.isfinite(score):
            trial.state = State.DIVERGED
    return scores


def _close(alive: Sequence[Trial], kept: Sequence[int], state: State) -> None:
    """Give those that do not go on their last state, unless they diverged."""
    for position, trial in enumerate(alive):
        if position not in kept and trial.state is State.RUNNING:
            trial.state = state
