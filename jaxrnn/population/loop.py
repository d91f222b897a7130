"""The training loop of a population: epoch by epoch, in time slices of about a second."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import jax
import numpy as np

from jaxrnn.population.autotuner import Autotuner
from jaxrnn.population.background import as_compiled
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.input_pipeline import TrainingData
from jaxrnn.population.memory_check import MemoryCheck
from jaxrnn.population.population import Population
from jaxrnn.training.batches import Batches

SECONDS = 1.0
FIRST_MEMBERS = 8
"""Members whose scores come first, or a row of lanes on every device if that is more."""


class TimeSlices:
    """Slices of waves that take about a second each, by the speed of those before."""

    def __init__(self) -> None:
        self._waves = 0.0
        self._seconds = 0.0

    def __call__(self, waves: int) -> Iterator[tuple[int, int]]:
        """Yield the first wave of each slice, and the one after its last.

        The body of the loop over them is what is timed; it must wait for the devices.

        Args:
            waves: Number of waves.
        """
        first = 0
        while first < waves:
            speed = self._waves / self._seconds if self._seconds else 0.0  # waves per second
            end = min(first + max(1, int(SECONDS * speed)), waves)
            start = time.perf_counter()
            yield first, end
            self._seconds += time.perf_counter() - start
            self._waves += end - first
            first = end


OnProgress = Callable[[float], None]
"""Called with the member-epochs trained since the last call; fractions are fine."""


@dataclass(frozen=True)
class Loop:
    """The training loop: which members train next, on which data.

    Attributes:
        training_data: Training data on its way to the devices.
        validation: Validation split on the devices.
        memory_check: Check of memory for cohorts that never ran before.
        autotuner: Choice of how a cohort is compiled.
        time_slices: Cut of the waves into slices.
    """

    training_data: TrainingData
    validation: Batches
    memory_check: MemoryCheck
    autotuner: Autotuner
    time_slices: TimeSlices

    def __call__(
        self, population: Population, totals: np.ndarray, on_progress: OnProgress
    ) -> Population:
        """Train every member until its own total; all members read the same data of an epoch.

        Members that lag behind go first, as far as members are further apart than the epoch window.

        Args:
            population: Population to train; its buffers are consumed.
            totals: Epochs of each member in all, `(population,)` int, none below those it has.
            on_progress: Called with increments, which sum up to the member-epochs asked for.
        """
        while (waiting := population.epochs < totals).any():
            first = int(population.epochs[waiting].min())
            active = waiting & (population.epochs < first + population.epoch_window)
            population = self._turn(population, active, first, on_progress)
        return population

    def next_part(self, population: Population, active: np.ndarray) -> np.ndarray:
        """Return positions of members to train first: of a cohort that is compiled, few at first.

        The next part has as many as have trained before. Data that is streamed is read once for
        all.

        Args:
            population: Population, of which nothing is changed.
            active: Members to choose from, `(population,)` bool, at least one.
        """
        if self.training_data.streaming:
            return np.flatnonzero(active)
        cohorts = [cohort for cohort in population.cohorts if active[cohort.members].any()]
        ready = next(as_compiled([cohort.programs for cohort in cohorts]))
        trained = int((population.epochs > 0).sum())
        return cohorts[ready[0]].first_rows(active, max(FIRST_MEMBERS, trained))

    def _turn(
        self, population: Population, active: np.ndarray, first: int, on_progress: OnProgress
    ) -> Population:
        """Train the active members, who have at least `first` epochs behind them, for an epoch."""
        cohorts = list(population.cohorts)
        busy = [k for k, cohort in enumerate(cohorts) if active[cohort.members].any()]
        for ready in self._as_compiled([cohorts[k] for k in busy]):
            group = [busy[position] for position in ready]
            trained = self._train([cohorts[k] for k in group], active, first, on_progress)
            for k, cohort in zip(group, trained, strict=True):
                cohorts[k] = cohort
        return population.after(cohorts, active)

    def _as_compiled(self, cohorts: Sequence[Cohort]) -> Iterator[list[int]]:
        """Yield cohorts as soon as they are compiled; all at once where data is streamed once."""
        ready = as_compiled([cohort.programs for cohort in cohorts])
        return iter([list(chain(*ready))]) if self.training_data.streaming else ready

    def _train(
        self, cohorts: list[Cohort], active: np.ndarray, first: int, on_progress: OnProgress
    ) -> list[Cohort]:
        """Train cohorts together for an epoch."""
        cohorts = [self.autotuner(self.memory_check(cohort)) for cohort in cohorts]
        turns = [cohort.active_waves(active) for cohort in cohorts]
        waves = max(turn.busiest for turn in turns)
        members = sum(int(active[cohort.members].sum()) for cohort in cohorts)
        window = cohorts[0].layout.epoch_window
        for samples, segment in self.training_data.epochs(first, window):
            for begin, end in self.time_slices(waves):
                for k, turn in enumerate(turns):
                    if turn.busiest > begin:
                        part = turn.part(begin, end)
                        cohorts[k] = cohorts[k].train(part, samples, self.validation, segment)
                jax.block_until_ready([cohort.state.epochs for cohort in cohorts])
                on_progress(members * (end - begin) / waves / self.training_data.segments)
        return cohorts
