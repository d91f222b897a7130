"""One training run, with no population in sight: its start, its steps, an evaluation."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.growth import grown
from jaxrnn.configuration.hyperparameters import Setting
from jaxrnn.network.architecture import STATES
from jaxrnn.network.network import Memory
from jaxrnn.network.packing import Packed
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import Scored
from jaxrnn.training.batches import Batches, Piece, Samples
from jaxrnn.training.early_stopping import Watch, watches
from jaxrnn.training.epoch_metrics import NOTHING, Progress, Report, Totals
from jaxrnn.training.step import Epoch, Learner, Step
from jaxrnn.types import AnyArray, Array


class State(NamedTuple):
    """What a run carries from epoch to epoch.

    Attributes:
        learner: Weights and optimizer.
        watch: What validation taught; None where nobody in the cohort asks for it.
        report: Of the last epoch that it ran.
        epochs: `()` int32, how many it ran; fewer than its neighbours once it has stopped.
        progress: Within an epoch; None where an epoch is always one piece.
    """

    learner: Learner
    watch: Watch | None
    report: Report
    epochs: AnyArray
    progress: Progress | None


@dataclass(frozen=True)
class Member:
    """The run itself: structure here, numbers in the calls.

    Attributes:
        step: What happens to a microbatch.
        microbatch: Samples in it.
        in_pieces: Whether an epoch comes in several pieces.
    """

    step: Step
    microbatch: int
    in_pieces: bool = False

    def unrolled(self, steps: int) -> "Member":
        """The same run with so many time steps in a turn of its loops over time."""
        return replace(self, step=replace(self.step, unroll=steps))

    def start(self, parameters: Packed, optimizer: str) -> State:
        """A run before its first step, on the host and without `room`."""
        slots = self.step.update.init(optimizer, parameters)
        watching = self.step.architecture.uses.validation
        watch = Watch.over(parameters) if watching else None
        learner = Learner(parameters, slots, np.bool_(False))
        return State(learner, watch, NOTHING, np.int32(0), None)

    def room(self, learner: Learner) -> Progress | None:
        """Zeros where a run keeps its progress within an epoch, on the host.

        Between epochs they mean nothing; None where an epoch is always one piece.
        """
        if not self.in_pieces:
            return None
        fresh = jax.eval_shape(self._fresh, learner)
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), fresh)

    def train(
        self,
        setting: Setting,
        state: State,
        due: Array,
        samples: Samples,
        validation: Batches,
        piece: Piece,
    ) -> State:
        """The run a piece of an epoch later, or as it is where it has come to its end.

        Args:
            setting: The member's.
            state: The run so far.
            due: `()` bool, whether it takes part in this epoch; the same for all its pieces.
            samples: Of the training split, what the piece refers to.
            validation: The validation split.
            piece: The steps to take.
        """
        _, behind = piece.at(state.epochs)
        running = due & ~state.learner.diverged & (behind < setting.numbers.epochs)
        if state.watch is not None:
            running &= ~state.watch.stopped
        progress = self._fresh(state.learner)._replace(running=running)
        if state.progress is not None:
            progress = jax.tree.map(
                lambda new, old: jnp.where(piece.first == 0, new, old), progress, state.progress
            )
            state = state._replace(progress=progress)

        def run(_: Array, state: State) -> State:
            later, after = self._steps(setting, state, progress, samples, piece)
            if state.progress is None:
                return self._close(setting, later, after.totals, validation)
            return jax.lax.cond(
                piece.first + piece.used == piece.steps,
                lambda state: self._close(setting, state, after.totals, validation),
                lambda state: state,
                later._replace(progress=after),
            )

        # One turn or none. Under `vmap` a condition would run for lanes at rest alone, and give
        # each lane a copy of what all share: samples, and the lengths that decide what to skip.
        return jax.lax.fori_loop(0, progress.running.astype(jnp.int32), run, state)

    def evaluate(self, setting: Setting, state: State, batches: Batches) -> Array:
        """The task's metrics on the samples, then the training loss of the last epoch.

        `(metrics + 1,)`; NaN for a diverged run.
        """
        metrics = self._metrics(setting, chosen(setting, state), batches)
        metrics = jnp.append(metrics, state.report.train_loss)
        return jnp.where(state.learner.diverged, jnp.nan, metrics)

    def _fresh(self, learner: Learner) -> Progress:
        """Before the first step of an epoch."""
        memory = self._memory(self.microbatch)
        return Progress(jnp.bool_(True), self.step.first(learner), memory, Totals.zero())

    def _memory(self, rows: int) -> Memory | None:
        """Where a text begins; None where nothing is carried on."""
        architecture = self.step.architecture
        if not architecture.problem.carries:
            return None
        states = range(STATES[architecture.cell])
        layers = architecture.sizes.layers
        return tuple(tuple(jnp.zeros((rows, units)) for _ in states) for units in layers)

    def _steps(
        self, setting: Setting, state: State, progress: Progress, samples: Samples, piece: Piece
    ) -> tuple[State, Progress]:
        """All steps of a piece."""
        numbers, (place, behind) = setting.numbers, piece.at(state.epochs)
        batch = grown(
            numbers.batch_size // self.microbatch,
            numbers.batch_growth,
            numbers.batch_growth_epochs,
            behind,
        )
        factor = jnp.float32(1) if state.watch is None else state.watch.factor
        epoch = Epoch(behind, piece.steps, batch, factor)

        def one(k: Array, carried: tuple[Learner, Progress]) -> tuple[Learner, Progress]:
            learner, progress = carried
            rows = piece.order[place, k]
            own = Samples(*(leaf[rows] for leaf in samples))
            learner, batch, memory, seen = self.step(
                setting, epoch, learner, progress.batch, own, piece.first + k, progress.memory
            )
            totals = progress.totals.after(seen)
            return learner, Progress(progress.running, batch, memory, totals)

        learner, progress = jax.lax.fori_loop(0, piece.used, one, (state.learner, progress))
        return state._replace(learner=learner), progress

    def _close(self, setting: Setting, state: State, totals: Totals, validation: Batches) -> State:
        """The run at the end of an epoch."""
        learner, watch, report = state.learner, state.watch, totals.report()
        if watch is not None:
            loss = self._metrics(setting, learner.parameters, validation)[0]
            loss = jnp.where(learner.diverged, jnp.nan, loss)
            watch = watch.after(setting.numbers, loss, learner.parameters)
            asked = watches(setting.numbers)
            report = report._replace(validation_loss=jnp.where(asked, loss, jnp.nan))
        return State(learner, watch, report, state.epochs + 1, state.progress)

    def _metrics(self, setting: Setting, parameters: Packed, batches: Batches) -> Array:
        """The task's metrics over the samples."""
        task, (samples, weights, used) = self.step.task, batches
        network = self.step.network
        variables = {"params": self.step.update.packing.unpack(parameters)}
        memory = self._memory(weights.shape[1])

        def read(k: Array, memory: Memory | None) -> tuple[AnyArray, AnyArray, Memory | None]:
            inputs, targets, lengths = (leaf[k] for leaf in samples)
            outputs = network.apply(variables, inputs, lengths, setting.numbers, memory=memory)
            assert isinstance(outputs, Outputs)
            return task.sums(outputs, targets, weights[k]), task.kept(outputs), outputs.memory

        def add(k: Array, carried: tuple[AnyArray, AnyArray, Memory | None]) -> AnyArray:
            sums, kept, memory = carried
            more, new, memory = read(k, memory)
            kept = jax.tree.map(lambda rows, row: rows.at[k].set(row), kept, new)
            return jax.tree.map(jnp.add, sums, more), kept, memory

        sums, kept, _ = jax.eval_shape(read, jnp.int32(0), memory)
        room = jax.tree.map(lambda leaf: jnp.zeros((len(weights), *leaf.shape), leaf.dtype), kept)
        none = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), sums)
        sums, kept, _ = jax.lax.fori_loop(0, used, add, (none, room, memory))
        return task.finish(Scored(sums, kept, samples.targets, samples.lengths, weights))


def chosen(setting: Setting, state: State) -> Packed:
    """The parameters that evaluation and prediction see."""
    if state.watch is None:
        return state.learner.parameters
    return state.watch.chosen(setting.numbers, state.learner.parameters)
