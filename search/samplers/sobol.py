"""Configurations spread evenly."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

from search.samplers.unit_cube import UnitCube
from search.space.space import Space
from search.trial import Proposal, TrialView


class Sobol:
    """Sobol points with Owen's scrambling, over choices and conditional entries too.

    Most even where 2, 4, 8, ... are drawn in all.
    """

    learns = False
    size = None

    def __init__(self, space: Space, seed: int) -> None:
        """Same `seed`, same sequence."""
        self._points = UnitCube(space)
        self._seed = seed

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Points `len(trials)` and those that follow it; see `Sampler.ask`."""
        first = len(trials)
        drawn = sobol_points(first + count, len(self._points.names), self._seed)[first:]
        return [self._points.proposal(point) for point in drawn]


def sobol_points(count: int, dims: int, seed: int) -> np.ndarray:
    """The first `count` scrambled Sobol points of a cube, `(count, dims)`."""
    if not dims or not count:
        return np.empty((count, dims))
    # SciPy warns where the first count is no power of 2.
    return qmc.Sobol(dims, rng=seed).random_base2((count - 1).bit_length())[:count]
