"""One microbatch of a run: its loss, its gradients, and an update where a batch is complete."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxrnn.configuration.hyperparameters import Hyperparameters, Setting
from jaxrnn.network import tbptt
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.network import Memory, RecurrentNetwork
from jaxrnn.network.packing import Packed
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import Task
from jaxrnn.training.batches import Samples
from jaxrnn.training.schedule import learning_rate
from jaxrnn.training.update import Slots, Update
from jaxrnn.types import AnyArray, Array, Key, Parameters


class Learner(NamedTuple):
    """What every update changes.

    Attributes:
        parameters: Weights, padded to the architecture's sizes.
        slots: The optimizer's state.
        diverged: `()` bool; once set, weights and optimizer never change again.
    """

    parameters: Packed
    slots: Slots
    diverged: AnyArray


class Batch(NamedTuple):
    """The microbatches of an update so far.

    Attributes:
        gradients: Sums over the samples.
        weight: `()`, of their losses.
        begin: `()` int32, index in the epoch of the first microbatch.
    """

    gradients: Packed
    weight: Array
    begin: Array


class Epoch(NamedTuple):
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


class Seen(NamedTuple):
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

    def first(self, learner: Learner) -> Batch | None:
        """An empty batch; None where every microbatch is a batch."""
        if not self.architecture.uses.accumulation:
            return None
        zeros = jax.tree.map(jnp.zeros_like, learner.parameters)
        return Batch(zeros, jnp.float32(0), jnp.int32(0))

    def __call__(
        self,
        setting: Setting,
        epoch: Epoch,
        learner: Learner,
        batch: Batch | None,
        samples: Samples,
        index: Array,
        memory: Memory | None = None,
    ) -> tuple[Learner, Batch | None, Memory | None, Seen]:
        """The run one microbatch later; `index` `()` counts the steps of the epoch from 0.

        With the `memory` of the step before comes that of this one.

        A loss or an update that is not finite freezes the run as it was before.
        """
        key = jax.random.fold_in(jax.random.key(setting.seed), epoch.behind * epoch.steps + index)
        packing = self.update.packing
        (loss, (weight, memory)), gradients = jax.value_and_grad(self._loss, has_aux=True)(
            packing.unpack(learner.parameters), setting.numbers, samples, key, epoch.behind, memory
        )
        gradients = packing.pack(gradients)
        learner = learner._replace(diverged=learner.diverged | ~jnp.isfinite(loss))
        if batch is None:
            whole = Batch(gradients, weight, index)
            learner, norm, rate = self._updated(setting.numbers, epoch, learner, whole)
            updated = jnp.bool_(True)
        else:
            sums = jax.tree.map(jnp.add, batch.gradients, gradients)
            batch = Batch(sums, batch.weight + weight, batch.begin)
            complete = index + 1 - batch.begin >= epoch.batch
            updated = complete | (index + 1 == epoch.steps)
            learner, norm, rate = jax.lax.cond(
                updated,
                lambda learner, batch: self._updated(setting.numbers, epoch, learner, batch),
                lambda learner, _: (learner, jnp.float32(0), jnp.float32(0)),
                learner,
                batch,
            )
            batch = Batch(
                jax.tree.map(lambda leaf: jnp.where(updated, 0.0, leaf), batch.gradients),
                jnp.where(updated, 0.0, batch.weight),
                jnp.where(updated, index + 1, batch.begin),
            )
        loss = jnp.where(learner.diverged, jnp.nan, loss)
        return learner, batch, memory, Seen(loss, weight, updated, norm, rate)

    def _loss(
        self,
        parameters: Parameters,
        numbers: Hyperparameters,
        samples: Samples,
        key: Key,
        epoch: Array,
        memory: Memory | None = None,
    ) -> tuple[Array, tuple[Array, Memory | None]]:
        """Sum of the samples' losses, with gradients that stop where blocks begin.

        Also the weight of the losses, and the memory after the samples.
        """

        def apply(stops: Array | None) -> Outputs:
            x, lengths = jnp.asarray(samples.inputs), jnp.asarray(samples.lengths)
            given = x, lengths, numbers, key, stops, memory
            outputs = self.network.apply({"params": parameters}, *given)
            assert isinstance(outputs, Outputs)
            return outputs

        uses, time = self.architecture.uses, samples.inputs.shape[1]
        if not uses.blocks:
            outputs = apply(None)
        elif not uses.overlap:
            outputs = apply(tbptt.stops(numbers, epoch, time, 1)[0])
        else:
            streams = jax.vmap(apply)(tbptt.stops(numbers, epoch, time, 2))
            outputs = _merge(streams, tbptt.stream_of(numbers, epoch, time, 2))
        losses = self.task.losses(numbers, outputs, samples.targets)
        return losses.sums.sum(), (losses.weights.sum(), outputs.memory)

    def _updated(
        self, numbers: Hyperparameters, epoch: Epoch, learner: Learner, batch: Batch
    ) -> tuple[Learner, Array, Array]:
        """The learner after the update of a whole batch, with gradient norm and learning rate."""
        gradients = jax.tree.map(lambda leaf: leaf / batch.weight, batch.gradients)
        time = epoch.behind + batch.begin / epoch.steps
        rate = learning_rate(numbers, time, epoch.plateau)
        old = learner.parameters
        updates, slots = self.update(gradients, learner.slots, old, numbers, rate)
        diverged = learner.diverged | ~jnp.isfinite(optax.tree.norm(updates))
        parameters, slots = jax.tree.map(
            lambda new, old: jnp.where(diverged, old, new),
            (optax.apply_updates(old, updates), slots),
            (old, learner.slots),
        )
        return Learner(parameters, slots, diverged), optax.tree.norm(gradients), rate


def _merge(streams: Outputs, stream_of: Array) -> Outputs:
    """Of `(streams, batch, ...)` those that the losses take their gradients from."""
    lengths, last, every = streams.lengths[0], streams.last, streams.every
    if last is not None:
        at_end = stream_of[lengths - 1]  # (batch,)
        last = jnp.where((at_end == 0)[:, None], *last)
    if every is not None:
        every = jnp.where((stream_of == 0).reshape(1, -1, 1), *every)
    memory = jax.tree.map(lambda leaf: leaf[0], streams.memory)
    return Outputs(last, every, lengths, memory)
