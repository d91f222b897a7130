"""The trainer of mixed populations: init, to_device, train, evaluate, to_host."""

from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrnn.compile_cache import kept_beside
from jaxrnn.configuration import rules
from jaxrnn.configuration.rules import can_change
from jaxrnn.data.arrays import check_seed
from jaxrnn.data.dataset import Data
from jaxrnn.population import checkpoint
from jaxrnn.population.autotuner import Autotuner
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.devices import describe, population_mesh, replicated
from jaxrnn.population.input_pipeline import evaluation_splits, microbatch_of, training_data
from jaxrnn.population.lanes import LanePlan
from jaxrnn.population.loop import Loop, TimeSlices
from jaxrnn.population.memory_check import MemoryCheck
from jaxrnn.population.options import Options, Precision, check_precision, options_of
from jaxrnn.population.placement import Placement
from jaxrnn.population.planner import CohortPlanner, Group
from jaxrnn.population.population import Population
from jaxrnn.population.snapshot import Snapshot, forked, init
from jaxrnn.population.tuning_cache import TuningCache
from jaxrnn.predictor import Predictor
from jaxrnn.spaces import SPACES, SpaceContext
from jaxrnn.types import Configuration


class Trainer:
    """Trains populations of recurrent networks on one data set.

    Attributes:
        mesh: Devices, on the axis `population`.
        lanes: Members that may run side by side on each device.
        microbatch: Samples per step; batches are multiples of it.
        data: Data set.
        training_data: Training data on its way to the devices.
        compiler: Cache of the programs, which counts them and the seconds spent waiting for them.
        placement: Layouts of the cohorts on the devices.
    """

    def __init__(
        self,
        data: Data,
        *,
        microbatch: int | None = None,
        lanes: int | None = None,
        devices: int | None = None,
        memory_limit: float | None = None,
        seed: int = 0,
        precision: Precision = "highest",
        autotune: bool | Options = True,
    ) -> None:
        """Put `data` on the devices.

        Args:
            data: Data set; only its training split is trained on.
            microbatch: Samples per step, from 1 to the size of the training split. By default 32,
                or a lower power of two, so that an epoch has at least 8 steps; a stream's batch.
            lanes: Members side by side on each device, from 1 to 4096; fewer where memory is short.
                By default 1 on a CPU, where the cores are the devices, at most 128 on a TPU and 256
                on a GPU.
            devices: Number of devices to use; all by default.
            memory_limit: Limit in GiB of what this process may take of each accelerator, or of the
                machine if it trains on the CPU; above 0, by default all that is free.
            seed: Seed of the data order, below 2**32; the order is the same for every member.
            precision: Precision of matrix products: `highest` is float32 on every device; `high`
                and `default` are faster and less exact on accelerators (TF32 on GPUs; three passes
                of bfloat16 or one on TPUs).
            autotune: Whether to time two or three ways to compile where a cohort is large enough,
                on accelerators; or how to compile, with nothing timed.

        Raises:
            ValueError: An argument outside its range.
        """
        check_seed(seed)
        check_precision(precision)
        self.microbatch = microbatch_of(data.train, microbatch)
        self.mesh = population_mesh(devices)
        lane_plan = LanePlan(lanes, self.mesh)
        self.lanes, self.data, self._spec = lane_plan.most, data, data.spec
        put = partial(jax.device_put, device=replicated(self.mesh))
        self._splits = put(evaluation_splits(data))
        platform, time = self.mesh.devices.flat[0].platform, data.train.time
        options = options_of(autotune, platform, time)
        self.training_data = training_data(data, self.microbatch, seed, put, options.unroll == 1)
        self.compiler = Compiler(
            data.task, self.training_data, self._splits["validation"], self.mesh, precision
        )
        self.placement = self._placement(lane_plan, options, autotune is True)
        self._memory_check = MemoryCheck(self.placement, memory_limit)
        self._loop = Loop(
            self.training_data,
            self._splits["validation"],
            self._memory_check,
            Autotuner(self.placement, time),
            TimeSlices(),
        )
        self._planner = CohortPlanner(data, self.microbatch, self.mesh)

    def _placement(self, lanes: LanePlan, options: Options, tuned: bool) -> Placement:
        """Return the placement; an accelerator keeps what it chose where it is `tuned`."""
        platform = self.mesh.devices.flat[0].platform
        names = "jax", "jaxlib", "jaxrnn"  # the last one may lie in a folder, not installed
        versions = [part.version for name in names for part in distributions(name=name)]
        runtime = getattr(self.mesh.devices.flat[0].client, "platform_version", "")
        data = self.data.train.time, self.microbatch, self.compiler.precision
        context = describe(self.mesh), *data, versions, runtime
        folder = None if platform == "cpu" else kept_beside("autotuned")
        cache = TuningCache(repr(context), folder) if tuned else None
        return Placement(self.compiler, lanes, options, cache)

    def check(self, name: str, value: Any) -> None:
        """Accept one hyperparameter of a configuration.

        Raises:
            ValueError: An unknown name, a value outside its rule, or no sense for the task.
        """
        rules.check(name, value, self.microbatch, excluded=self._spec.excluded)

    def space(self, name: str, max_epochs: int) -> dict[str, Any]:
        """Return the space `name` of `jaxrnn.SPACES` for this data, as `search.Space` reads it."""
        time = self.data.train.time
        context = SpaceContext(self.data.task, time, self.microbatch, max_epochs)
        return {n: w for n, w in SPACES[name](context).items() if n not in self._spec.excluded}

    def plan_for(
        self,
        configurations: Sequence[Configuration],
        max_epochs: int,
        max_concurrent: int = 0,
        synchronous: bool = True,
    ) -> None:
        """Plan the cohorts of all that comes later, for configurations like these.

        From now on each configuration joins the expected cohort that covers it with the least
        arithmetic, or a cohort of its own.

        Args:
            configurations: Configurations like those to come, or these very ones.
            max_epochs: Most epochs that any member trains.
            max_concurrent: Most members that train together; 0 for as many as configurations.
            synchronous: Whether members that train together are always at the same epoch; others
                run side by side in programs that are a little slower.

        Raises:
            ValueError: Bad configurations, see `init`, or more members than memory holds.
        """
        examples = self._planner.plan_for(configurations, max_epochs)
        window = self.training_data.epoch_window(1 if synchronous else max_epochs)
        self.placement.reserve(max_concurrent, window)
        snapshots = self.init(examples, [0] * len(examples), max_epochs)
        self._memory_check.check(snapshots, max_concurrent or len(configurations))

    def plan(self, configurations: Sequence[Configuration], max_epochs: int) -> list[Group]:
        """Return the cohorts that `start` would make, without training or compiling anything."""
        return self._planner.groups(self._planner.complete(configurations, max_epochs), max_epochs)

    def init(
        self, configurations: Sequence[Configuration], seeds: Sequence[int], max_epochs: int = 100
    ) -> list[Snapshot]:
        """Return members before their first epoch, on the host.

        Args:
            configurations: Configurations of the members; see `jaxrnn.HYPERPARAMETERS`.
            seeds: Seeds of first weights and dropout, one per member, from 0 to 2**32 - 1.
            max_epochs: Most epochs that any member trains, at least 1; by default learning rate
                schedules run over them.

        Raises:
            ValueError: An unknown, bad or inactive hyperparameter, or not one seed per
                configuration.
        """
        return init(configurations, seeds, max_epochs, self._planner, self.compiler)

    def to_device(self, snapshots: Sequence[Snapshot]) -> Population:
        """Return the population of members, in order; programs are compiled in the background.

        Raises:
            ValueError: No snapshots, or their `max_epochs` differ.
        """
        return self.placement.to_device(snapshots)

    def to_host(
        self, population: Population, positions: Sequence[int] | None = None
    ) -> list[Snapshot]:
        """Return snapshots of the members at `positions`, by default of all; they can train on."""
        population.check()
        return population.to_host(range(len(population)) if positions is None else positions)

    def start(
        self, configurations: Sequence[Configuration], seeds: Sequence[int], max_epochs: int = 100
    ) -> Population:
        """Return a population before its first epoch: `to_device` of what `init` returns."""
        return self.to_device(self.init(configurations, seeds, max_epochs))

    def next_part(self, population: Population, positions: Sequence[int]) -> list[int]:
        """Return which members should train first, so that the first scores come early.

        Args:
            population: Population; the more of it has trained, the larger is the next part.
            positions: Positions of the members to choose from.
        """
        population.check()
        active = population.active(positions)
        return self._loop.next_part(population, active).tolist()

    def train(
        self,
        population: Population,
        epochs: int | Sequence[int],
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> Population:
        """Train every member until it has seen its `epochs` in all, and wait for the end.

        No bit of a member depends on other members, or on their epochs.

        Args:
            population: Population to train; its buffers become those of the one returned.
            epochs: Totals counted from the start, one for each member or one for all, at most
                `max_epochs` of the population.
            on_progress: Called about every second with the member-epochs trained since the last
                call; the increments sum up to what was asked for.

        Raises:
            ValueError: `epochs` lie behind or too far ahead, or `population` was trained before.
        """
        population.check()
        return self._loop(population, population.totals(epochs), on_progress)

    def evaluate(
        self,
        population: Population,
        split: str = "validation",
        positions: Sequence[int] | None = None,
    ) -> dict[str, np.ndarray]:
        """Return metrics of every member on a split, NaN for those that diverged.

        Args:
            population: Population, which stays as it is.
            split: Name of the split: `validation`, or `test` for the winner, once.
            positions: Positions of the members to evaluate, by default all; NaN for others.

        Returns:
            The task's metrics by name, and `train_loss` of the last epoch, each `(population,)`.
        """
        population.check()
        if split not in self._splits:
            raise ValueError(f"`split` is {split!r}, but must be 'validation' or 'test'.")
        names = *self.data.task.metrics, "train_loss"
        return population.evaluate(self._splits[split], population.active(positions), names)

    def select(self, population: Population, indices: Sequence[int]) -> Population:
        """Return the population of the members at `indices`, in that order; each goes on."""
        chosen = population.positions("indices", indices, least=1)
        return self.to_device(self.to_host(population, chosen.tolist()))

    def can_change(self, name: str) -> bool:
        """Return whether the hyperparameter `name` may change in the middle of training."""
        return can_change(name)

    def fork(self, snapshot: Snapshot, configuration: Configuration, seed: int) -> Snapshot:
        """Return a member that goes on from `snapshot` with another configuration and seed.

        Raises:
            ValueError: A bad configuration, see `init`, or one that differs from that of
                `snapshot` where it can't change, see `can_change`.
        """
        check_seed(seed)
        (complete,) = self._planner.complete([configuration], snapshot.max_epochs)
        return forked(snapshot, complete, seed, self.microbatch)

    def save(self, snapshots: Sequence[Snapshot], folder: str | Path) -> None:
        """Write snapshots into `folder`, a new one; all of them lie there when it returns."""
        checkpoint.save(snapshots, Path(folder))

    def restore(self, folder: str | Path) -> list[Snapshot]:
        """Return the snapshots that `save` wrote, to the bit, in order.

        Raises:
            ValueError: There are none, or they are damaged, or of other data.
        """
        return checkpoint.restore(Path(folder), self._spec, self._planner, self.compiler.member)

    def history(self, population: Population) -> dict[str, np.ndarray]:
        """Return training metrics by name, see `jaxrnn.training.epoch_metrics.EpochMetrics`.

        Losses and gradient norms (see where to clip) are among them, each `(epochs, population)`;
        NaN where a member did not train, after it stopped or diverged.
        """
        return population.history()

    def predictor(self, population: Population, index: int = 0) -> Predictor:
        """Return the predictor of the member at `index`, at its true width.

        Raises:
            ValueError: No such member.
        """
        population.check()
        parameters, configuration = population.parameters(index), population.configurations[index]
        return Predictor(configuration, self.data.task, self.data.encoder, parameters)
