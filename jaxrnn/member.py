"""One training run, with no population in sight: start, train by epochs, evaluate."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn import classification as task
from jaxrnn import optimizer as optimizers
from jaxrnn.data import Split
from jaxrnn.network import RecurrentNetwork
from jaxrnn.optimizer import Hyperparameters
from jaxrnn.types import AnyArray, Array, Key, Parameters

EVALUATION_BATCH = 512
METRICS = (*task.METRICS, "train_loss")
"""What `Member.evaluate` tells: the task's metrics, and the training loss of the last epoch."""


class State(NamedTuple):
    """What a run carries from step to step.

    Attributes:
        parameters: Weights, padded to the architecture's width.
        optimizer: Optax's state; the member's learning rate, decay and clipping live in it.
        dropout: `()`, probability in [0, 1).
        key: Root of the dropout draws; step k uses `fold_in(key, k)`.
        loss: `()`, mean training loss of the last epoch; NaN before the first.
        diverged: `()` bool; once set, weights and optimizer never change again.
    """

    parameters: Parameters
    optimizer: optax.OptState
    dropout: Array
    key: Key
    loss: Array
    diverged: Array


class Samples(NamedTuple):
    """Training data on the device: inputs `(samples, time, features)`, labels `(samples,)`."""

    inputs: AnyArray
    labels: AnyArray


class Batches(NamedTuple):
    """Evaluation data on the device, padded to whole batches.

    Attributes:
        inputs: `(batches, batch, time, features)`.
        labels: `(batches, batch)`.
        weights: `(batches, batch)`, 1 for a sample and 0 for padding.
        used: `()` int32, how many batches hold samples; the others are never looked at.
    """

    inputs: AnyArray
    labels: AnyArray
    weights: AnyArray
    used: AnyArray

    @classmethod
    def of(cls, split: Split, most: int) -> "Batches":
        """A split in the shapes of one with `most` samples, so that both fit one program."""
        count = -(-most // EVALUATION_BATCH)
        size = -(-most // count)

        def fill(values: np.ndarray) -> np.ndarray:
            padding = [(0, count * size - len(values))] + [(0, 0)] * (values.ndim - 1)
            return np.pad(values, padding).reshape(count, size, *values.shape[1:])

        weights = np.ones(len(split), np.float32)
        used = np.asarray(-(-len(split) // size), np.int32)
        return cls(fill(split.inputs), fill(split.labels), fill(weights), used)


def epoch_order(seed: Array | int, epoch: Array | int, samples: int, batch_size: int) -> Array:
    """Sample indices of one epoch, `(steps, batch)`: a new permutation for every epoch.

    The incomplete batch at its end is left out; the next epoch's permutation is another one.
    """
    steps = samples // batch_size
    key = jax.random.fold_in(jax.random.key(seed), epoch)
    return jax.random.permutation(key, samples)[: steps * batch_size].reshape(steps, batch_size)


@dataclass(frozen=True)
class Member:
    """The run itself: structure here, numbers in the calls.

    Attributes:
        network: The Linen module.
        optimizer: Optax transformation with injectable hyperparameters outermost.
        batch_size: Samples per step.
    """

    network: RecurrentNetwork
    optimizer: optax.GradientTransformation
    batch_size: int

    def start(self, parameters: Parameters, numbers: Hyperparameters, seed: Array) -> State:
        """A run before its first step; `seed` `()` uint32 is the trial's."""
        return State(
            parameters=parameters,
            optimizer=optimizers.inject(self.optimizer.init(parameters), numbers),
            dropout=jnp.asarray(numbers.dropout),
            key=jax.random.key(seed),
            loss=jnp.float32(jnp.nan),
            diverged=jnp.zeros((), bool),
        )

    def train(
        self, state: State, samples: Samples, seed: Array, behind: Array, ahead: Array
    ) -> State:
        """Run `ahead` more epochs after `behind` have been seen.

        Args:
            state: The run so far.
            samples: The training split.
            seed: `()` uint32 of the data order, which does not depend on the member.
            behind: `()` int32, epochs seen.
            ahead: `()` int32, epochs to run now.
        """

        def one_epoch(done: Array, state: State) -> State:
            epoch = behind + done
            order = epoch_order(seed, epoch, len(samples.labels), self.batch_size)
            counts = epoch * len(order) + jnp.arange(len(order))

            def one_step(state: State, scanned: tuple[Array, Array]) -> tuple[State, Array]:
                indices, count = scanned
                return self.step(state, samples.inputs[indices], samples.labels[indices], count)

            state, losses = jax.lax.scan(one_step, state, (order, counts))
            return state._replace(loss=losses.mean())

        return jax.lax.fori_loop(0, ahead, one_epoch, state)

    def step(self, state: State, inputs: Array, labels: Array, count: Array) -> tuple[State, Array]:
        """One optimizer step on a batch; `count` `()` numbers the steps of the run from 0.

        A loss or an update that is not finite freezes the run as it was before the step.
        """

        def mean_loss(parameters: Parameters) -> Array:
            key = jax.random.fold_in(state.key, count)
            logits = self.network.apply({"params": parameters}, inputs, state.dropout, key)
            assert isinstance(logits, jax.Array)
            return task.loss(logits, labels).mean()

        loss, gradients = jax.value_and_grad(mean_loss)(state.parameters)
        updates, optimizer = self.optimizer.update(gradients, state.optimizer, state.parameters)
        parameters = optax.apply_updates(state.parameters, updates)
        healthy = jnp.isfinite(loss) & jnp.isfinite(optax.tree.norm(updates)) & ~state.diverged
        parameters, optimizer = jax.tree.map(
            lambda new, old: jnp.where(healthy, new, old),
            (parameters, optimizer),
            (state.parameters, state.optimizer),
        )
        state = state._replace(parameters=parameters, optimizer=optimizer, diverged=~healthy)
        return state, jnp.where(healthy, loss, jnp.nan)

    def evaluate(self, state: State, batches: Batches) -> Array:
        """Every one of `METRICS` on the samples, `(metrics,)`; NaN for a diverged run."""

        def add(k: Array, sums: Array) -> Array:
            logits = self.network.apply({"params": state.parameters}, batches.inputs[k])
            assert isinstance(logits, jax.Array)
            return sums + task.metric_sums(logits, batches.labels[k], batches.weights[k])

        zeros = jnp.zeros(len(task.METRICS), jnp.float32)
        sums = jax.lax.fori_loop(0, batches.used, add, zeros)
        metrics = jnp.append(sums / batches.weights.sum(), state.loss)
        return jnp.where(state.diverged, jnp.nan, metrics)
