"""A population: members that train side by side, whatever their architectures and epochs."""

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
        configurations: Complete configurations, in the order of `Trainer.start` or
            `Trainer.to_device`.
        cohorts: Members by architecture.
        max_epochs: Most epochs that any member may train.
        epochs: Epochs that each member has trained, `(population,)` int.
        metrics: Metrics by epoch, `(epochs, fields of EpochMetrics, population)` float32; NaN after
            the last epoch of a member.
    """

    configurations: tuple[dict[str, Any], ...]
    cohorts: tuple[Cohort, ...]
    max_epochs: int
    epochs: np.ndarray
    metrics: np.ndarray

    def __len__(self) -> int:
        return len(self.configurations)

    def check(self) -> None:
        """Accept a population whose buffers were not consumed.

        Running a compiled program on buffers that it was given before can end the process.

        Raises:
            ValueError: Training went on from here, and consumed the buffers.
        """
        if any(cohort.state.epochs.is_deleted() for cohort in self.cohorts):
            raise ValueError("`population` was trained before; go on with what `train` returned.")

    def totals(self, epochs: int | Sequence[int]) -> np.ndarray:
        """Return the total of each member, `(population,)` int.

        Args:
            epochs: Totals of the members, or one for all.

        Raises:
            ValueError: Not one for each, or one that lies behind or too far ahead.
        """
        totals: list[Any] = [epochs] * len(self) if np.ndim(epochs) == 0 else [*np.asarray(epochs)]
        if len(totals) != len(self):
            raise ValueError(
                f"`epochs` are {len(totals)}, but must be one for each of the {len(self)} members."
            )
        for k, (total, trained) in enumerate(zip(totals, self.epochs.tolist(), strict=True)):
            whole = isinstance(total, (int, np.integer)) and not isinstance(total, bool)
            if not whole or not trained <= total <= self.max_epochs:
                raise ValueError(
                    f"`epochs` is {total} for the member at {k}, but must be a whole number from "
                    f"{trained}, the epochs seen, to {self.max_epochs}, `max_epochs` at the start."
                )
        return np.array(totals, int)

    def positions(self, name: str, values: Sequence[int], least: int = 0) -> np.ndarray:
        """Return checked positions of members, `(positions,)` int, maybe some of them twice.

        Args:
            name: Name of the argument, for the message.
            values: Positions to check.
            least: Fewest positions allowed.

        Raises:
            ValueError: No such members, or fewer than `least`.
        """
        positions = np.asarray(values, None if len(values) else int)
        whole = positions.ndim == 1 and positions.dtype.kind in "iu" and len(positions) >= least
        if not whole or np.any((positions < 0) | (positions >= len(self))):
            raise ValueError(
                f"`{name}` are {positions.tolist()}, but must be {least} or more whole numbers, "
                f"each from 0 to {len(self) - 1}."
            )
        return positions

    def active(self, positions: Sequence[int] | None) -> np.ndarray:
        """Return a mask of the members at `positions`, by default of all, `(population,)` bool.

        Raises:
            ValueError: No such members.
        """
        active = np.full(len(self), positions is None)
        active[self.positions("positions", [] if positions is None else positions)] = True
        return active

    def evaluate(
        self, batches: Batches, active: np.ndarray, names: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Return metrics of active members, `(population,)` bool, by name; NaN for the others."""
        table = np.full((len(self), len(names)), np.nan, np.float32)
        cohorts = [cohort for cohort in self.cohorts if active[cohort.members].any()]
        running = [cohort.evaluate(cohort.active_waves(active), batches) for cohort in cohorts]
        for cohort, values in zip(cohorts, running, strict=True):
            table[cohort.members] = cohort.gather(values)
        table[~active] = np.nan
        return dict(zip(names, table.T, strict=True))

    @property
    def epoch_window(self) -> int:
        """Number of epochs over which the members of a turn may be spread."""
        return self.cohorts[0].layout.epoch_window

    def after(self, cohorts: Sequence[Cohort], active: np.ndarray) -> "Population":
        """Return the population after an epoch of its active members, in the cohorts trained."""
        epochs = self.epochs + active
        metrics = np.full((epochs.max(), *self.metrics.shape[1:]), np.nan, np.float32)
        metrics[: len(self.metrics)] = self.metrics
        for cohort in cohorts:
            trained = active[cohort.members]
            if trained.any():
                members, rows = cohort.members[trained], cohort.metrics(epochs[cohort.members])
                metrics[self.epochs[members], :, members] = rows[trained]
        return replace(self, cohorts=tuple(cohorts), epochs=epochs, metrics=metrics)

    def to_host(self, positions: Sequence[int]) -> list[Snapshot]:
        """Return snapshots of the members at `positions`, in that order.

        Raises:
            ValueError: No such members.
        """
        positions = self.positions("positions", positions).tolist()
        chosen = self.active(positions)
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
        return [snapshots[position] for position in positions]

    def history(self) -> dict[str, np.ndarray]:
        """Return the metrics of training by name of `EpochMetrics`, each `(epochs, population)`."""
        return dict(zip(EpochMetrics._fields, self.metrics.swapaxes(0, 1), strict=True))

    def parameters(self, position: int) -> initial.Layers:
        """Return parameters of the member at `position`, at its true width.

        Raises:
            ValueError: No such member.
        """
        if not 0 <= position < len(self):
            raise ValueError(f"`index` is {position}, but must be from 0 to {len(self) - 1}.")
        (cohort,) = (cohort for cohort in self.cohorts if position in cohort.members)
        spec = cohort.architecture.spec
        architecture = architecture_of(self.configurations[position], spec)
        return initial.trim(cohort.parameters(position), architecture.shapes())
