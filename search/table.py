"""The scores of trials, as trainers give them and as schedulers see them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.schedulers.scheduler import Row
from search.team import Means
from search.trial import Trial


def rows(trials: Sequence[Trial], metric: str, mode: str) -> list[Row]:
    """What a scheduler sees of trials that are ranked by `metric`, `min` or `max`."""
    return [
        Row(
            trial.id,
            trial.bracket,
            trial.epochs,
            trial.until,
            trial.ended,
            scores(trial, metric, mode),
        )
        for trial in trials
    ]


def scores(trial: Trial, metric: str, mode: str) -> dict[int, float]:
    """By epochs, lower is better; infinite from where it diverged to where it takes over."""
    sign, dead, found = {"min": 1.0, "max": -1.0}[mode], False, {}
    revived = {epochs for epochs, _, _ in trial.changes}
    for epochs in sorted(trial.metrics):
        value = sign * trial.metrics[epochs].get(metric, math.nan)
        dead |= not math.isfinite(value)
        found[epochs] = math.inf if dead else value
        dead &= epochs not in revived
    return found


def record(trial: Trial, scores: Mapping[str, Means], position: int) -> None:
    """What the trial scored where it is now."""
    own: dict[str, Any] = {name: float(s.mean[position]) for name, s in scores.items()}
    trial.metrics[trial.epochs] = own
    errors = {name: float(s.error[position]) for name, s in scores.items()}
    if any(map(math.isfinite, errors.values())):
        trial.errors[trial.epochs] = errors
