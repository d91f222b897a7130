"""Compiled programs that wait for another trainer that needs the same."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache

import jax
from jax.stages import Compiled

KEPT = 16
"""Programs that wait, two of each cohort."""


@dataclass(frozen=True)
class Order:
    """A program to compile; two are equal if their programs are.

    Attributes:
        what: Names the program, with all that it depends on.
        compile: Compiles it; holds shapes, never arrays.
        settings: JAX's own, as this thread has them.
    """

    what: Hashable
    compile: Callable[[], Compiled] = field(compare=False)
    settings: Hashable = field(default_factory=lambda: tuple(jax.config.values.items()))


@lru_cache(KEPT)
def compiled(order: Order) -> Compiled:
    """The program, which the last `KEPT` orders share with equal ones."""
    return order.compile()
