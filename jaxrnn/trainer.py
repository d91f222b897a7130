"""The trainer of mixed populations: start, train, evaluate, select, and take a member out."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from jaxrnn.configuration import rules
from jaxrnn.data.arrays import check_seed
from jaxrnn.data.data import Data
from jaxrnn.network import initial, structure
from jaxrnn.population import planner
from jaxrnn.population.cohort import draft
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.devices import lanes_per_device, population_mesh, replicated
from jaxrnn.population.feed import evaluation_splits, feed, microbatch_of
from jaxrnn.population.layout import Layout
from jaxrnn.population.planner import Group
from jaxrnn.population.population import Population
from jaxrnn.population.slices import Slices
from jaxrnn.predictor import Predictor
from jaxrnn.spaces import SPACES, Asked
from jaxrnn.types import Configuration


class Trainer:
    """Trains populations of recurrent networks on one data set.

    Attributes:
        mesh: The devices, on the axis `population`.
        lanes: Members that run side by side on each device.
        microbatch: Samples per step; batches are multiples of it.
        data: What there is to learn.
        feed: The training data on its way to the devices.
        compiler: Counts programs, and the seconds that they took.
    """

    def __init__(
        self,
        data: Data,
        *,
        microbatch: int | None = None,
        lanes: int | None = None,
        devices: int | None = None,
        seed: int = 0,
    ) -> None:
        """Put `data` on the devices.

        Args:
            data: What to learn; only its training split is trained on.
            microbatch: Samples per step, from 1 to the size of the training split. By default 32,
                or a lower power of two, so that an epoch has at least 8 steps; a stream's batch.
            lanes: Members side by side on each device, from 1 to 4096. By default 1 on a CPU, where
                the cores are the devices, and 64 elsewhere.
            devices: How many to use; all by default.
            seed: Of the data order, below 2**32; the order is the same for every member.

        Raises:
            ValueError: An argument outside its range.
        """
        check_seed(seed)
        self.microbatch = microbatch_of(data.train, microbatch)
        self.mesh = population_mesh(devices)
        self.lanes = lanes_per_device(lanes, self.mesh)
        self.data = data
        self._problem = data.problem
        self._slices = Slices()
        put = partial(jax.device_put, device=replicated(self.mesh))
        self._splits = put(evaluation_splits(data))
        self.feed = feed(data, self.microbatch, seed, put)
        samples, piece = self.feed.example()
        self.compiler = Compiler(samples, self._splits["validation"], piece)

    def check(self, name: str, value: Any) -> None:
        """Accept one entry of a configuration.

        Raises:
            ValueError: Unknown name, a value outside the rule, `batch_size` included, or an entry
                that makes no sense for the task.
        """
        rules.check(name, value, self.microbatch, without=self._problem.without)

    def space(self, name: str, max_epochs: int) -> dict[str, Any]:
        """A built-in space for this data, as `search.Space` reads it.

        Args:
            name: One of `jaxrnn.SPACES`.
            max_epochs: The most that a trial trains.
        """
        asked = Asked(self.data.task, self.data.train.time, self.microbatch, max_epochs)
        without = self._problem.without
        return {n: what for n, what in SPACES[name](asked).items() if n not in without}

    def plan(self, configurations: Sequence[Configuration], max_epochs: int) -> list[Group]:
        """The cohorts that `start` will make, without training or compiling anything.

        Raises:
            ValueError: As `start`.
        """
        return self._plan(self._complete(configurations, max_epochs), max_epochs)

    def start(
        self, configurations: Sequence[Configuration], seeds: Sequence[int], max_epochs: int = 100
    ) -> Population:
        """A population before its first epoch; compiles what it will need.

        Args:
            configurations: One per member; see `jaxrnn.ENTRIES`.
            seeds: One per member, from 0 to 2**32 - 1: first weights and dropout.
            max_epochs: The most that any member trains, at least 1, and the default of `epochs`,
                over which schedules run.

        Raises:
            ValueError: An unknown, bad or inactive entry, or not one seed per configuration.
        """
        if not configurations or len(configurations) != len(seeds):
            raise ValueError(
                f"`seeds` are {len(seeds)}, but must be one for each of the "
                f"{len(configurations)} configurations, of which there must be at least 1."
            )
        for one in seeds:
            check_seed(one)
        entries = self._complete(configurations, max_epochs)
        drafts = [
            draft(
                group,
                entries,
                seeds,
                self.data.task,
                self._problem,
                self.microbatch,
                Layout.for_members(len(group.members), self.mesh, self.lanes),
                self.feed.in_pieces,
            )
            for group in self._plan(entries, max_epochs)
        ]
        return Population(tuple(entries), self.compiler(drafts), max_epochs)

    def train(
        self, population: Population, epochs: int, tell: Callable[[float], None] = lambda _: None
    ) -> Population:
        """Train every member until it has seen `epochs` epochs in all, and wait for the end.

        Args:
            population: Consumed: its buffers become those of the one returned.
            epochs: As a total, counted from the start, at most `max_epochs` of the population.
            tell: Called about every second with the share that is done, from 0 to 1.

        Raises:
            ValueError: `epochs` lies behind or too far ahead, or `population` was trained before.
        """
        least, most = population.epochs, population.max_epochs
        if not isinstance(epochs, int) or not least <= epochs <= most:
            raise ValueError(
                f"`epochs` is {epochs}, but must be a whole number from {least}, the epochs seen, "
                f"to {most}, `max_epochs` at the start."
            )
        population.check()
        ahead = epochs - least
        for done in range(ahead):

            def tell_all(share: float, done: int = done) -> None:
                tell((done + share) / ahead)

            population = self._one_epoch(population, tell_all)
        return population

    def _one_epoch(self, population: Population, tell: Callable[[float], None]) -> Population:
        cohorts, validation = list(population.cohorts), self._splits["validation"]
        waves = max(cohort.waves for cohort in cohorts)
        for number, (samples, piece) in enumerate(self.feed.epoch(population.epochs)):
            for first, last in self._slices(waves):
                for position, cohort in enumerate(cohorts):
                    cohorts[position] = cohort.train(first, last, samples, validation, piece)
                jax.block_until_ready([cohort.state.epochs for cohort in cohorts])
                tell((number + last / waves) / self.feed.pieces)
        return population.after(cohorts)

    def evaluate(self, population: Population, split: str = "validation") -> dict[str, np.ndarray]:
        """Metrics of every member on a split, NaN for those that diverged.

        Args:
            population: Left as it is.
            split: `validation`, or `test` for the winner, once.

        Returns:
            The task's metrics on the split, and `train_loss` of the last epoch, each
            `(population,)`.
        """
        population.check()
        if split not in self._splits:
            raise ValueError(f"`split` is {split!r}, but must be 'validation' or 'test'.")
        names = *self.data.task.metrics, "train_loss"
        table = np.full((len(population), len(names)), np.nan, np.float32)
        running = [cohort.evaluate(self._splits[split]) for cohort in population.cohorts]
        for cohort, metrics in zip(population.cohorts, running, strict=True):
            table[cohort.members] = cohort.of_members(metrics)
        return dict(zip(names, table.T, strict=True))

    def select(self, population: Population, indices: Sequence[int]) -> Population:
        """The population of the members at `indices`, in that order, each going on where it is."""
        population.check()
        chosen = np.asarray(indices)
        whole = chosen.ndim == 1 and len(chosen) > 0 and chosen.dtype.kind in "iu"
        if not whole or chosen.min() < 0 or chosen.max() >= len(population):
            raise ValueError(
                f"`indices` are {chosen.tolist()}, but must be at least one whole number, each "
                f"from 0 to {len(population) - 1}."
            )
        return population.select(chosen)

    def history(self, population: Population) -> dict[str, np.ndarray]:
        """What training itself saw, by name of `jaxrnn.training.member.Report`.

        Returns:
            Training loss, gradient norms (see where to clip), learning rate and so on, each
            `(epochs, population)`; NaN where a member did not run, after it stopped or diverged.
        """
        return population.history()

    def predictor(self, population: Population, index: int = 0) -> Predictor:
        """The member at `index` by itself, at its true width.

        Raises:
            ValueError: No such member.
        """
        population.check()
        if not 0 <= index < len(population):
            raise ValueError(f"`index` is {index}, but must be from 0 to {len(population) - 1}.")
        entries = population.configurations[index]
        true = structure.alone(entries, self._problem).shapes()
        parameters = initial.trim(population.parameters(index), true)
        return Predictor(entries, self.data.task, self.data.encoder, parameters)

    def _complete(
        self, configurations: Sequence[Configuration], max_epochs: int
    ) -> list[dict[str, Any]]:
        rules.check("epochs", max_epochs, called="max_epochs")
        without = self._problem.without
        return [rules.complete(one, self.microbatch, max_epochs, without) for one in configurations]

    def _plan(self, entries: Sequence[dict[str, Any]], max_epochs: int) -> list[Group]:
        on_cpu = self.mesh.devices.flat[0].platform == "cpu"
        # Between the few epochs that pruning leaves to most and the `max_epochs` of the best.
        steps = len(self.data.train) * self.data.train.time * math.sqrt(max_epochs)
        costs = planner.CPU if on_cpu else planner.ACCELERATOR
        return planner.plan(entries, self._problem, self.microbatch, steps, costs)
