"""The program cache: the programs of each cohort are compiled once, in the background."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
from jax.sharding import Mesh
from jax.stages import Compiled

from jaxrnn.network.architecture import Architecture
from jaxrnn.network.packing import Packing
from jaxrnn.population.background import Background, Programs
from jaxrnn.population.cohort import MemberArrays
from jaxrnn.population.devices import enable_x64
from jaxrnn.population.input_pipeline import TrainingData
from jaxrnn.population.layout import Layout
from jaxrnn.population.options import Options, Precision
from jaxrnn.population.programs import compile_evaluate, compile_train
from jaxrnn.tasks.task import Task
from jaxrnn.training.batches import Batches, RaggedSamples, Segment
from jaxrnn.training.member import Member
from jaxrnn.training.step import Step
from jaxrnn.training.update import Update


class ProgramKey(NamedTuple):
    """The key of a cohort's programs, for one task and its data.

    Attributes:
        architecture: Architecture that the members share.
        layout: Layout of the members on the devices.
        options: Options of the programs.
    """

    architecture: Architecture
    layout: Layout
    options: Options


class Compiler:
    """The cache of the programs for one task and its data.

    Attributes:
        validation: An evaluation split as it lies on the devices.
        mesh: Devices that the programs run on.
        precision: Precision of matrix products.
    """

    def __init__(
        self,
        task: Task,
        training_data: TrainingData,
        validation: Batches,
        mesh: Mesh,
        precision: Precision,
    ) -> None:
        """Start with an empty cache; the arguments are those of the class and what it compiles for.

        Args:
            task: Task that the members learn.
            training_data: Training data on its way to the devices.
            validation: See the attributes.
            mesh: See the attributes.
            precision: See the attributes.
        """
        self.validation, self.mesh, self.precision = validation, mesh, precision
        self._task, self._training_data = task, training_data
        self._background = Background()
        self._examples: dict[int, tuple[RaggedSamples, Segment]] = {}
        self._members: dict[Architecture, Member] = {}
        self._cache: dict[ProgramKey, Programs] = {}
        self._candidates: dict[ProgramKey, Programs] = {}

    @property
    def programs(self) -> int:
        """Number of programs that are compiled, or will be soon."""
        return sum(programs.count for programs in self._cache.values())

    @property
    def seconds(self) -> float:
        """Seconds for which training waited for programs."""
        return self._background.seconds

    @property
    def keys(self) -> list[ProgramKey]:
        """Keys of all cohorts in the cache, in the order of their compilation."""
        return [*self._cache]

    def member(self, architecture: Architecture) -> Member:
        """Return the training run that the programs of an architecture are made of."""
        if architecture not in self._members:
            update = Update(architecture.optimizers, Packing(architecture.shapes()))
            step = Step(architecture, self._task, update)
            self._members[architecture] = Member(
                step, self._training_data.microbatch, self._training_data.streaming
            )
        return self._members[architecture]

    def example(self, layout: Layout) -> tuple[RaggedSamples, Batches, Segment]:
        """Return data of the shapes that members in `layout` read, to compile for."""
        window = layout.epoch_window
        if window not in self._examples:
            self._examples[window] = self._training_data.example(window)
        samples, segment = self._examples[window]
        return samples, self.validation, segment

    def compile(self, key: ProgramKey, member: MemberArrays) -> Programs:
        """Return the programs of a cohort, compiled in the background if they are not cached.

        Args:
            key: Key of the programs.
            member: Any member of the cohort; only shapes and types count.
        """
        return self._compile(key, member, self._cache)

    def compile_candidate(self, key: ProgramKey, member: MemberArrays) -> Programs:
        """Return programs to be timed; they join the cache if `keep_candidate` says so."""
        known = key in self._cache
        return self._compile(key, member, self._cache if known else self._candidates)

    def keep_candidate(self, key: ProgramKey) -> None:
        """Cache the programs of one candidate, if there are any, and drop all other candidates."""
        if key in self._candidates:
            self._cache[key] = self._candidates[key]
        self._candidates.clear()

    def cached(self, key: ProgramKey) -> Programs | None:
        """Return the programs of a cohort if they are cached; compile nothing."""
        return self._cache.get(key)

    def drop(self, outdated: Callable[[ProgramKey], bool]) -> None:
        """Remove from the cache the programs whose key is outdated."""
        self._cache = {key: both for key, both in self._cache.items() if not outdated(key)}

    def _compile(
        self, key: ProgramKey, member: MemberArrays, cache: dict[ProgramKey, Programs]
    ) -> Programs:
        if key not in cache or cache[key].cancelled:
            architecture, layout, options = key
            cohort = self.member(architecture), layout, options, *layout.shapes(member)
            train = partial(compile_train, *cohort, *self.example(layout))

            def evaluate(batches: Batches) -> Compiled:
                return self._with_precision(partial(compile_evaluate, *cohort, batches))

            both = partial(self._with_precision, train), evaluate
            cache[key] = Programs(self._background, *both, self.validation)
        return cache[key]

    def _with_precision(self, compile: partial[Compiled]) -> Compiled:
        # Whatever the process asks for: arrays of 32 bits, and products of the trainer's precision.
        with enable_x64(False), jax.default_matmul_precision(self.precision):
            return compile()
