"""Trials that train side by side, whatever their architectures."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxrnn.network import initial
from jaxrnn.population.cohort import Cohort
from jaxrnn.training.progress import Report


@dataclass(frozen=True)
class Population:
    """Members by position, and by cohort.

    Attributes:
        configurations: Complete ones, in the order given to `Trainer.start`.
        cohorts: The members by architecture.
        max_epochs: The most that any member may train.
        reports: Of every epoch behind, each field `(population,)`.
    """

    configurations: tuple[dict[str, Any], ...]
    cohorts: tuple[Cohort, ...]
    max_epochs: int
    reports: tuple[Report, ...] = ()

    def __len__(self) -> int:
        return len(self.configurations)

    @property
    def epochs(self) -> int:
        """Epochs that every member has been through."""
        return len(self.reports)

    def check(self) -> None:
        """Accept a population whose buffers are still its own.

        Running a compiled program on buffers that it was given before can end the process.

        Raises:
            ValueError: Training went on from here, and took the buffers along.
        """
        if any(cohort.state.epochs.is_deleted() for cohort in self.cohorts):
            raise ValueError("`population` was trained before; go on with what `train` returned.")

    def after(self, cohorts: list[Cohort]) -> "Population":
        """The population whose `cohorts` have trained one more epoch."""
        report = Report(*np.full((len(Report._fields), len(self)), np.nan, np.float32))
        for cohort in cohorts:
            for column, values in zip(report, cohort.reports(self.epochs + 1), strict=True):
                column[cohort.members] = values
        reports = (*self.reports, report)
        return Population(self.configurations, tuple(cohorts), self.max_epochs, reports)

    def select(self, chosen: np.ndarray) -> "Population":
        """The members at the positions `chosen`, in that order."""
        left = (cohort.select(chosen) for cohort in self.cohorts)
        return Population(
            tuple(self.configurations[position] for position in chosen),
            tuple(cohort for cohort in left if cohort is not None),
            self.max_epochs,
            tuple(Report(*(column[chosen] for column in report)) for report in self.reports),
        )

    def history(self) -> dict[str, np.ndarray]:
        """What training saw, by name of `Report`, each `(epochs, population)`."""
        table = np.array(self.reports, np.float32)
        table = table.reshape(self.epochs, len(Report._fields), len(self))
        return dict(zip(Report._fields, table.swapaxes(0, 1), strict=True))

    def parameters(self, position: int) -> initial.Layers:
        """Parameters of the member at `position`, padded as in its cohort."""
        (cohort,) = (cohort for cohort in self.cohorts if position in cohort.members)
        return cohort.parameters(position)
