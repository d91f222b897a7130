"""Types of values that every file of this package shares."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import chex
import jax

Array: TypeAlias = jax.Array
AnyArray: TypeAlias = Any
"""A JAX array, or NumPy's on the host that is about to become one."""
Number: TypeAlias = jax.Array
"""A number that programs take as an argument, `()`."""
Key: TypeAlias = chex.PRNGKey
Parameters: TypeAlias = dict[str, Any]
"""What Linen calls `params`: nested dicts with one array per weight."""
Shape: TypeAlias = tuple[int, ...]
Value: TypeAlias = float | int | bool | str
Configuration: TypeAlias = Mapping[str, Value]
"""A flat mapping such as `{"cell": "lstm", "hidden_size": 64, "learning_rate": 3e-3}`."""
