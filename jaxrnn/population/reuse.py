"""Compiled programs kept in memory for other trainers of the process that need the same."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache

import jax
from jax.stages import Compiled

KEPT = 16
"""Programs, two of each cohort."""


@dataclass(frozen=True)
class Request:
    """A request for a program; two are equal if their programs are.

    Attributes:
        key: All that the program depends on but `settings`.
        compile: Compiles it; holds shapes, never arrays.
        settings: JAX's configuration, as this thread has it.
    """

    key: Hashable
    compile: Callable[[], Compiled] = field(compare=False)
    settings: Hashable = field(default_factory=lambda: tuple(jax.config.values.items()))


@lru_cache(KEPT)
def compiled(request: Request) -> Compiled:
    """The program, of an equal request if that is among the last `KEPT` different ones."""
    return request.compile()
