"""The members of trials, one for every fold of the data and every seed, and where they lie."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, NamedTuple

import numpy as np

from search.rungs import check_whole
from search.trainer import Population, Snapshot, Trainer
from search.trial import Trial, seed_of

FIRST_SHARED_SEED = 2**32
"""Ids from here on give the seeds that all trials share; no trial has one of these."""


class MeanAndError(NamedTuple):
    """A metric of every trial over its members, each `(trials,)`; NaN where one is not finite.

    Attributes:
        mean: Mean of the members' values.
        error: Standard error of the mean; NaN where there is one member.
    """

    mean: np.ndarray
    error: np.ndarray


@dataclass
class Replicates(Generic[Population, Snapshot]):
    """Trains trials whose members are dealt to trainers, one per fold, and keeps their weights.

    With several seeds, these are the same for all trials (common random numbers): what differs
    between trials is then what their configurations make of the same first weights and dropout.

    The members that train lie on the devices, the others are snapshots. Weights that have trained
    since they came onto the devices are lost if training is interrupted.

    Attributes:
        trainers: Trainers, one per fold.
        repeats: Seeds per configuration and fold.
        seed: Seed of the search.
        keep_released: Whether members are kept that the search needs no more.
    """

    trainers: Sequence[Trainer[Population, Snapshot]]
    repeats: int = 1
    seed: int = 0
    keep_released: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for no repeat at all."""
        check_whole("repeats", self.repeats)
        self._snapshots: dict[int, list[Snapshot]] = {}
        self._populations: list[Population] = []
        self._on_device: list[Trial] = []  # in the order of the populations
        self._newer: set[int] = set()  # ids of those that have no snapshot of how they are now

    @property
    def size(self) -> int:
        """Number of members of every trial."""
        return len(self.trainers) * self.repeats

    def seeds(self, trial: Trial) -> list[int]:
        """Return the seeds of a trial, one for every repeat."""
        if self.repeats == 1:
            return [trial.seed]
        return [seed_of(self.seed, FIRST_SHARED_SEED + repeat) for repeat in range(self.repeats)]

    def start(self, trials: Sequence[Trial], max_epochs: int) -> None:
        """Draw the untrained members of new trials.

        Args:
            trials: New trials.
            max_epochs: Epochs of the trials that are never pruned.
        """
        configurations = [trial.configuration for trial in trials for _ in range(self.repeats)]
        seeds = [seed for trial in trials for seed in self.seeds(trial)]
        folds = [trainer.init(configurations, seeds, max_epochs) for trainer in self.trainers]
        self._store([trial.id for trial in trials], folds)

    def to_device(self, trials: Sequence[Trial]) -> None:
        """Put the members of exactly these trials on the devices, unless they are there already."""
        ids = [trial.id for trial in trials]
        if ids == [trial.id for trial in self._on_device]:
            return
        self.to_host()
        if ids:
            self._populations = [
                trainer.to_device(self._of_fold(fold, ids))
                for fold, trainer in enumerate(self.trainers)
            ]
        self._on_device = list(trials)

    def to_host(self) -> None:
        """Take all members off the devices."""
        self._fetch()
        # Before others come, or these would lie there besides them.
        self._populations, self._on_device = [], []

    def next_part(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return which of several trials on the devices should train first, at least one."""
        positions = self._positions([trial.id for trial in trials])
        chosen = self.trainers[0].next_part(self._populations[0], positions)
        ids = {self._on_device[position // self.repeats].id for position in chosen}
        return [trial for trial in trials if trial.id in ids]

    def train(
        self, trials: Sequence[Trial], on_progress: Callable[[float], None]
    ) -> list[dict[str, float]]:
        """Train some of the trials on the devices for one more epoch; the others rest.

        Args:
            trials: Trials to train.
            on_progress: Called with the trial-epochs trained since the last call.

        Returns:
            What training saw in this epoch by name, the mean over members, for every trial.
        """
        ids = {trial.id for trial in trials}
        for id in ids:
            self._snapshots.pop(id, None)
        self._newer |= ids
        totals = [t.epochs + (t.id in ids) for t in self._on_device for _ in range(self.repeats)]
        pairs = zip(self.trainers, self._populations, strict=True)
        self._populations = [
            trainer.train(population, totals, lambda epochs: on_progress(epochs / self.size))
            for trainer, population in pairs
        ]
        return self._last_epoch(trials)

    def _last_epoch(self, trials: Sequence[Trial]) -> list[dict[str, float]]:
        pairs = zip(self.trainers, self._populations, strict=True)
        tables = [trainer.history(population) for trainer, population in pairs]
        positions = self._positions([trial.id for trial in trials])[:: self.repeats]
        rows: list[dict[str, float]] = [{} for _ in trials]
        for name, first in tables[0].items():
            members = [table[name].reshape(len(first), -1, self.repeats) for table in tables]
            means = np.concatenate(members, axis=2).mean(axis=2, dtype=float)
            for position, trial, row in zip(positions, trials, rows, strict=True):
                row[name] = float(means[trial.epochs, position // self.repeats])
        return rows

    def evaluate(self, trials: Sequence[Trial]) -> dict[str, MeanAndError]:
        """Return the validation metrics, by name, of trials that are on the devices."""
        chosen = self._positions([trial.id for trial in trials])
        pairs = zip(self.trainers, self._populations, strict=True)
        tables = [trainer.evaluate(population, positions=chosen) for trainer, population in pairs]
        return {
            name: mean_and_error(
                np.concatenate(
                    [table[name][chosen].reshape(-1, self.repeats) for table in tables], axis=1
                )
            )
            for name in tables[0]
        }

    def fork(self, forks: Sequence[tuple[Trial, Trial, dict[str, Any]]]) -> None:
        """Let losers go on from winners as these are now, whoever else is copied.

        Args:
            forks: Loser, winner and the loser's configuration from now on.
        """
        self.to_host()
        members = [self._forked(*fork) for fork in forks]
        self._snapshots.update(
            {loser.id: forked for (loser, _, _), forked in zip(forks, members, strict=True)}
        )

    def _forked(self, loser: Trial, winner: Trial, configuration: dict[str, Any]) -> list[Snapshot]:
        seeds = self.seeds(loser) * len(self.trainers)
        trainers = (trainer for trainer in self.trainers for _ in range(self.repeats))
        members = zip(trainers, self._snapshots[winner.id], seeds, strict=True)
        return [trainer.fork(member, configuration, seed) for trainer, member, seed in members]

    def can_change(self, name: str) -> bool:
        """Return whether the hyperparameter `name` may change in the middle of training."""
        return self.trainers[0].can_change(name)

    def release(self, trials: Sequence[Trial]) -> None:
        """Drop the members of trials that will neither train again nor win."""
        if not self.keep_released:
            for trial in trials:
                self._snapshots.pop(trial.id, None)
                self._newer.discard(trial.id)

    def snapshots(self) -> Mapping[int, list[Snapshot]]:
        """Return the members, by id of the trial, as they are now: fold by fold, seed by seed.

        Trials that can neither train on nor win have none.
        """
        self._fetch()
        return self._snapshots

    def copy(self) -> "Replicates[Population, Snapshot]":
        """Return replicates that train on from here without changing these."""
        copy = replace(self, keep_released=False)
        copy._snapshots = dict(self.snapshots())
        return copy

    def save(self, ids: Sequence[int], folder: Path) -> None:
        """Write the snapshots of the trials with these ids into a new folder, fold by fold."""
        self._fetch()
        for fold, trainer in enumerate(self.trainers):
            trainer.save(self._of_fold(fold, ids), folder / f"fold-{fold}")

    def restore(self, ids: Sequence[int], folder: Path) -> None:
        """Read what `save` wrote for the same ids."""
        folds = [trainer.restore(folder / f"fold-{k}") for k, trainer in enumerate(self.trainers)]
        self._store(ids, folds)

    def _fetch(self) -> None:
        """Bring the snapshots up to date."""
        ids = [trial.id for trial in self._on_device if trial.id in self._newer]
        if ids:
            chosen = self._positions(ids)
            pairs = zip(self.trainers, self._populations, strict=True)
            self._store(ids, [trainer.to_host(population, chosen) for trainer, population in pairs])
        self._newer.clear()

    def _store(self, ids: Sequence[int], folds: Sequence[Sequence[Snapshot]]) -> None:
        for k, id in enumerate(ids):
            part = slice(self.repeats * k, self.repeats * (k + 1))
            self._snapshots[id] = [member for fold in folds for member in fold[part]]

    def _of_fold(self, fold: int, ids: Sequence[int]) -> list[Snapshot]:
        part = slice(fold * self.repeats, (fold + 1) * self.repeats)
        return [member for id in ids for member in self._snapshots[id][part]]

    def _positions(self, ids: Sequence[int]) -> list[int]:
        """Return the positions in each fold's population of the members of some trials."""
        positions = {trial.id: position for position, trial in enumerate(self._on_device)}
        return [positions[id] * self.repeats + k for id in ids for k in range(self.repeats)]


def mean_and_error(values: np.ndarray) -> MeanAndError:
    """Return mean and standard error over the members of every trial.

    Args:
        values: Values of the members, `(trials, members)`.
    """
    values = np.where(np.isfinite(values), values, np.nan).astype(float)
    count = values.shape[1]
    if count == 1:
        return MeanAndError(values[:, 0], np.full(len(values), np.nan))
    return MeanAndError(values.mean(1), values.std(1, ddof=1) / np.sqrt(count))
