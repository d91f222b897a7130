"""The training loop of a population: epoch by epoch, in time slices of about a second."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import jax
import numpy as np

from jaxrnn.population.autotuner import Autotuner
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.input_pipeline import TrainingData
from jaxrnn.population.memory_check import MemoryCheck
from jaxrnn.population.population import Population

SECONDS = 1.0


class TimeSlices:
    """Cuts waves into slices, by the speed of the slices before."""

    def __init__(self) -> None:
        self._waves = 0.0
        self._seconds = 0.0

    def __call__(self, waves: int) -> Iterator[tuple[int, int]]:
        """First and last wave of one slice after another, the last one excluded.

        The body of the loop over them is what is timed; it must wait for the devices.

        Args:
            waves: How many there are.
        """
        first = 0
        while first < waves:
            speed = self._waves / self._seconds if self._seconds else 0.0  # waves per second
            last = min(first + max(1, int(SECONDS * speed)), waves)
            begin = time.perf_counter()
            yield first, last
            self._seconds += time.perf_counter() - begin
            self._waves += last - first
            first = last


OnProgress = Callable[[float], None]


@dataclass(frozen=True)
class Loop:
    """What every epoch needs.

    Attributes:
        training_data: Of training data.
        compiler: Of the programs.
        check_memory: Lets a cohort onto the devices that was not there before.
        tune: Chooses how it is compiled.
        slices: Says how much to hand over at once.
    """

    training_data: TrainingData
    compiler: Compiler
    check_memory: MemoryCheck
    tune: Autotuner
    slices: TimeSlices

    def __call__(
        self, population: Population, totals: np.ndarray, on_progress: OnProgress
    ) -> Population:
        """Every member until its own total; an epoch's data is the same for all who are at it.

        Those who lag behind go first, as far as there are more epochs between members than fit
        into a turn.

        Args:
            population: Consumed.
            totals: In epochs, `(population,)` int, none behind the member.
            on_progress: Called with the share of all that is to be done, at the end with 1.
        """
        ahead, done = int((totals - population.epochs).sum()), 0
        while (waiting := population.epochs < totals).any():
            first = int(population.epochs[waiting].min())
            due = waiting & (population.epochs < first + population.epoch_window)
            members = int(due.sum())

            def tell_all(share: float, done: int = done, members: int = members) -> None:
                on_progress((done + share * members) / ahead)

            population = self._epoch(population, due, first, tell_all)
            done += members
        if ahead == 0:
            on_progress(1.0)
        return population

    def _epoch(
        self, population: Population, due: np.ndarray, first: int, on_progress: OnProgress
    ) -> Population:
        cohorts = list(population.cohorts)
        busy = [k for k, cohort in enumerate(cohorts) if due[cohort.members].any()]
        done = 0
        for ready in self._in_turn([cohorts[k] for k in busy]):
            group = [busy[position] for position in ready]
            members = sum(int(due[cohorts[k].members].sum()) for k in group)

            def tell_all(share: float, done: int = done, members: int = members) -> None:
                on_progress((done + share * members) / int(due.sum()))

            self._together(cohorts, group, due, first, tell_all)
            done += members
        return population.after(cohorts, due)

    def _in_turn(self, cohorts: Sequence[Cohort]) -> Iterator[list[int]]:
        """Cohorts as soon as they can run; all at once if data comes in pieces, once for all."""
        ready = self.compiler.ready(cohorts)
        return iter([list(chain(*ready))]) if self.training_data.in_pieces else ready

    def _together(
        self,
        cohorts: list[Cohort],
        group: list[int],
        due: np.ndarray,
        first: int,
        on_progress: OnProgress,
    ) -> None:
        """Train those of `cohorts` that `group` names for an epoch, in their places.

        At least `first` epochs are behind those who are due.
        """
        for k in group:
            cohorts[k] = self.tune(self.check_memory(cohorts[k]))
        turns = {k: cohorts[k].active_waves(due) for k in group}
        waves = max(turn.busiest for turn in turns.values())
        validation, spread = self.compiler.validation, cohorts[group[0]].layout.epoch_window
        for number, (samples, piece) in enumerate(self.training_data.epochs(first, spread)):
            for begin, last in self.slices(waves):
                running = [k for k, turn in turns.items() if turn.busiest > begin]
                for k in running:
                    turn = turns[k].part(begin, last)
                    cohorts[k] = cohorts[k].train(turn, samples, validation, piece)
                jax.block_until_ready([cohorts[k].state.epochs for k in running])
                on_progress((number + last / waves) / self.training_data.pieces)
