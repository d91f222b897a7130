"""The words that every file of this package uses for its values."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import chex
import jax
import numpy as np

Array: TypeAlias = jax.Array
AnyArray: TypeAlias = jax.Array | np.ndarray
"""On a device, or on the host and about to go there."""
Number: TypeAlias = chex.Numeric
Key: TypeAlias = chex.PRNGKey
Parameters: TypeAlias = dict[str, Any]
"""What Linen calls `params`: nested dicts with one array per weight."""
Shape: TypeAlias = tuple[int, ...]
Value: TypeAlias = float | int | bool | str
Configuration: TypeAlias = Mapping[str, Value]
"""A flat mapping such as `{"cell": "lstm", "hidden_size": 64, "learning_rate": 3e-3}`."""
