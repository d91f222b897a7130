"""Grids: every combination of values."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.space.space import Space
from search.trial import Proposal, TrialView

LARGEST = 100_000


class Grid:
    """Proposes every combination of choices, whole numbers and steps, the last one fastest.

    Hyperparameters take part only where their conditions hold, so no configuration comes twice.
    """

    learns = False

    def __init__(self, space: Space, points: int = 3) -> None:
        """List all combinations.

        Args:
            space: Space of the configurations.
            points: Number of values that stand for a continuous range, at least 2: its ends and
                values evenly between them, in the logarithm if the range has `log`.

        Raises:
            ValueError: Fewer than 2 points, or more than `LARGEST` combinations.
        """
        if points < 2:
            raise ValueError(f"`points` is {points}, but must be at least 2: both ends of a range.")
        self._space = space
        values = {name: _values(values, points) for name, values in space.distributions.items()}
        self._all = _sorted(space, values)

    @property
    def size(self) -> int:
        """Number of combinations."""
        return len(self._all)

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Propose combination `len(trials)` and those that follow it; see `Sampler.ask`."""
        chosen = self._all[len(trials) : len(trials) + count]
        return [Proposal(dict(configuration)) for configuration in chosen]


def _values(distribution: BaseDistribution, points: int) -> Sequence[Any]:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices
        case IntDistribution(low=low, high=high, step=step):
            return range(low, high + 1, step)
        case FloatDistribution(low=low, high=high, step=float(step)):
            count = round((high - low) / step)
            return [min(low + k * step, high) for k in range(count + 1)]
        case FloatDistribution(low=low, high=high, log=log):
            scale = np.geomspace if log else np.linspace
            return list(dict.fromkeys(scale(low, high, points).tolist()))
    raise TypeError(f"no range and no choice: {distribution!r}")


def _sorted(space: Space, values: dict[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return all combinations, in the order of the space; those without a value first."""
    combinations: list[tuple[list[int], dict[str, Any]]] = []
    for indices, configuration in _combinations(space, values):
        if len(combinations) == LARGEST:
            most = math.prod(map(len, values.values()))
            raise ValueError(
                f"`sampler` is 'grid', but the grid of this space has more than {LARGEST} "
                f"configurations (its values make {most} without conditions); give choices, "
                "larger steps or fixed values."
            )
        combinations.append(
            ([indices.get(name, -1) for name in space.hyperparameters], configuration)
        )
    return [configuration for _, configuration in sorted(combinations, key=lambda pair: pair[0])]


def _combinations(
    space: Space, values: dict[str, Sequence[Any]]
) -> Iterator[tuple[dict[str, int], dict[str, Any]]]:
    """Yield each with the indices of its values, like an odometer whose wheels come and go."""
    wheels: list[int] = []
    while True:
        asked: list[str] = []

        def turn(name: str, _: BaseDistribution, asked: list[str] = asked) -> Any:
            if len(asked) == len(wheels):
                wheels.append(0)
            asked.append(name)
            return values[name][wheels[len(asked) - 1]]

        configuration = space.sample(turn)
        yield dict(zip(asked, wheels, strict=True)), configuration
        while wheels and wheels[-1] + 1 == len(values[asked[len(wheels) - 1]]):
            wheels.pop()
        if not wheels:
            return
        wheels[-1] += 1
