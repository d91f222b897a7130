"""One member off the devices: what it needs to go on, anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxrnn.configuration.changes import changeable
from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.network import structure
from jaxrnn.network.architecture import Architecture
from jaxrnn.training.member import State
from jaxrnn.training.setting import Setting


@dataclass(frozen=True)
class Snapshot:
    """A member between two epochs, on the host.

    Attributes:
        configuration: Complete.
        max_epochs: The most that it may train.
        architecture: Of the cohort that it belongs to.
        setting: Its numbers and seed.
        state: Its weights and optimizer, padded as the architecture says.
        reports: Of every epoch behind, `(epochs, fields of Report)` float32.
    """

    configuration: dict[str, Any]
    max_epochs: int
    architecture: Architecture
    setting: Setting
    state: State
    reports: np.ndarray

    @property
    def seed(self) -> int:
        """Of first weights and dropout."""
        return int(self.setting.seed)

    @property
    def epochs(self) -> int:
        """Epochs that it has been through."""
        return len(self.reports)


def setting_of(entries: Mapping[str, Any], seed: int, architecture: Architecture) -> Setting:
    """What the programs of an architecture take as arguments, on the host."""
    return Setting.of(hyperparameters(entries, architecture.optimizers), np.uint32(seed))


def inherited(snapshot: Snapshot, entries: dict[str, Any], seed: int, microbatch: int) -> Snapshot:
    """A member with the weights, optimizer and past of another, and a future of its own.

    Args:
        snapshot: The other.
        entries: Its own complete configuration.
        seed: Its own.
        microbatch: Sequences of a step.

    Raises:
        ValueError: `entries` differ where they can't change in the middle of training.
    """
    for name, value in snapshot.configuration.items():
        if entries.get(name) != value and not changeable(name):
            raise ValueError(
                f"`{name}` is {entries.get(name)!r}, but must be {value!r} as in the snapshot: it "
                "can't change in the middle of training."
            )
    # What may change never shapes an array, so the same weights live where more code is compiled.
    own = structure.alone(entries, snapshot.architecture.problem, microbatch)
    architecture = structure.widened(snapshot.architecture, own)
    setting = setting_of(entries, seed, architecture)
    return replace(snapshot, configuration=entries, architecture=architecture, setting=setting)
