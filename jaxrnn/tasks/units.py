"""From standardised values back to those that people know."""

from typing import Any

import numpy as np

ROUNDING = 2.0**-21
"""Of the mean: as far from 0 a value that was 0 may come back, in single precision."""


def of_values(numbers: tuple[float, ...], like: Any) -> np.ndarray:
    """One number per value, with as many axes as `like` `(..., values)`."""
    return np.reshape(numbers, (1,) * (like.ndim - 1) + (-1,))


def in_units(values: Any, mean: tuple[float, ...], scale: tuple[float, ...]) -> Any:
    """Standardised `(..., values)` in units of their own, from NumPy (in float64) or JAX.

    What is 0 but for rounding is 0, or relative errors would not know what they divide by.
    """
    centre = of_values(mean, values)
    own = values * of_values(scale, values) + centre
    return own * (abs(own) > ROUNDING * abs(centre))
