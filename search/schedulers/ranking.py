"""Trials in order of their scores."""

import math
from collections.abc import Sequence

from search.trial import TrialView, rank


def best_first(trials: Sequence[TrialView], epochs: int) -> list[TrialView]:
    """Trials by the score at exactly `epochs`, which all of them have, whatever came later.

    Scores that are not finite come last; ties go to the lower id.
    """
    scores = [trial.scores[epochs] for trial in trials]
    return [trials[position] for position in rank(scores, [trial.id for trial in trials], "min")]


def healthy(trial: TrialView, epochs: int) -> bool:
    """Whether it was scored at exactly `epochs`, and had not diverged by then."""
    return math.isfinite(trial.scores.get(epochs, math.inf))
