"""Samplers by name."""

from collections.abc import Callable

from search.samplers.cmaes import CmaEs
from search.samplers.gaussian_process import GaussianProcess
from search.samplers.grid import Grid
from search.samplers.random import Random
from search.samplers.sampler import Sampler
from search.samplers.sobol import Sobol
from search.samplers.tpe import Tpe
from search.space.space import Space
from search.space.suggestions import near

# Space, seed, proposals at a time, and values that stand for a continuous range.
SAMPLERS: dict[str, Callable[[Space, int, int, int], Sampler]] = {
    "random": lambda space, seed, batch, points: Random(space, seed),
    "sobol": lambda space, seed, batch, points: Sobol(space, seed),
    "grid": lambda space, seed, batch, points: Grid(space, points),
    "tpe": lambda space, seed, batch, points: Tpe(space, seed),
    "cmaes": lambda space, seed, batch, points: CmaEs(space, seed, batch),
    "gp": lambda space, seed, batch, points: GaussianProcess(space, seed),
}


def make_sampler(
    name: str, space: Space, seed: int, *, batch: int = 16, points: int = 3
) -> Sampler:
    """A sampler by name.

    Args:
        name: One of `SAMPLERS`.
        space: Where to search.
        seed: Same seed, same proposals; from 0 to 2**32 - 1.
        batch: How many proposals are usually asked for at once: the size of a generation of
            `cmaes`, at least 2.
        points: How many values stand for a continuous range in a `grid`, at least 2.

    Raises:
        ValueError: An unknown name, or a grid that is too large.
    """
    if name not in SAMPLERS:
        names = ", ".join(f"`{known}`" for known in SAMPLERS)
        raise ValueError(f"`sampler` is {name!r}, but must be one of {names}{near(name, SAMPLERS)}")
    return SAMPLERS[name](space, seed, batch, points)
