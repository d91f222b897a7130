"""One microbatch of a run: its loss, its gradients, and an update where a batch is complete."""

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
from jaxrnn.training.schedule import learning_rate
from jaxrnn.training.update import Slots, Update
from jaxrnn.types import AnyArray, Array, Key, Parameters


class TrainState(NamedTuple):
    """What every update changes.

    Attributes:
        parameters: Weights, padded to the architecture's sizes.
        opt_state: The optimizer's state.
        diverged: `()` bool; once set, weights and optimizer never change again.
    """

    parameters: Packed
    opt_state: Slots
    diverged: AnyArray


class GradientSum(NamedTuple):
    """The microbatches of an update so far.

    Attributes:
        gradients: Sums over the samples.
        weight: `()`, of their losses.
        begin: `()` int32, index in the epoch of the first microbatch.
    """

    gradients: Packed
    weight: Array
    begin: Array


class EpochContext(NamedTuple):
    """What the steps of an epoch share.

    Attributes:
        behind: `()` int32, epochs before it.
        steps: `()` int32, microbatches in it.
        batch: `()` int32, microbatches of an update.
        plateau: `()`, factor of the learning rate.
    """

    behind: Array
    steps: Array
    batch: Array
    plateau: AnyArray


class StepInfo(NamedTuple):
    """What a step saw, each `()`.

    Attributes:
        loss: Sum over its samples; NaN once diverged.
        weight: Of their losses.
        updated: Whether it completed a batch.
        norm: Global norm of the batch's mean gradient.
        rate: Learning rate of the update.
    """

    loss: Array
    weight: Array
    updated: Array
    norm: Array
    rate: Array


@dataclass(frozen=True)
class Step:
    """The step: structure here, numbers in the calls.

    Attributes:
        architecture: What is compiled.
        task: What is learned.
        update: From gradients to parameters.
        unroll: Time steps in a turn of the loops over time.
    """

    architecture: Architecture
    task: Task
    update: Update
    unroll: int = 1

    @property
    def network(self) -> RecurrentNetwork:
        """What maps sequences to outputs."""
        return RecurrentNetwork(self.architecture, self.unroll)

    def first(self, train_state: TrainState) -> GradientSum | None:
        """An empty batch; None where every microbatch is a batch."""
        if not self.architecture.uses.accumulation:
            return None
        zeros = jax.tree.map(jnp.zeros_like, train_state.parameters)
        return GradientSum(zeros, jnp.float32(0), jnp.int32(0))

    def __call__(
        self,
        packed: PackedHyperparameters,
        epoch: EpochContext,
        train_state: TrainState,
        batch: GradientSum | None,
        samples: Samples,
        index: Array,
        carry: NetworkCarry | None = None,
    ) -> tuple[TrainState, GradientSum | None, NetworkCarry | None, StepInfo]:
        """The run one microbatch later; `index` `()` counts the steps of the epoch from 0.

        With the `carry` of the step before comes that of this one.

        A loss or an update that is not finite freezes the run as it was before.
        """
        key = jax.random.fold_in(jax.random.key(packed.seed), epoch.behind * epoch.steps + index)
        packing = self.update.packing
        (loss, (weight, carry)), gradients = jax.value_and_grad(self._loss, has_aux=True)(
            packing.unpack(train_state.parameters), packed.hp, samples, key, epoch.behind, carry
        )
        gradients = packing.pack(gradients)
        train_state = train_state._replace(diverged=train_state.diverged | ~jnp.isfinite(loss))
        if batch is None:
            whole = GradientSum(gradients, weight, index)
            train_state, norm, rate = self._updated(packed.hp, epoch, train_state, whole)
            updated = jnp.bool_(True)
        else:
            sums = jax.tree.map(jnp.add, batch.gradients, gradients)
            batch = GradientSum(sums, batch.weight + weight, batch.begin)
            complete = index + 1 - batch.begin >= epoch.batch
            updated = complete | (index + 1 == epoch.steps)
            train_state, norm, rate = jax.lax.cond(
                updated,
                lambda learner, batch: self._updated(packed.hp, epoch, learner, batch),
                lambda learner, _: (learner, jnp.float32(0), jnp.float32(0)),
                train_state,
                batch,
            )
            batch = GradientSum(
                jax.tree.map(lambda leaf: jnp.where(updated, 0.0, leaf), batch.gradients),
                jnp.where(updated, 0.0, batch.weight),
                jnp.where(updated, index + 1, batch.begin),
            )
        loss = jnp.where(train_state.diverged, jnp.nan, loss)
        return train_state, batch, carry, StepInfo(loss, weight, updated, norm, rate)

    def _loss(
        self,
        parameters: Parameters,
        hp: Hyperparameters,
        samples: Samples,
        key: Key,
        epoch: Array,
        carry: NetworkCarry | None = None,
    ) -> tuple[Array, tuple[Array, NetworkCarry | None]]:
        """Sum of the samples' losses, with gradients that stop where blocks begin.

        Also the weight of the losses, and the memory after the samples.
        """

        def apply(stops: Array | None) -> Outputs:
            x, lengths = jnp.asarray(samples.inputs), jnp.asarray(samples.lengths)
            given = x, lengths, hp, key, stops, carry
            outputs = self.network.apply({"params": parameters}, *given)
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
        """The learner after the update of a whole batch, with gradient norm and learning rate."""
        gradients = jax.tree.map(lambda leaf: leaf / batch.weight, batch.gradients)
        time = epoch.behind + batch.begin / epoch.steps
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
    """Of `(streams, batch, ...)` those that the losses take their gradients from."""
    lengths, last, every = streams.lengths[0], streams.last, streams.per_step
    if last is not None:
        at_end = stream_of[lengths - 1]  # (batch,)
        last = jnp.where((at_end == 0)[:, None], *last)
    if every is not None:
        every = jnp.where((stream_of == 0).reshape(1, -1, 1), *every)
    memory = jax.tree.map(lambda leaf: leaf[0], streams.carry)
    return Outputs(last, every, lengths, memory)
