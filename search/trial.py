"""Trials: configurations with a seed, and what became of them."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np


class TrialStatus(StrEnum):
    """What became of a trial; `RUNNING` as long as nothing did."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


class Proposal(NamedTuple):
    """A configuration to try.

    Attributes:
        configuration: Hyperparameters by name, in plain Python types: those whose conditions hold,
            in the order of the space, fixed ones included.
        note: What the sampler wants back with the trial, strings and numbers by name, fit for
            JSON; None if nothing.
    """

    configuration: dict[str, Any]
    note: dict[str, Any] | None = None


class TrialView(NamedTuple):
    """What schedulers and samplers know of a trial.

    Attributes:
        id: Position in the order of proposal, from 0; the lower one wins a tie.
        configuration: Hyperparameters by name, as they were proposed.
        bracket: Number of the bracket that the scheduler chose.
        epochs: Epochs trained so far.
        target_epochs: Epochs it was last sent to; it trains while `epochs` is less.
        ended: Whether it is pruned or has trained to the end.
        scores: Scores by the exact epochs at which they were given; lower is better, infinite from
            the moment on that the trial diverged.
        note: What the sampler noted about the proposal.
    """

    id: int
    configuration: dict[str, Any]
    bracket: int = 0
    epochs: int = 0
    target_epochs: int = 0
    ended: bool = False
    scores: Mapping[int, float] = {}
    note: dict[str, Any] | None = None

    @property
    def waiting(self) -> bool:
        """Whether it is neither training nor at its end."""
        return not self.ended and self.epochs >= self.target_epochs


@dataclass
class Trial:
    """A configuration that is trained, one row of the records.

    Attributes:
        id: Position in the order of proposal, from 0; the lower one wins a tie.
        seed: Seed of first weights and dropout, from 0 to 2**32 - 1; unused if trials share
            several.
        configuration: Hyperparameters by name, those that it trains with now.
        proposal: Proposal of the sampler, with the first configuration.
        bracket: Number of the bracket that the scheduler chose.
        state: Status, as it is recorded.
        epochs: Epochs trained.
        target_epochs: Epochs it was last sent to.
        ended: Whether it will train no more.
        metrics: Validation metrics by name at the epochs of every rung it reached, the mean where
            it has several seeds or folds.
        errors: Standard errors of the same means; empty where there is one seed and fold.
        history: Numbers that training reported, by name, one for every epoch trained.
        changes: Epochs at which it took over from another trial, that one's id, and the
            configuration since.
        begun: Time at which it was proposed, in seconds since 1970; for people, as `finished` is.
        finished: Time at which it ended; None before.
    """

    id: int
    seed: int
    configuration: dict[str, Any]
    proposal: Proposal
    bracket: int = 0
    state: TrialStatus = TrialStatus.RUNNING
    epochs: int = 0
    target_epochs: int = 0
    ended: bool = False
    metrics: dict[int, dict[str, float]] = field(default_factory=dict)
    errors: dict[int, dict[str, float]] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)
    changes: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    begun: float = field(default_factory=time.time, compare=False)
    finished: float | None = field(default=None, compare=False)

    def end(self, state: TrialStatus) -> None:
        """Note that it trains no more, and its status, unless it has one already."""
        self.ended, self.finished = True, time.time()
        if self.state is TrialStatus.RUNNING:
            self.state = state

    def last(self, metric: str) -> float:
        """Return the metric at the highest rung reached; NaN before the first."""
        return self.metrics[max(self.metrics)].get(metric, math.nan) if self.metrics else math.nan


def seed_of(seed: int, id: int) -> int:
    """Return the seed of a trial, which depends on that of the search and the id alone."""
    return int(np.random.SeedSequence((seed, id)).generate_state(1)[0])


def rank(scores: Sequence[float], ids: Sequence[int], mode: str) -> list[int]:
    """Return positions from best to worst.

    Scores that are not finite come last, ties go to the lower id, and nothing depends on the order
    in which trials arrive.

    Args:
        scores: Score of every trial.
        ids: Ids of the same trials.
        mode: `min` if lower scores are better, `max` if higher ones are.
    """
    sign = {"min": 1.0, "max": -1.0}[mode]

    def key(position: int) -> tuple[bool, float, int]:
        score = scores[position]
        finite = math.isfinite(score)
        return not finite, sign * score if finite else 0.0, ids[position]

    return sorted(range(len(scores)), key=key)


def leaderboard(trials: Sequence[Trial], metric: str, mode: str) -> list[Trial]:
    """Return all trials, best first: by the highest rung reached, then by the score there.

    Scores of different rungs are never compared; diverged trials come last.
    """

    def reached(trial: Trial) -> int:
        return -1 if trial.state is TrialStatus.DIVERGED else max(trial.metrics, default=0)

    order = rank([trial.last(metric) for trial in trials], [trial.id for trial in trials], mode)
    return sorted((trials[position] for position in order), key=reached, reverse=True)
