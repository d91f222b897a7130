"""Sobol points: configurations that cover the space evenly."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

from search.samplers.unit_cube import UnitCube
from search.space.space import Space
from search.trial import Proposal, TrialView


class Sobol:
    """Proposes Sobol points with Owen's scrambling, over choices and conditional values too.

    They are most even where 2, 4, 8, ... are drawn in all.
    """

    learns = False
    size = None

    def __init__(self, space: Space, seed: int) -> None:
        """Draw nothing yet; the same seed gives the same sequence."""
        self._points = UnitCube(space)
        self._seed = seed

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Propose point `len(trials)` and those that follow it; see `Sampler.ask`."""
        first = len(trials)
        points = sobol_points(first + count, len(self._points.names), self._seed)[first:]
        return [self._points.proposal(point) for point in points]


def sobol_points(count: int, dims: int, seed: int) -> np.ndarray:
    """Return the first `count` scrambled Sobol points of a cube, `(count, dims)`."""
    if not dims or not count:
        return np.empty((count, dims))
    # SciPy warns where the first count is no power of 2.
    return qmc.Sobol(dims, rng=seed).random_base2((count - 1).bit_length())[:count]
