"""One training run, with no population in sight: its start, its steps, an evaluation."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.growth import size_at
from jaxrnn.configuration.hyperparameters import PackedHyperparameters
from jaxrnn.network.architecture import STATES
from jaxrnn.network.network import NetworkCarry
from jaxrnn.network.packing import Packed
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import Evaluation
from jaxrnn.training.batches import Batches, Piece, Samples
from jaxrnn.training.early_stopping import ValidationTracker, uses_validation
from jaxrnn.training.epoch_metrics import NO_METRICS, EpochMetrics, MetricSums, PartialEpoch
from jaxrnn.training.step import EpochContext, Step, TrainState
from jaxrnn.types import AnyArray, Array


class MemberState(NamedTuple):
    """What a run carries from epoch to epoch.

    Attributes:
        train_state: Weights and optimizer.
        tracker: What validation taught; None where nobody in the cohort asks for it.
        metrics: Of the last epoch that it ran.
        epochs: `()` int32, how many it ran; fewer than its neighbours once it has stopped.
        partial_epoch: Within an epoch; None where an epoch is always one piece.
    """

    train_state: TrainState
    tracker: ValidationTracker | None
    metrics: EpochMetrics
    epochs: AnyArray
    partial_epoch: PartialEpoch | None


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

    def start(self, parameters: Packed, optimizer: str) -> MemberState:
        """A run before its first step, on the host and without `room`."""
        slots = self.step.update.init(optimizer, parameters)
        watching = self.step.architecture.uses.validation
        watch = ValidationTracker.over(parameters) if watching else None
        learner = TrainState(parameters, slots, np.bool_(False))
        return MemberState(learner, watch, NO_METRICS, np.int32(0), None)

    def room(self, train_state: TrainState) -> PartialEpoch | None:
        """Zeros where a run keeps its progress within an epoch, on the host.

        Between epochs they mean nothing; None where an epoch is always one piece.
        """
        if not self.in_pieces:
            return None
        fresh = jax.eval_shape(self._fresh, train_state)
        return jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), fresh)

    def train(
        self,
        packed: PackedHyperparameters,
        state: MemberState,
        due: Array,
        samples: Samples,
        validation: Batches,
        piece: Piece,
    ) -> MemberState:
        """The run a piece of an epoch later, or as it is where it has come to its end.

        Args:
            packed: The member's.
            state: The run so far.
            due: `()` bool, whether it takes part in this epoch; the same for all its pieces.
            samples: Of the training split, what the piece refers to.
            validation: The validation split.
            piece: The steps to take.
        """
        _, behind = piece.position(state.epochs)
        running = due & ~state.train_state.diverged & (behind < packed.hp.epochs)
        if state.tracker is not None:
            running &= ~state.tracker.stopped
        progress = self._fresh(state.train_state)._replace(running=running)
        if state.partial_epoch is not None:
            progress = jax.tree.map(
                lambda new, old: jnp.where(piece.first == 0, new, old),
                progress,
                state.partial_epoch,
            )
            state = state._replace(partial_epoch=progress)

        def run(_: Array, state: MemberState) -> MemberState:
            later, after = self._steps(packed, state, progress, samples, piece)
            if state.partial_epoch is None:
                return self._close(packed, later, after.sums, validation)
            return jax.lax.cond(
                piece.first + piece.used == piece.steps,
                lambda state: self._close(packed, state, after.sums, validation),
                lambda state: state,
                later._replace(partial_epoch=after),
            )

        # One turn or none. Under `vmap` a condition would run for lanes at rest alone, and give
        # each lane a copy of what all share: samples, and the lengths that decide what to skip.
        return jax.lax.fori_loop(0, progress.running.astype(jnp.int32), run, state)

    def evaluate(
        self, packed: PackedHyperparameters, state: MemberState, batches: Batches
    ) -> Array:
        """The task's metrics on the samples, then the training loss of the last epoch.

        `(metrics + 1,)`; NaN for a diverged run.
        """
        metrics = self._metrics(packed, parameters_of(packed, state), batches)
        metrics = jnp.append(metrics, state.metrics.train_loss)
        return jnp.where(state.train_state.diverged, jnp.nan, metrics)

    def _fresh(self, train_state: TrainState) -> PartialEpoch:
        """Before the first step of an epoch."""
        memory = self._memory(self.microbatch)
        return PartialEpoch(
            jnp.bool_(True), self.step.first(train_state), memory, MetricSums.zero()
        )

    def _memory(self, rows: int) -> NetworkCarry | None:
        """Where a text begins; None where nothing is carried on."""
        architecture = self.step.architecture
        if not architecture.spec.stateful:
            return None
        states = range(STATES[architecture.cell])
        layers = architecture.sizes.layers
        return tuple(tuple(jnp.zeros((rows, units)) for _ in states) for units in layers)

    def _steps(
        self,
        packed: PackedHyperparameters,
        state: MemberState,
        progress: PartialEpoch,
        samples: Samples,
        piece: Piece,
    ) -> tuple[MemberState, PartialEpoch]:
        """All steps of a piece."""
        numbers, (place, behind) = packed.hp, piece.position(state.epochs)
        batch = size_at(
            numbers.batch_size // self.microbatch,
            numbers.batch_growth,
            numbers.batch_growth_epochs,
            behind,
        )
        factor = jnp.float32(1) if state.tracker is None else state.tracker.factor
        epoch = EpochContext(behind, piece.steps, batch, factor)

        def one(
            k: Array, carried: tuple[TrainState, PartialEpoch]
        ) -> tuple[TrainState, PartialEpoch]:
            learner, progress = carried
            rows = piece.order[place, k]
            own = Samples(*(leaf[rows] for leaf in samples))
            learner, batch, memory, seen = self.step(
                packed, epoch, learner, progress.gradient_sum, own, piece.first + k, progress.carry
            )
            totals = progress.sums.after(seen)
            return learner, PartialEpoch(progress.running, batch, memory, totals)

        learner, progress = jax.lax.fori_loop(0, piece.used, one, (state.train_state, progress))
        return state._replace(train_state=learner), progress

    def _close(
        self,
        packed: PackedHyperparameters,
        state: MemberState,
        totals: MetricSums,
        validation: Batches,
    ) -> MemberState:
        """The run at the end of an epoch."""
        learner, watch, report = state.train_state, state.tracker, totals.metrics()
        if watch is not None:
            loss = self._metrics(packed, learner.parameters, validation)[0]
            loss = jnp.where(learner.diverged, jnp.nan, loss)
            watch = watch.after(packed.hp, loss, learner.parameters)
            asked = uses_validation(packed.hp)
            report = report._replace(validation_loss=jnp.where(asked, loss, jnp.nan))
        return MemberState(learner, watch, report, state.epochs + 1, state.partial_epoch)

    def _metrics(
        self, packed: PackedHyperparameters, parameters: Packed, batches: Batches
    ) -> Array:
        """The task's metrics over the samples."""
        task, (samples, weights, used) = self.step.task, batches
        network = self.step.network
        variables = {"params": self.step.update.packing.unpack(parameters)}
        memory = self._memory(weights.shape[1])

        def read(
            k: Array, carry: NetworkCarry | None
        ) -> tuple[AnyArray, AnyArray, NetworkCarry | None]:
            inputs, targets, lengths = (leaf[k] for leaf in samples)
            outputs = network.apply(variables, inputs, lengths, packed.hp, carry=carry)
            assert isinstance(outputs, Outputs)
            return task.sums(outputs, targets, weights[k]), task.per_sample(outputs), outputs.carry

        def add(k: Array, carried: tuple[AnyArray, AnyArray, NetworkCarry | None]) -> AnyArray:
            sums, kept, memory = carried
            more, new, memory = read(k, memory)
            kept = jax.tree.map(lambda rows, row: rows.at[k].set(row), kept, new)
            return jax.tree.map(jnp.add, sums, more), kept, memory

        sums, kept, _ = jax.eval_shape(read, jnp.int32(0), memory)
        room = jax.tree.map(lambda leaf: jnp.zeros((len(weights), *leaf.shape), leaf.dtype), kept)
        none = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), sums)
        sums, kept, _ = jax.lax.fori_loop(0, used, add, (none, room, memory))
        return task.metrics_from(Evaluation(sums, kept, samples.targets, samples.lengths, weights))


def parameters_of(packed: PackedHyperparameters, state: MemberState) -> Packed:
    """The parameters that evaluation and prediction see."""
    if state.tracker is None:
        return state.train_state.parameters
    return state.tracker.chosen(packed.hp, state.train_state.parameters)
