"""One training step: loss and gradients of a microbatch, and an update where a batch ends."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrnn.configuration.hyperparameters import Hyperparameters, PackedHyperparameters
from jaxrnn.network import tbptt
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.network import NetworkCarry, RecurrentNetwork
from jaxrnn.network.packing import Packed
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import Task
from jaxrnn.training.batches import Samples
from jaxrnn.training.epoch_metrics import StepInfo
from jaxrnn.training.partial_epoch import GradientSum
from jaxrnn.training.schedule import learning_rate
from jaxrnn.training.update import Slots, Update
from jaxrnn.types import AnyArray, Array, Key, Parameters


class TrainState(NamedTuple):
    """Weights and optimizer, which every update changes.

    Attributes:
        parameters: Weights, padded to the architecture's sizes.
        opt_state: State of the optimizer.
        diverged: Whether training diverged, `()` bool; weights and optimizer never change then.
    """

    parameters: Packed
    opt_state: Slots
    diverged: AnyArray


class EpochContext(NamedTuple):
    """Numbers that the steps of an epoch share, each `()`.

    Attributes:
        number: Number of the epoch, from 0, int32.
        steps: Microbatches of the epoch, int32.
        batch: Microbatches of an update, int32.
        plateau: Factor of the learning rate by the plateau schedule.
    """

    number: Array
    steps: Array
    batch: Array
    plateau: AnyArray


class MicrobatchGradient(NamedTuple):
    """Gradient of the loss of one microbatch.

    Attributes:
        loss: Sum of the samples' losses, `()`.
        weight: Sum of the weights of these losses, `()`.
        gradient: Gradient of the sum of the losses.
        carry: Recurrent state after the step, where a text goes on; else None.
    """

    loss: Array
    weight: Array
    gradient: Packed
    carry: NetworkCarry | None


@dataclass(frozen=True)
class Step:
    """The step: structure here, numbers in the calls.

    Attributes:
        architecture: Architecture that is compiled.
        task: Task that is learned.
        update: Update from gradients to parameters.
        unroll: Time steps in a turn of the loops over time.
    """

    architecture: Architecture
    task: Task
    update: Update
    unroll: int = 1

    @property
    def network(self) -> RecurrentNetwork:
        """Network that maps sequences to outputs."""
        return RecurrentNetwork(self.architecture, self.unroll)

    def no_gradients(self, train_state: TrainState) -> GradientSum | None:
        """Return the sum before the first microbatch; None where every microbatch is a batch."""
        if not self.architecture.uses.accumulation:
            return None
        zeros = jax.tree.map(jnp.zeros_like, train_state.parameters)
        return GradientSum(zeros, jnp.float32(0), jnp.int32(0))

    def gradient(
        self,
        packed: PackedHyperparameters,
        epoch: EpochContext,
        parameters: Packed,
        samples: Samples,
        index: Array,
        carry: NetworkCarry | None = None,
    ) -> MicrobatchGradient:
        """Return the gradient of one microbatch.

        Args:
            packed: Hyperparameters and seed of the member.
            epoch: Epoch that the step belongs to.
            parameters: Weights.
            samples: The microbatch.
            index: Index of the step in the epoch, `()` int32.
            carry: Recurrent state after the step before, where a text goes on.
        """
        key = jax.random.fold_in(jax.random.key(packed.seed), epoch.number * epoch.steps + index)
        packing = self.update.packing
        (loss, (weight, carry)), gradients = jax.value_and_grad(self._loss, has_aux=True)(
            packing.unpack(parameters), packed.hp, samples, key, epoch.number, carry
        )
        return MicrobatchGradient(loss, weight, packing.pack(gradients), carry)

    def __call__(
        self,
        packed: PackedHyperparameters,
        epoch: EpochContext,
        train_state: TrainState,
        gradient_sum: GradientSum | None,
        microbatch: MicrobatchGradient,
        index: Array,
    ) -> tuple[TrainState, GradientSum | None, StepInfo]:
        """Train on one microbatch, whose gradient `gradient` returned.

        A loss or an update that is not finite freezes the run as it was before.

        Args:
            packed: Hyperparameters and seed of the member.
            epoch: Epoch that the step belongs to.
            train_state: Weights and optimizer.
            gradient_sum: Microbatches of the update so far.
            microbatch: Gradient of the microbatch.
            index: Index of the step in the epoch, `()` int32.

        Returns:
            Weights and optimizer and the sum after the step, and what it saw.
        """
        loss, weight, gradients, _ = microbatch
        train_state = train_state._replace(diverged=train_state.diverged | ~jnp.isfinite(loss))
        if gradient_sum is None:
            batch, updated = GradientSum(gradients, weight, index), jnp.bool_(True)
            train_state, norm, rate = self._updated(packed.hp, epoch, train_state, batch)
        else:
            sums = jax.tree.map(jnp.add, gradient_sum.gradients, gradients)
            batch = GradientSum(sums, gradient_sum.weight + weight, gradient_sum.begin)
            complete = index + 1 - batch.begin >= epoch.batch
            updated = complete | (index + 1 == epoch.steps)
            train_state, norm, rate = jax.lax.cond(
                updated,
                lambda train_state, batch: self._updated(packed.hp, epoch, train_state, batch),
                lambda train_state, _: (train_state, jnp.float32(0), jnp.float32(0)),
                train_state,
                batch,
            )
            gradient_sum = batch.emptied(updated, index + 1)
        loss = jnp.where(train_state.diverged, jnp.nan, loss)
        norm = jnp.where(updated, norm, 0.0)
        return train_state, gradient_sum, StepInfo(loss, weight, norm, norm, updated, rate)

    def _loss(
        self,
        parameters: Parameters,
        hp: Hyperparameters,
        samples: Samples,
        key: Key,
        epoch: Array,
        carry: NetworkCarry | None = None,
    ) -> tuple[Array, tuple[Array, NetworkCarry | None]]:
        """Return the sum of the samples' losses, with gradients that stop where blocks begin.

        Also returns the weight of the losses, and the carry after the samples.
        """

        def apply(stops: Array | None) -> Outputs:
            x, lengths = jnp.asarray(samples.inputs), jnp.asarray(samples.lengths)
            outputs = self.network.apply({"params": parameters}, x, lengths, hp, key, stops, carry)
            assert isinstance(outputs, Outputs)
            return outputs

        uses, time = self.architecture.uses, samples.inputs.shape[1]
        if not uses.tbptt:
            outputs = apply(None)
        elif not uses.tbptt_overlap:
            outputs = apply(tbptt.stop_gradient_at(hp, epoch, time, 1)[0])
        else:
            streams = jax.vmap(apply)(tbptt.stop_gradient_at(hp, epoch, time, 2))
            outputs = _merge(streams, tbptt.stream_of(hp, epoch, time, 2))
        losses = self.task.losses(hp, outputs, samples.targets)
        return losses.sums.sum(), (losses.weights.sum(), outputs.carry)

    def _updated(
        self, hp: Hyperparameters, epoch: EpochContext, train_state: TrainState, batch: GradientSum
    ) -> tuple[TrainState, Array, Array]:
        """Return the train state after an update, the gradient norm, and the learning rate."""
        gradients = jax.tree.map(lambda leaf: leaf / batch.weight, batch.gradients)
        time = epoch.number + batch.begin / epoch.steps
        rate = learning_rate(hp, time, epoch.plateau)
        old = train_state.parameters
        updates, slots = self.update(gradients, train_state.opt_state, old, hp, rate)
        diverged = train_state.diverged | ~jnp.isfinite(optax.tree.norm(updates))
        parameters, slots = jax.tree.map(
            lambda new, old: jnp.where(diverged, old, new),
            (optax.apply_updates(old, updates), slots),
            (old, train_state.opt_state),
        )
        return TrainState(parameters, slots, diverged), optax.tree.norm(gradients), rate


def _merge(streams: Outputs, stream_of: Array) -> Outputs:
    """Select from `(streams, batch, ...)` the outputs that the losses take gradients from."""
    lengths, last, per_step = streams.lengths[0], streams.last, streams.per_step
    if last is not None:
        at_end = stream_of[lengths - 1]  # (batch,)
        last = jnp.where((at_end == 0)[:, None], *last)
    if per_step is not None:
        per_step = jnp.where((stream_of == 0).reshape(1, -1, 1), *per_step)
    carry = jax.tree.map(lambda leaf: leaf[0], streams.carry)
    return Outputs(last, per_step, lengths, carry)
