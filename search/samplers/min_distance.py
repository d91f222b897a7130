"""A least distance between the proposals of a batch."""

from collections.abc import Callable, Sequence

import numpy as np

from search.samplers.unit_cube import UnitCube
from search.trial import Proposal, TrialView

# Of the width of the cube; proposals nearer than this teach little that is not known already.
NEAR = 0.01
TRIES = 16


class MinDistance:
    """Chooses proposals that are not near each other, nor near those known before.

    Samplers with a model draw most where they expect most, time and again.
    """

    def __init__(self, points: UnitCube, trials: Sequence[TrialView]) -> None:
        """Keep away from the configurations of these trials."""
        self._points = points
        self._taken = points.features_of([trial.configuration for trial in trials])

    def choose(self, draw: Callable[[], Proposal]) -> Proposal:
        """Return the first of at most `TRIES` draws that is near no other, or the farthest."""
        best, place, farthest = None, self._taken[:0], -1.0
        for _ in range(TRIES):
            proposal = draw()
            features = self._points.features_of([proposal.configuration])
            distances = np.linalg.norm(self._taken - features, axis=1)
            distance = float(distances.min(initial=np.inf))
            if distance > farthest:
                best, place, farthest = proposal, features, distance
            if farthest >= NEAR:
                break
        assert best is not None
        self._taken = np.concatenate([self._taken, place])
        return best
