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
from jaxrnn.training.batches import Batches, RaggedSamples, Samples, Segment
from jaxrnn.training.early_stopping import ValidationTracker, uses_validation
from jaxrnn.training.epoch_metrics import NO_METRICS, EpochMetrics, StepInfo
from jaxrnn.training.partial_epoch import PartialEpoch
from jaxrnn.training.step import EpochContext, MicrobatchGradient, Step, TrainState
from jaxrnn.types import AnyArray, Array


class MemberState(NamedTuple):
    """The state that a run carries from epoch to epoch.

    Attributes:
        train_state: Weights and optimizer.
        tracker: State of early stopping and plateaus; None where no member of the cohort has any.
        metrics: Metrics of the last epoch that it trained.
        epochs: Epochs that it trained, `()` int32; fewer than its neighbours once it has stopped.
        partial_epoch: State within an epoch; None where an epoch is always one segment.
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
        step: Training step on a microbatch.
        microbatch: Samples of a step.
        streaming: Whether an epoch comes in several segments.
    """

    step: Step
    microbatch: int
    streaming: bool = False

    def unrolled(self, steps: int) -> "Member":
        """Return the same run with so many time steps in a turn of its loops over time."""
        return replace(self, step=replace(self.step, unroll=steps))

    def start(self, parameters: Packed, optimizer: str) -> MemberState:
        """Return a run before its first step, on the host and without a partial epoch."""
        slots = self.step.update.init(optimizer, parameters)
        tracked = self.step.architecture.uses.validation
        tracker = ValidationTracker.init(parameters) if tracked else None
        train_state = TrainState(parameters, slots, np.bool_(False))
        return MemberState(train_state, tracker, NO_METRICS, np.int32(0), None)

    def with_partial_epoch(self, state: MemberState) -> MemberState:
        """Return a state on the host with the zeros that streaming needs in it.

        Between epochs they mean nothing; without streaming there are none.
        """
        if not self.streaming:
            return state
        shapes = jax.eval_shape(self._epoch_start, state.train_state)
        zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)
        return state._replace(partial_epoch=zeros)

    def train(
        self,
        packed: PackedHyperparameters,
        state: MemberState,
        active: Array,
        samples: RaggedSamples,
        validation: Batches,
        segment: Segment,
    ) -> MemberState:
        """Return the run a segment later, or as it is where it has come to its end.

        Args:
            packed: Hyperparameters and seed of the member.
            state: State of the run.
            active: Whether it takes part in this epoch, `()` bool; the same for all its segments.
            samples: Samples that the segment refers to.
            validation: The validation split.
            segment: Steps to take.
        """
        _, epoch = segment.row_and_epoch(state.epochs)
        running = active & ~state.train_state.diverged & (epoch < packed.hp.epochs)
        if state.tracker is not None:
            running &= ~state.tracker.stopped
        partial_epoch = self._epoch_start(state.train_state)._replace(running=running)
        partial_epoch = partial_epoch.resumed(state.partial_epoch, segment.steps)
        if state.partial_epoch is not None:
            state = state._replace(partial_epoch=partial_epoch)

        def run(_: Array, state: MemberState) -> MemberState:
            state, after = self._steps(packed, state, partial_epoch, samples, segment)
            if state.partial_epoch is None:
                return self._epoch_end(packed, state, after.sums, validation)
            return jax.lax.cond(
                segment.steps.ends,
                lambda state: self._epoch_end(packed, state, after.sums, validation),
                lambda state: state,
                state._replace(partial_epoch=after),
            )

        # One turn or none. Under `vmap` a condition would run for lanes at rest alone, and give
        # each lane a copy of what all share: samples, and the lengths that decide what to skip.
        return jax.lax.fori_loop(0, partial_epoch.running.astype(jnp.int32), run, state)

    def evaluate(
        self, packed: PackedHyperparameters, state: MemberState, batches: Batches
    ) -> Array:
        """Return the task's metrics on the samples, then the training loss of the last epoch.

        `(metrics + 1,)`; NaN for a diverged run.
        """
        metrics = self._metrics(packed, parameters_of(packed, state), batches)
        metrics = jnp.append(metrics, state.metrics.train_loss)
        return jnp.where(state.train_state.diverged, jnp.nan, metrics)

    def _epoch_start(self, train_state: TrainState) -> PartialEpoch:
        carry = self._first_carry(self.microbatch)
        gradient_sum = self.step.no_gradients(train_state)
        return PartialEpoch(jnp.bool_(True), gradient_sum, carry, StepInfo.zero())

    def _first_carry(self, rows: int) -> NetworkCarry | None:
        """Return the state in which a text begins; None where nothing is carried on."""
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
        partial_epoch: PartialEpoch,
        samples: RaggedSamples,
        segment: Segment,
    ) -> tuple[MemberState, PartialEpoch]:
        """Take all steps of a segment."""
        hp, (row, epoch) = packed.hp, segment.row_and_epoch(state.epochs)
        batch = size_at(
            hp.batch_size // self.microbatch, hp.batch_growth, hp.batch_growth_epochs, epoch
        )
        factor = jnp.float32(1) if state.tracker is None else state.tracker.factor
        context = EpochContext(epoch, segment.steps.total, batch, factor)

        def step(
            k: Array, carried: tuple[TrainState, PartialEpoch]
        ) -> tuple[TrainState, PartialEpoch]:
            train_state, (running, gradient_sum, carry, sums) = carried
            index = segment.steps.first + k

            def gradient(microbatch: Samples) -> MicrobatchGradient:
                parameters = train_state.parameters
                return self.step.gradient(packed, context, parameters, microbatch, index, carry)

            found = samples.read(segment.order[row, k], segment.buckets[k], gradient)
            train_state, gradient_sum, info = self.step(
                packed, context, train_state, gradient_sum, found, index
            )
            return train_state, PartialEpoch(running, gradient_sum, found.carry, sums.plus(info))

        carried = state.train_state, partial_epoch
        train_state, partial_epoch = jax.lax.fori_loop(0, segment.steps.count, step, carried)
        return state._replace(train_state=train_state), partial_epoch

    def _epoch_end(
        self,
        packed: PackedHyperparameters,
        state: MemberState,
        sums: StepInfo,
        validation: Batches,
    ) -> MemberState:
        train_state, tracker, metrics = state.train_state, state.tracker, sums.metrics()
        if tracker is not None:
            loss = self._metrics(packed, train_state.parameters, validation)[0]
            loss = jnp.where(train_state.diverged, jnp.nan, loss)
            tracker = tracker.update(packed.hp, loss, train_state.parameters)
            reported = jnp.where(uses_validation(packed.hp), loss, jnp.nan)
            metrics = metrics._replace(validation_loss=reported)
        return MemberState(train_state, tracker, metrics, state.epochs + 1, state.partial_epoch)

    def _metrics(
        self, packed: PackedHyperparameters, parameters: Packed, batches: Batches
    ) -> Array:
        """Return the task's metrics over the samples."""
        task, network, weights = self.step.task, self.step.network, batches.weights
        variables = {"params": self.step.update.packing.unpack(parameters)}
        carry = self._first_carry(weights.shape[1])

        def read(
            k: Array, carry: NetworkCarry | None
        ) -> tuple[AnyArray, AnyArray, NetworkCarry | None]:
            def score(samples: Samples) -> tuple[AnyArray, AnyArray, NetworkCarry | None]:
                inputs, targets, lengths = samples
                outputs = network.apply(variables, inputs, lengths, packed.hp, carry=carry)
                assert isinstance(outputs, Outputs)
                sums = task.sums(outputs, targets, weights[k])
                return sums, task.per_sample(outputs), outputs.carry

            return batches.samples.read(batches.rows[k], batches.buckets[k], score)

        def add(k: Array, carried: tuple[AnyArray, AnyArray, NetworkCarry | None]) -> AnyArray:
            sums, per_sample, carry = carried
            more, row, carry = read(k, carry)
            per_sample = jax.tree.map(lambda rows, row: rows.at[k].set(row), per_sample, row)
            return jax.tree.map(jnp.add, sums, more), per_sample, carry

        def zeros(leaf: jax.ShapeDtypeStruct, *axes: int) -> Array:
            return jnp.zeros((*axes, *leaf.shape), leaf.dtype)

        sums, per_sample, _ = jax.eval_shape(read, jnp.int32(0), carry)
        per_sample = jax.tree.map(lambda leaf: zeros(leaf, len(weights)), per_sample)
        sums = jax.tree.map(zeros, sums)
        sums, per_sample, _ = jax.lax.fori_loop(0, batches.used, add, (sums, per_sample, carry))
        return task.metrics_from(
            Evaluation(sums, per_sample, *batches.targets_and_lengths, weights)
        )


def parameters_of(packed: PackedHyperparameters, state: MemberState) -> Packed:
    """Return the parameters that evaluation and prediction see."""
    if state.tracker is None:
        return state.train_state.parameters
    return state.tracker.best_parameters(packed.hp, state.train_state.parameters)
