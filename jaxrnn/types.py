"""The words that every file of this package uses for its values."""

from collections.abc import Mapping
from typing import TypeAlias

import chex
import jax

Array: TypeAlias = jax.Array
Key: TypeAlias = chex.PRNGKey
Parameters: TypeAlias = chex.ArrayTree
"""What Linen calls `params`: nested dicts with one array per weight."""
Value: TypeAlias = float | int | str
Configuration: TypeAlias = Mapping[str, Value]
"""A flat mapping such as `{"cell": "lstm", "hidden_size": 64, "learning_rate": 3e-3}`."""
