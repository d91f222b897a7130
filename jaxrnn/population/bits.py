"""Arrays of 32 or 64 bits, by a name that every JAX knows."""

from contextlib import AbstractContextManager
from typing import Any

import jax
import jax.experimental


def enable_x64(enabled: bool) -> AbstractContextManager[Any]:
    """`jax.enable_x64`, which JAX before 0.8 keeps among its experiments."""
    home: Any = jax if hasattr(jax, "enable_x64") else jax.experimental
    return home.enable_x64(enabled)
