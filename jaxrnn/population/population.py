"""Trials that train side by side, whatever their architectures and however far they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxrnn.network import initial
from jaxrnn.network.architecture import architecture_of
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.snapshot import Snapshot
from jaxrnn.training.batches import Batches
from jaxrnn.training.epoch_metrics import EpochMetrics


@dataclass(frozen=True)
class Population:
    """Members by position, and by cohort.

    Attributes:
        configurations: Complete ones, in the order given to `Trainer.start` or `Trainer.place`.
        cohorts: The members by architecture.
        max_epochs: The most that any member may train.
        epochs: How many each has been through, `(population,)` int.
        metrics: Of epochs behind, `(longest, fields of Report, population)` float32; NaN behind
            the last one of a member.
    """

    configurations: tuple[dict[str, Any], ...]
    cohorts: tuple[Cohort, ...]
    max_epochs: int
    epochs: np.ndarray
    metrics: np.ndarray

    def __len__(self) -> int:
        return len(self.configurations)

    def check(self) -> None:
        """Accept a population whose buffers are still its own.

        Running a compiled program on buffers that it was given before can end the process.

        Raises:
            ValueError: Training went on from here, and took the buffers along.
        """
        if any(cohort.state.epochs.is_deleted() for cohort in self.cohorts):
            raise ValueError("`population` was trained before; go on with what `train` returned.")

    def totals(self, epochs: int | Sequence[int]) -> np.ndarray:
        """The total of each member, `(population,)` int, where one for all stands for each.

        Raises:
            ValueError: Not one for each, or one that lies behind or too far ahead.
        """
        given: list[Any] = [epochs] * len(self) if np.ndim(epochs) == 0 else [*np.asarray(epochs)]
        if len(given) != len(self):
            raise ValueError(
                f"`epochs` are {len(given)}, but must be one for each of the {len(self)} members."
            )
        for k, (total, seen) in enumerate(zip(given, self.epochs.tolist(), strict=True)):
            whole = isinstance(total, (int, np.integer)) and not isinstance(total, bool)
            if not whole or not seen <= total <= self.max_epochs:
                raise ValueError(
                    f"`epochs` is {total} for the member at {k}, but must be a whole number from "
                    f"{seen}, the epochs seen, to {self.max_epochs}, `max_epochs` at the start."
                )
        return np.array(given, int)

    def positions(self, called: str, given: Sequence[int], least: int = 0) -> np.ndarray:
        """Positions of members, `(positions,)` int, where `given` may name some twice.

        Raises:
            ValueError: No such members, or fewer than `least`.
        """
        chosen = np.asarray(given, None if len(given) else int)
        whole = chosen.ndim == 1 and chosen.dtype.kind in "iu" and len(chosen) >= least
        if not whole or np.any((chosen < 0) | (chosen >= len(self))):
            raise ValueError(
                f"`{called}` are {chosen.tolist()}, but must be {least} or more whole numbers, "
                f"each from 0 to {len(self) - 1}."
            )
        return chosen

    def active(self, positions: Sequence[int] | None) -> np.ndarray:
        """Who is at `positions`, all by default, `(population,)` bool.

        Raises:
            ValueError: No such members.
        """
        due = np.full(len(self), positions is None)
        due[self.positions("positions", [] if positions is None else positions)] = True
        return due

    def evaluate(
        self, batches: Batches, due: np.ndarray, names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Metrics of those who are `active`, `(population,)` bool, by name; NaN for the others."""
        table = np.full((len(self), len(names)), np.nan, np.float32)
        cohorts = [cohort for cohort in self.cohorts if due[cohort.members].any()]
        running = [cohort.evaluate(cohort.active_waves(due), batches) for cohort in cohorts]
        for cohort, values in zip(cohorts, running, strict=True):
            table[cohort.members] = cohort.of_members(values)
        table[~due] = np.nan
        return dict(zip(names, table.T, strict=True))

    @property
    def epoch_window(self) -> int:
        """Over how many epochs the members of a turn may be spread."""
        return self.cohorts[0].layout.epoch_window

    def after(self, cohorts: Sequence[Cohort], due: np.ndarray) -> "Population":
        """The population whose `cohorts` have trained those who were `active` for an epoch."""
        epochs = self.epochs + due
        reports = np.full((epochs.max(), *self.metrics.shape[1:]), np.nan, np.float32)
        reports[: len(self.metrics)] = self.metrics
        for cohort in cohorts:
            here = due[cohort.members]
            if here.any():
                told, members = cohort.reports(epochs[cohort.members]), cohort.members[here]
                reports[self.epochs[members], :, members] = told[here]
        return replace(self, cohorts=tuple(cohorts), epochs=epochs, metrics=reports)

    def to_host(self, positions: Sequence[int]) -> list[Snapshot]:
        """Snapshots of the members at `positions`, in that order.

        Raises:
            ValueError: No such members.
        """
        places = self.positions("positions", positions)
        chosen = np.zeros(len(self), bool)
        chosen[places] = True
        snapshots = {}
        for cohort in self.cohorts:
            for position, (packed, state) in cohort.to_host(chosen):
                snapshots[position] = Snapshot(
                    configuration=self.configurations[position],
                    max_epochs=self.max_epochs,
                    architecture=cohort.architecture,
                    packed=packed,
                    state=state,
                    metrics=self.metrics[: self.epochs[position], :, position].copy(),
                )
        return [snapshots[position] for position in places.tolist()]

    def history(self) -> dict[str, np.ndarray]:
        """What training saw, by name of `Report`, each `(epochs, population)`."""
        return dict(zip(EpochMetrics._fields, self.metrics.swapaxes(0, 1), strict=True))

    def parameters(self, position: int) -> initial.Layers:
        """Parameters of the member at `position`, at its true width.

        Raises:
            ValueError: No such member.
        """
        if not 0 <= position < len(self):
            raise ValueError(f"`index` is {position}, but must be from 0 to {len(self) - 1}.")
        (cohort,) = (cohort for cohort in self.cohorts if position in cohort.members)
        own = architecture_of(self.configurations[position], cohort.architecture.spec)
        return initial.trim(cohort.parameters(position), own.shapes())
