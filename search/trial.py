"""A trial: one configuration with one seed, and what became of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np


class State(StrEnum):
    """What became of a trial."""

    RUNNING = "running"
    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


@dataclass
class Trial:
    """One row of the records.

    Attributes:
        id: Position in the order of proposal, from 0; the lower one wins a tie.
        seed: Of first weights and dropout, from 0 to 2**32 - 1.
        configuration: Entries by name.
        state: What became of it.
        epochs: Epochs trained.
        metrics: Validation metrics by name at the epochs of every rung it reached.
        history: What training itself saw, by name, a number for every epoch trained.
    """

    id: int
    seed: int
    configuration: dict[str, Any]
    state: State = State.RUNNING
    epochs: int = 0
    metrics: dict[int, dict[str, float]] = field(default_factory=dict)
    history: dict[str, list[float]] = field(default_factory=dict)

    def last(self, metric: str) -> float:
        """The metric at the highest rung reached; NaN before the first."""
        return self.metrics[max(self.metrics)].get(metric, math.nan) if self.metrics else math.nan


def new_trials(configurations: Sequence[dict[str, Any]], seed: int) -> list[Trial]:
    """Trials with ids from 0, and seeds that depend on `seed` and the id alone."""
    return [
        Trial(id, int(np.random.SeedSequence((seed, id)).generate_state(1)[0]), configuration)
        for id, configuration in enumerate(configurations)
    ]


def rank(scores: Sequence[float], ids: Sequence[int], mode: str) -> list[int]:
    """Positions from best to worst.

    Scores that are not finite come last, ties go to the lower id, and nothing depends on the order
    in which trials arrive.

    Args:
        scores: One per trial.
        ids: Of the same trials.
        mode: `min` if lower scores are better, `max` if higher ones are.
    """
    sign = {"min": 1.0, "max": -1.0}[mode]

    def key(position: int) -> tuple[bool, float, int]:
        score = scores[position]
        finite = math.isfinite(score)
        return not finite, sign * score if finite else 0.0, ids[position]

    return sorted(range(len(scores)), key=key)


def leaderboard(trials: Sequence[Trial], metric: str, mode: str) -> list[Trial]:
    """All trials, best first: by the highest rung reached, within a rung by the score there.

    Scores of different rungs are never compared; diverged trials come last.
    """

    def reached(trial: Trial) -> int:
        return -1 if trial.state is State.DIVERGED else max(trial.metrics, default=0)

    order = rank([trial.last(metric) for trial in trials], [trial.id for trial in trials], mode)
    return sorted((trials[position] for position in order), key=reached, reverse=True)
