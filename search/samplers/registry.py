"""Samplers by name."""

from collections.abc import Callable
from typing import NamedTuple

from search.samplers.cmaes import CmaEs
from search.samplers.gaussian_process import GaussianProcess
from search.samplers.grid import Grid
from search.samplers.random import Random
from search.samplers.sampler import Sampler
from search.samplers.sobol import Sobol
from search.samplers.tpe import Tpe
from search.space.space import Space
from search.space.suggestions import near


class SamplerSettings(NamedTuple):
    """Arguments of all samplers.

    Attributes:
        space: Space of the configurations.
        seed: Seed of the search.
        batch: Number of proposals that are usually asked for at once.
        points: Number of values that stand for a continuous range.
    """

    space: Space
    seed: int
    batch: int
    points: int


SAMPLERS: dict[str, Callable[[SamplerSettings], Sampler]] = {
    "random": lambda s: Random(s.space, s.seed),
    "sobol": lambda s: Sobol(s.space, s.seed),
    "grid": lambda s: Grid(s.space, s.points),
    "tpe": lambda s: Tpe(s.space, s.seed),
    "cmaes": lambda s: CmaEs(s.space, s.seed, s.batch),
    "gp": lambda s: GaussianProcess(s.space, s.seed),
}


def make_sampler(
    name: str, space: Space, seed: int, *, batch: int = 16, points: int = 3
) -> Sampler:
    """Return the sampler of this name.

    Args:
        name: A key of `SAMPLERS`.
        space: Space of the configurations.
        seed: Seed from 0 to 2**32 - 1; the same seed gives the same proposals.
        batch: Number of proposals that are usually asked for at once: the size of a generation of
            `cmaes`, at least 2.
        points: Number of values that stand for a continuous range in a `grid`, at least 2.

    Raises:
        ValueError: An unknown name, or a grid that is too large.
    """
    if name not in SAMPLERS:
        names = ", ".join(f"`{known}`" for known in SAMPLERS)
        raise ValueError(f"`sampler` is {name!r}, but must be one of {names}{near(name, SAMPLERS)}")
    return SAMPLERS[name](SamplerSettings(space, seed, batch, points))
