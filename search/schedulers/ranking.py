"""Trials in order of their scores."""

import math
from collections.abc import Sequence

from search.schedulers.scheduler import Row
from search.trial import rank


def best_first(rows: Sequence[Row], epochs: int) -> list[Row]:
    """Trials by the score at exactly `epochs`, which all of them have, whatever came later.

    Scores that are not finite come last; ties go to the lower id.
    """
    scores = [row.scores[epochs] for row in rows]
    return [rows[position] for position in rank(scores, [row.id for row in rows], "min")]


def healthy(row: Row, epochs: int) -> bool:
    """Whether it was scored at exactly `epochs`, and had not diverged by then."""
    return math.isfinite(row.scores.get(epochs, math.inf))
