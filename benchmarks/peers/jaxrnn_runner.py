"""A population of `jaxrnn.Trainer`, as a worker runs it."""

import os
from typing import Any

from peers.cases import BATCH, SAMPLES, Case, configurations, noise

import jaxrnn
from jaxrnn.population.devices import cpu_cores, population_mesh

HELD_OUT = 20
"""Samples of the other two parts of the data, which training never reads."""


class PopulationRunner:
    """Trains a population from its first weights.

    Attributes:
        members: Trials that train together.
        epochs: Of each.
        compile_seconds: For which its programs were waited for.
        lanes: Members side by side on each device.
    """

    def __init__(
        self, case: Case, members: int, devices: int | None = None, lanes: int | None = None
    ) -> None:
        """Compile for all members, and train a few, so that nothing happens for the first time."""
        self.members, self.epochs = members, case.epochs
        parts = [noise(case.length, samples) for samples in (SAMPLES, HELD_OUT, HELD_OUT)]
        data = jaxrnn.from_splits(*parts, name="noise")
        self._trainer = jaxrnn.Trainer(data, microbatch=BATCH, lanes=lanes, devices=devices)
        self._configurations = configurations(case, members)
        self.start()
        self.lanes = self._trainer.lanes
        few = self.start(self.lanes * self._trainer.mesh.devices.size)
        # Programs are compiled in the background; this asks for both.
        self._trainer.evaluate(self._trainer.train(few, self.epochs))
        self.compile_seconds = self._trainer.compiler.seconds

    def start(self, most: int | None = None) -> jaxrnn.Population:
        """First weights on the devices, of at most so many members."""
        some = self._configurations[:most]
        return self._trainer.start(some, range(len(some)), self.epochs)

    def train(self, started: Any) -> None:
        """Train to the last epoch, and wait for the devices."""
        self._trainer.train(started, self.epochs)


def about(devices: int | None) -> dict[str, Any]:
    """The devices, and the machine that they are in."""
    mesh = population_mesh(devices)
    return {
        "device": jaxrnn.describe(mesh),
        "platform": mesh.devices.flat[0].platform,
        "cores": cpu_cores(),
        "machine": os.uname().machine,
    }
