"""Configurations as points of a unit cube, and back."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.space.space import Space
from search.trial import Proposal

# So far apart are two corners of a cube that differ in one choice.
CORNER = math.sqrt(0.5)
LOCATED = 1 << 18
"""Most values whose coordinates are remembered; a sampler locates all trials whenever it asks."""


class UnitCube:
    """Unit cube of a space, with one coordinate for every hyperparameter that varies.

    Numbers lie evenly, or evenly in their logarithm; the values of whole numbers, steps and choices
    have cells of the same size. A model sees the wider cube of `features`, where a choice has a
    coordinate for each of its values, so that none of them lies between two others.

    Attributes:
        names: Names of those with more than one value, in the order of the space.
        chosen: Whether they are choices, `(names,)`.
        width: Number of features.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._varying = {
            name: distribution
            for name, distribution in space.distributions.items()
            if not distribution.single()
        }
        self.names = tuple(self._varying)
        self._locate = lru_cache(LOCATED)(
            lambda name, value: _coordinate(self._varying[name], value)
        )
        self._choices = [
            len(distribution.choices) if isinstance(distribution, CategoricalDistribution) else 0
            for distribution in self._varying.values()
        ]
        self.chosen = np.array(self._choices) > 0
        self.width = sum(max(count, 1) for count in self._choices)

    def values(self, point: np.ndarray) -> dict[str, Any]:
        """Return a value for every range and choice of the space, whether active or not.

        Args:
            point: Coordinates `(names,)`, each from 0 to 1.
        """
        coordinates = dict(zip(self.names, point.tolist(), strict=True))
        return {
            name: value_at(distribution, coordinates.get(name, 0.0))
            for name, distribution in self._space.distributions.items()
        }

    def proposal(self, point: np.ndarray) -> Proposal:
        """Return the configuration at a point `(names,)`, each coordinate from 0 to 1."""
        values = self.values(point)
        return Proposal(self._space.sample(lambda name, _: values[name]))

    def to_cube(self, configuration: Mapping[str, Any]) -> np.ndarray:
        """Return the point `(names,)` of a configuration: the middle of its cells.

        What it lacks is in the middle, so that two configurations differ by what one of them has.
        """
        return np.array(
            [
                self._locate(name, configuration[name]) if name in configuration else 0.5
                for name in self.names
            ],
            dtype=float,
        )

    def features(self, points: np.ndarray) -> np.ndarray:
        """Return points `(n, names)` as a model sees them, `(n, features)`."""
        columns: list[np.ndarray] = [np.empty((len(points), 0))]
        for column, count in zip(points.T, self._choices, strict=True):
            if count:
                columns.append(CORNER * np.eye(count)[_cells(column, count)])
            else:
                columns.append(column[:, None])
        return np.concatenate(columns, axis=1)

    def point(self, features: np.ndarray) -> np.ndarray:
        """Return the point `(names,)` of features `(features,)`; the largest of a choice counts."""
        coordinates, start = [], 0
        for count in self._choices:
            part = features[start : start + max(count, 1)]
            coordinates.append((part.argmax() + 0.5) / count if count else part[0])
            start += len(part)
        return np.clip(np.array(coordinates, dtype=float), 0.0, 1.0)

    def features_of(self, configurations: Sequence[Mapping[str, Any]]) -> np.ndarray:
        """Return the features `(n, features)` of configurations, which are near if these are alike.

        The distance is 1 where two differ in one choice, or in one number from end to end.
        """
        located = [self.to_cube(configuration) for configuration in configurations]
        return self.features(np.array(located).reshape(len(located), len(self.names)))


def _cells(coordinates: np.ndarray, count: int) -> np.ndarray:
    return np.minimum((coordinates * count).astype(int), count - 1)


def value_at(distribution: BaseDistribution, coordinate: float) -> Any:
    """Return the value at a coordinate from 0 to 1, in a plain Python type."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return choices[min(int(coordinate * len(choices)), len(choices) - 1)]
        case IntDistribution(low=low, high=high, log=True):
            return min(max(round(math.exp(_between(_ends(distribution), coordinate))), low), high)
        case (
            IntDistribution(low=low, high=high, step=step)
            | FloatDistribution(low=low, high=high, step=float(step))
        ):
            count = round((high - low) / step) + 1
            return min(low + min(int(coordinate * count), count - 1) * step, high)
        case FloatDistribution(low=low, high=high, log=log):
            value = _between(_ends(distribution), coordinate)
            return min(max(math.exp(value) if log else value, low), high)
    raise TypeError(f"no range and no choice: {distribution!r}")


def _coordinate(distribution: BaseDistribution, value: Any) -> float:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return (choices.index(value) + 0.5) / len(choices)
        case (
            IntDistribution(low=low, high=high, log=False, step=step)
            | FloatDistribution(low=low, high=high, step=float(step))
        ):
            return (round((value - low) / step) + 0.5) / (round((high - low) / step) + 1)
        case IntDistribution(log=log) | FloatDistribution(log=log):
            low, high = _ends(distribution)
            return ((math.log(value) if log else value) - low) / (high - low)
    raise TypeError(f"no range and no choice: {distribution!r}")


def _ends(distribution: IntDistribution | FloatDistribution) -> tuple[float, float]:
    """Return the ends, in the logarithm if it has `log`, with half a step around whole numbers."""
    half = 0.5 if isinstance(distribution, IntDistribution) else 0.0
    low, high = distribution.low - half, distribution.high + half
    return (math.log(low), math.log(high)) if distribution.log else (low, high)


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + share * (ends[1] - ends[0])
