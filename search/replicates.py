"""The members of a trial: one for every fold of the data and every seed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple

import numpy as np

from search.rungs import check_whole
from search.trainer import Population, Snapshot, Trainer
from search.trial import Trial, seed_of

FIRST_SHARED_SEED = 2**32
"""Ids from here on give the seeds that all trials share; no trial has one of these."""


class MeanAndError(NamedTuple):
    """Of every trial, over its members, each `(trials,)`; NaN where a member's is not finite.

    Attributes:
        mean: Of the values.
        error: Standard error of the mean; NaN where there is one member.
    """

    mean: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class Replicates(Generic[Population, Snapshot]):
    """Trains trials whose members are spread over trainers, one per fold.

    With several seeds, these are the same for all trials (common random numbers): what differs
    between trials is then what their configurations make of the same first weights and dropout.

    Attributes:
        trainers: One per fold.
        repeats: Seeds per configuration and fold.
        seed: Of the search.
    """

    trainers: Sequence[Trainer[Population, Snapshot]]
    repeats: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for no repeat at all."""
        check_whole("repeats", self.repeats)

    @property
    def size(self) -> int:
        """Members of every trial."""
        return len(self.trainers) * self.repeats

    def seeds(self, trial: Trial) -> list[int]:
        """One for every repeat."""
        if self.repeats == 1:
            return [trial.seed]
        return [seed_of(self.seed, FIRST_SHARED_SEED + repeat) for repeat in range(self.repeats)]

    def init(self, trials: Sequence[Trial], max_epochs: int) -> list[list[Snapshot]]:
        """The untrained members of every trial, fold by fold, in each seed by seed."""
        configurations = [trial.configuration for trial in trials for _ in range(self.repeats)]
        seeds = [seed for trial in trials for seed in self.seeds(trial)]
        return self._by_trial(
            [trainer.init(configurations, seeds, max_epochs) for trainer in self.trainers]
        )

    def to_device(self, members: Sequence[Sequence[Snapshot]]) -> list[Population]:
        """A population per fold of the members of some trials."""
        return [
            trainer.to_device([one for own in members for one in own[self._of_fold(fold)]])
            for fold, trainer in enumerate(self.trainers)
        ]

    def to_host(
        self, populations: Sequence[Population], positions: Sequence[int]
    ) -> list[list[Snapshot]]:
        """The members of the trials at `positions`, off the devices."""
        chosen = self._members(positions)
        pairs = zip(self.trainers, populations, strict=True)
        return self._by_trial(
            [trainer.to_host(population, chosen) for trainer, population in pairs]
        )

    def train(
        self,
        populations: Sequence[Population],
        epochs: Sequence[int],
        on_progress: Callable[[float], None],
    ) -> list[Population]:
        """Every trial trained to its own number of epochs."""
        each = [total for total in epochs for _ in range(self.repeats)]
        done, total = 0.0, len(each) * len(self.trainers)

        def report(member_epochs: float) -> None:
            nonlocal done
            done += member_epochs
            on_progress(done / total)

        return [
            trainer.train(population, each, report)
            for trainer, population in zip(self.trainers, populations, strict=True)
        ]

    def evaluate(
        self, populations: Sequence[Population], positions: Sequence[int]
    ) -> dict[str, MeanAndError]:
        """Validation metrics of the trials at `positions`, by name."""
        chosen = self._members(positions)
        tables = [
            trainer.evaluate(population, positions=chosen)
            for trainer, population in zip(self.trainers, populations, strict=True)
        ]
        return {
            name: mean_and_error(
                np.concatenate(
                    [table[name][chosen].reshape(-1, self.repeats) for table in tables], axis=1
                )
            )
            for name in tables[0]
        }

    def history(self, populations: Sequence[Population]) -> dict[str, np.ndarray]:
        """What training saw, the mean over members, by name, each `(epochs, trials)`."""
        tables = [
            trainer.history(population)
            for trainer, population in zip(self.trainers, populations, strict=True)
        ]
        told = {}
        for name, first in tables[0].items():
            members = [table[name].reshape(len(first), -1, self.repeats) for table in tables]
            told[name] = np.concatenate(members, axis=2).mean(axis=2, dtype=float)
        return told

    def fork(
        self, members: Sequence[Snapshot], configuration: dict[str, Any], trial: Trial
    ) -> list[Snapshot]:
        """Members of `trial` that go on from those of another one."""
        seeds = self.seeds(trial) * len(self.trainers)
        trainers = (trainer for trainer in self.trainers for _ in range(self.repeats))
        return [
            trainer.fork(one, configuration, seed)
            for trainer, one, seed in zip(trainers, members, seeds, strict=True)
        ]

    def save(self, members: Sequence[Sequence[Snapshot]], folder: Path) -> None:
        """Write the members of some trials into a new folder, fold by fold."""
        for fold, trainer in enumerate(self.trainers):
            own = [one for each in members for one in each[self._of_fold(fold)]]
            trainer.save(own, folder / f"fold-{fold}")

    def restore(self, folder: Path) -> list[list[Snapshot]]:
        """What `save` wrote."""
        return self._by_trial(
            [trainer.restore(folder / f"fold-{k}") for k, trainer in enumerate(self.trainers)]
        )

    def _members(self, positions: Sequence[int]) -> list[int]:
        """Positions in each fold's population of the members of some trials."""
        return [p * self.repeats + k for p in positions for k in range(self.repeats)]

    def _of_fold(self, fold: int) -> slice:
        return slice(fold * self.repeats, (fold + 1) * self.repeats)

    def _by_trial(self, folds: Sequence[Sequence[Snapshot]]) -> list[list[Snapshot]]:
        trials = len(folds[0]) // self.repeats
        return [
            [one for fold in folds for one in fold[self.repeats * k : self.repeats * (k + 1)]]
            for k in range(trials)
        ]


def mean_and_error(values: np.ndarray) -> MeanAndError:
    """Over the members of every trial.

    Args:
        values: `(trials, members)`.
    """
    values = np.where(np.isfinite(values), values, np.nan).astype(float)
    count = values.shape[1]
    if count == 1:
        return MeanAndError(values[:, 0], np.full(len(values), np.nan))
    return MeanAndError(values.mean(1), values.std(1, ddof=1) / np.sqrt(count))
