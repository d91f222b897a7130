"""The trainer of mixed populations: start, train, evaluate, select, and take a member out."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from jaxrnn import configuration, initial, optimizer
from jaxrnn.cohort import Cohort, Draft, draft
from jaxrnn.data import Data, check_seed
from jaxrnn.devices import cpu_cores, population_mesh, replicated
from jaxrnn.layout import Layout
from jaxrnn.member import METRICS, Batches, Member, Samples
from jaxrnn.network import Architecture, RecurrentNetwork
from jaxrnn.population import Programs, compile_programs
from jaxrnn.predictor import Predictor
from jaxrnn.slices import Slices
from jaxrnn.types import Configuration

ACCELERATOR_LANES, MOST_LANES = 64, 4096


@dataclass(frozen=True)
class Population:
    """Trials that train side by side.

    Attributes:
        configurations: Complete ones, in the order given to `Trainer.start`.
        cohorts: The members by architecture.
        epochs: Epochs that every member has seen.
    """

    configurations: tuple[dict[str, Any], ...]
    cohorts: tuple[Cohort, ...]
    epochs: int = 0

    def __len__(self) -> int:
        return len(self.configurations)


class Trainer:
    """Trains populations of recurrent networks on one data set.

    Attributes:
        mesh: The devices, on the axis `population`.
        lanes: Members that run side by side on each device.
        batch_size: Samples per step.
        programs: How many programs were compiled.
        compile_seconds: Wall time spent on compiling them.
    """

    def __init__(
        self,
        data: Data,
        *,
        batch_size: int | None = None,
        lanes: int | None = None,
        devices: int | None = None,
        seed: int = 0,
    ) -> None:
        """Put `data` on the devices.

        Args:
            data: What to learn; only its training split is trained on.
            batch_size: Samples per step, from 1 to the size of the training split. By default 32,
                or an eighth of a training split of less than 256, so that an epoch has 8 steps.
            lanes: Members side by side on each device, from 1 to 4096. By default 1 on a CPU, where
                the cores are the devices, and 64 elsewhere.
            devices: How many to use; all by default.
            seed: Of the data order, below 2**32; the order is the same for every member.

        Raises:
            ValueError: An argument outside its range.
        """
        check_seed(seed)
        self.batch_size = _batch_size(batch_size, len(data.train))
        self.mesh = population_mesh(devices)
        self.lanes = _lanes(lanes, self.mesh)
        self.programs = 0
        self.compile_seconds = 0.0
        self._data = data
        self._optimizer = optimizer.build()
        self._compiled: dict[tuple[Architecture, Layout], Programs] = {}
        self._slices = Slices()
        self._replicated = replicated(self.mesh)
        most = max(len(data.validation), len(data.test))
        self._seed, self._samples, self._splits = jax.device_put(
            (
                np.uint32(seed),
                Samples(data.train.inputs, data.train.labels),
                {
                    "validation": Batches.of(data.validation, most),
                    "test": Batches.of(data.test, most),
                },
            ),
            self._replicated,
        )

    def start(self, configurations: Sequence[Configuration], seeds: Sequence[int]) -> Population:
        """A population before its first epoch; compiles what it will need.

        Args:
            configurations: One per member; see `jaxrnn.configuration.ENTRIES`.
            seeds: One per member, from 0 to 2**32 - 1: first weights and dropout.

        Raises:
            ValueError: An unknown or bad entry, or not one seed per configuration.
        """
        if not configurations or len(configurations) != len(seeds):
            raise ValueError(
                f"`seeds` are {len(seeds)}, but must be one for each of the "
                f"{len(configurations)} configurations, of which there must be at least 1."
            )
        for one in seeds:
            check_seed(one)
        entries = tuple(map(configuration.complete, configurations))
        sizes = len(self._data.mean), len(self._data.classes)
        drafts = draft(entries, seeds, *sizes, self.mesh, self.lanes)
        self._compile(drafts)
        cohorts = (one.start(self._compiled[one.architecture, one.layout]) for one in drafts)
        return Population(entries, tuple(cohorts))

    def train(
        self, population: Population, epochs: int, tell: Callable[[float], None] = lambda _: None
    ) -> Population:
        """Train every member until it has seen `epochs` epochs in all, and wait for the end.

        Args:
            population: Consumed: its buffers become those of the one returned.
            epochs: As a total, counted from the start.
            tell: Called about every second with the share that is done, from 0 to 1.

        Raises:
            ValueError: `epochs` lies behind, or `population` was trained before.
        """
        if not isinstance(epochs, int) or epochs < population.epochs:
            raise ValueError(
                f"`epochs` is {epochs}, but must be a whole number of at least "
                f"{population.epochs}, the epochs seen."
            )
        # Running a compiled program on buffers that it was given before can end the process.
        if any(cohort.state.diverged.is_deleted() for cohort in population.cohorts):
            raise ValueError("`population` was trained before; go on with what `train` returned.")
        ahead = epochs - population.epochs
        if ahead == 0:
            return population
        numbers = jax.device_put((np.int32(population.epochs), np.int32(ahead)), self._replicated)
        cohorts = list(population.cohorts)
        waves = max(cohort.waves for cohort in cohorts)
        for first, last in self._slices(waves, ahead):
            for index, cohort in enumerate(cohorts):
                cohorts[index] = cohort.train(first, last, self._samples, self._seed, *numbers)
            jax.block_until_ready([cohort.state.loss for cohort in cohorts])
            tell(last / waves)
        return replace(population, cohorts=tuple(cohorts), epochs=epochs)

    def evaluate(self, population: Population, split: str = "validation") -> dict[str, np.ndarray]:
        """Metrics of every member on a split, NaN for those that diverged.

        Args:
            population: Left as it is.
            split: `validation`, or `test` for the winner, once.

        Returns:
            `loss` and `accuracy` on the split and `train_loss` of the last epoch, each
            `(population,)`.
        """
        if split not in self._splits:
            raise ValueError(f"`split` is {split!r}, but must be 'validation' or 'test'.")
        table = np.full((len(population), len(METRICS)), np.nan, np.float32)
        running = [cohort.evaluate(self._splits[split]) for cohort in population.cohorts]
        for cohort, metrics in zip(population.cohorts, running, strict=True):
            table[cohort.members] = cohort.of_members(metrics)
        return dict(zip(METRICS, table.T, strict=True))

    def select(self, population: Population, indices: Sequence[int]) -> Population:
        """The population of the members at `indices`, in that order, each going on where it is."""
        chosen = np.asarray(indices)
        whole = chosen.ndim == 1 and len(chosen) > 0 and chosen.dtype.kind in "iu"
        if not whole or chosen.min() < 0 or chosen.max() >= len(population):
            raise ValueError(
                f"`indices` are {chosen.tolist()}, but must be at least one whole number, each "
                f"from 0 to {len(population) - 1}."
            )
        left = (cohort.select(chosen) for cohort in population.cohorts)
        return Population(
            tuple(population.configurations[index] for index in chosen),
            tuple(cohort for cohort in left if cohort is not None),
            population.epochs,
        )

    def predictor(self, population: Population, index: int = 0) -> Predictor:
        """The member at `index` by itself, at its true width.

        Raises:
            ValueError: No such member.
        """
        for cohort in population.cohorts:
            if index in cohort.members:
                entries = population.configurations[index]
                sizes = len(self._data.mean), len(self._data.classes)
                padded = configuration.architecture(entries, *sizes)
                true = replace(padded, width=entries["hidden_size"])
                parameters = initial.trim(cohort.parameters(index), true.shapes())
                data = self._data
                return Predictor(entries, data.classes, data.mean, data.scale, parameters)
        raise ValueError(f"`index` is {index}, but must be from 0 to {len(population) - 1}.")

    def _compile(self, drafts: Sequence[Draft]) -> None:
        """Compile what is missing for the cohorts to come, side by side."""
        begin = time.perf_counter()
        keys = [(one.architecture, one.layout) for one in drafts]
        missing = [one for one, key in zip(drafts, keys, strict=True) if key not in self._compiled]

        def programs(one: Draft) -> Programs:
            member = Member(RecurrentNetwork(one.architecture), self._optimizer, self.batch_size)
            batches = self._splits["validation"]
            return compile_programs(member, one.layout, one.values, self._samples, batches)

        pool = ThreadPoolExecutor(cpu_cores())
        try:
            for one, compiled in zip(missing, pool.map(programs, missing), strict=True):
                self._compiled[one.architecture, one.layout] = compiled
        finally:  # on Ctrl-C, nobody waits for a compiler that can't be stopped
            pool.shutdown(wait=False, cancel_futures=True)
            self.compile_seconds += time.perf_counter() - begin
        self.programs += len(missing) * len(Programs._fields)


def _batch_size(asked: int | None, samples: int) -> int:
    size = max(1, min(32, samples // 8)) if asked is None else asked
    if not 1 <= size <= samples:
        raise ValueError(
            f"`batch_size` is {size}, but must be from 1 to {samples}, "
            "the size of the training split."
        )
    return size


def _lanes(asked: int | None, mesh: Mesh) -> int:
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    lanes = (1 if on_cpu else ACCELERATOR_LANES) if asked is None else asked
    if not 1 <= lanes <= MOST_LANES:
        raise ValueError(f"`lanes` is {lanes}, but must be from 1 to {MOST_LANES}.")
    return lanes
