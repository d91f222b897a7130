"""How closely a member must follow its plain loop: as closely as the loop follows itself.

Processors round differently, and some runs amplify that. A member may leave its bound only as far
as the loop does that starts from slightly other weights.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import jax
import numpy as np

NUDGE = 2.0**-18
"""About what the rounding of fifty steps comes to, relative to each weight."""
MARGIN, LOOSEST = 4.0, 1e-2


def nudged(parameters: Any) -> Any:
    """The weights, each a little up or down."""
    rng = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: (leaf * (1 + NUDGE * rng.choice([-1, 1], leaf.shape))).astype(leaf.dtype),
        parameters,
    )


class Following:
    """A run of the loop, and on demand the same from nudged weights.

    Attributes:
        slack: By how much bounds are wider than asked, 1 unless the losses needed more.
    """

    def __init__(self, run: Callable[[Any], Any], first: Any) -> None:
        self._again = lambda: run(nudged(first))
        self.run = run(first)
        self.slack = 1.0

    @cached_property
    def other(self) -> Any:
        return self._again()

    def check(self, ours: np.ndarray, name: str, bound: float, context: str = "") -> None:
        """`ours` is the run's `name`, epoch by epoch; NaN where that is NaN."""
        theirs, epochs = np.asarray(getattr(self.run, name), float), len(ours)
        off = distance(ours, theirs[:epochs])
        if (off <= bound).all():
            return
        drift = np.maximum.accumulate(distance(getattr(self.other, name), theirs))[:epochs]
        bounds = np.maximum(bound, MARGIN * drift)
        assert bounds.max() <= LOOSEST, f"the loop says nothing of {name}: {drift}; {context}"
        assert (off <= bounds).all(), f"{name} is off by {off}, the loop by {drift}; {context}"
        self.slack = max(self.slack, float(bounds.max()) / bound)


def distance(ours: Any, theirs: np.ndarray) -> np.ndarray:
    """Relative, 0 where both are NaN, infinite where one is."""
    off = np.abs(np.asarray(ours, float) - theirs) / np.maximum(np.abs(theirs), 1e-30)
    off = np.where(np.isnan(ours) & np.isnan(theirs), 0.0, off)
    return np.where(np.isnan(off), np.inf, off)
