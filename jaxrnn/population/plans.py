"""Which cohort each configuration of a data set joins."""

import math
from collections.abc import Sequence
from typing import Any

from jax.sharding import Mesh

from jaxrnn.configuration import rules
from jaxrnn.data.data import Data
from jaxrnn.network.architecture import Architecture
from jaxrnn.population import planner
from jaxrnn.population.planner import Group
from jaxrnn.types import Configuration


class Plans:
    """Completes configurations, and groups them: for themselves, or as was expected."""

    def __init__(self, data: Data, microbatch: int, mesh: Mesh) -> None:
        """Plan for data that comes in steps of `microbatch` sequences, on the devices of `mesh`."""
        self._problem, self._microbatch = data.problem, microbatch
        self._costs = planner.costs_of(mesh.devices.flat[0].platform, mesh.size)
        self._steps = len(data.train) * data.train.time
        self._expected: tuple[Architecture, ...] = ()

    def complete(
        self, configurations: Sequence[Configuration], max_epochs: int
    ) -> list[dict[str, Any]]:
        """Checked copies with every active entry.

        Raises:
            ValueError: An unknown, bad or inactive entry, or bad `max_epochs`.
        """
        rules.check("epochs", max_epochs, called="max_epochs")
        return [
            rules.complete(one, self._microbatch, max_epochs, self._problem.without)
            for one in configurations
        ]

    def expect(
        self, configurations: Sequence[Configuration], max_epochs: int
    ) -> list[Configuration]:
        """Fit all that comes later into what these configurations need; one of each cohort.

        Raises:
            ValueError: As `complete`.
        """
        planned = self._planned(self.complete(configurations, max_epochs), max_epochs)
        self._expected = tuple(group.architecture for group in planned)
        return [configurations[group.members[0]] for group in planned]

    def groups(self, entries: Sequence[dict[str, Any]], max_epochs: int) -> list[Group]:
        """The cohorts of complete configurations."""
        if self._expected:
            return planner.fit(entries, self._expected, self._problem, self._microbatch)
        return self._planned(entries, max_epochs)

    def _planned(self, entries: Sequence[dict[str, Any]], max_epochs: int) -> list[Group]:
        # Between the few epochs that pruning leaves to most and the `max_epochs` of the best.
        steps = self._steps * math.sqrt(max_epochs)
        return planner.plan(entries, self._problem, self._microbatch, steps, self._costs)
