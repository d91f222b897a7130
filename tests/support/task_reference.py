"""One run of one configuration on any task, as a plain loop beside reference.py.

Losses, windows, embeddings and the state of a text written out; cells and Optax's optimizers as
there. At the true width: no padding, no lanes, no chunks. Nothing here is random.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from support import reference

from jaxrnn.data.split import Split
from jaxrnn.tasks.task import Task

Tree = dict[str, Any]
ABSENT: Tree = {
    "bidirectional": False,
    "learned_start": False,
    "label_smoothing": 0.0,
    "target_replication": 0.0,
    "window_norm": False,
    "output_activation": "tanh",
}
"""What tasks leave out of configurations, as if it were there and did nothing."""


class Samples(NamedTuple):
    """As those of the package."""

    inputs: Any
    targets: Any
    lengths: Any


class Answers(NamedTuple):
    """After the last true step, `(batch, outputs)`, and after each, `(batch, time, outputs)`."""

    last: jax.Array
    every: jax.Array


def answers(
    c: Tree, task: Any, parameters: Tree, samples: Samples, states: Tree | None, block: int = 0
) -> tuple[Answers, Tree]:
    """What the network says, and where its layers are then; gradients stop at every block."""
    x, lengths = jnp.asarray(samples.inputs), jnp.asarray(samples.lengths)
    if x.ndim == 2:
        x = jnp.stack([parameters["embedding"]["embedding"][row] for row in x])
    end, spread = x[:, -1], jnp.sqrt(x.var(1) + 1e-4)  # windows are all of one length
    if c["window_norm"]:
        x = (x - end[:, None]) / spread[:, None]
    x = reference.dense(c, parameters, x, "dense_before")
    states, y = states or reference.start(c, parameters, len(x)), []
    for begin in range(0, x.shape[1], block or x.shape[1]):
        states = jax.lax.stop_gradient(states) if begin else states
        at = slice(begin, begin + (block or x.shape[1]))
        here, states = reference.stack(c, parameters, x, lengths, {}, states, at)
        y.append(here)
    y = jnp.concatenate(y, 1)
    last = reference.read_out(c, parameters, reference.last(c, y, lengths), None)
    if c["window_norm"]:
        steps = last.reshape(len(x), task.horizon, -1)
        index = jnp.array(task.features)
        last = (steps * spread[:, None, index] + end[:, None, index]).reshape(last.shape)
    return Answers(last, reference.read_out(c, parameters, y, None)), states


# Losses


def class_loss(logits: jax.Array, targets: jax.Array, smoothing: float = 0.0) -> jax.Array:
    log_p = logits - jnp.log(jnp.exp(logits).sum(-1, keepdims=True))
    right = jnp.take_along_axis(log_p, targets[..., None], -1)[..., 0]
    return -((1 - smoothing) * right + smoothing * log_p.mean(-1))


def label_loss(logits: jax.Array, targets: jax.Array) -> jax.Array:
    p = 1 / (1 + jnp.exp(-logits))
    return -(targets * jnp.log(p) + (1 - targets) * jnp.log(1 - p)).sum(-1)


def square(values: jax.Array, targets: jax.Array) -> jax.Array:
    return ((values - targets) ** 2).mean(-1)


def losses(
    c: Tree, task: Task, outputs: Answers, targets: jax.Array, lengths: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Of every sequence, and what it counts."""
    classes = task.name in ("classification", "labelling", "language")
    loss: Any = partial(class_loss, smoothing=c["label_smoothing"]) if classes else square
    loss = label_loss if task.name == "next_step" else loss
    true = jnp.arange(outputs.every.shape[1])[None] < lengths[:, None]
    if task.per_step:
        return (loss(outputs.every, targets) * true).sum(1), lengths
    if task.name == "forecasting":
        targets = targets.reshape(len(targets), -1)
    at_end, share = loss(outputs.last, targets), c["target_replication"]
    repeated = jnp.stack([targets] * outputs.every.shape[1], 1)
    mean = (loss(outputs.every, repeated) * true).sum(1) / lengths if share else at_end
    return (1 - share) * at_end + share * mean, jnp.ones(len(lengths))


# Training


class Run(NamedTuple):
    """Training losses and greatest gradient norms of the epochs, and weights at the end."""

    train_loss: list[float]
    norms: list[float]
    parameters: Tree


def update(c: Tree, task: Task) -> Any:
    """From parameters, microbatches and states to what follows, and sums of loss and weight."""
    before = optax.chain(
        optax.add_decayed_weights(c["l2"], mask=reference.kernels),
        optax.clip(c["clip_value"]),
        optax.clip_by_global_norm(c["clip_norm"]),
    )

    def loss(parameters: Tree, parts: list[Samples], states: Tree | None) -> Any:
        total, weight = jnp.zeros(()), jnp.zeros(())
        for part in parts:
            block = c.get("tbptt_length", 0)
            outputs, states = answers(c, task, parameters, part, states, block)
            sums, weights = losses(c, task, outputs, part.targets, part.lengths)
            total, weight = total + sums.sum(), weight + weights.sum()
            states = jax.lax.stop_gradient(states) if task.stateful else None
        return total / weight, (states, total, weight)

    @jax.jit
    def step(
        parameters: Tree, kept: Any, rate: float, parts: list[Samples], states: Tree | None
    ) -> Any:
        (_, seen), gradient = jax.value_and_grad(loss, has_aux=True)(parameters, parts, states)
        clipped, _ = before.update(gradient, before.init(parameters), parameters)
        changes, kept = reference.optimizer(c, rate).update(clipped, kept, parameters)
        return optax.apply_updates(parameters, changes), kept, seen, optax.tree.norm(gradient)

    return step


def order(
    task: Task, lengths: np.ndarray, seed: int, epoch: int, size: int, boundaries: Sequence[int]
) -> np.ndarray:
    """Rows of every microbatch: of a text, row r of all of them is the r-th part of it."""
    if not task.stateful:
        return reference.epoch_order(lengths, seed, epoch, size, boundaries)
    steps = len(lengths) // size
    return np.array([[row * steps + step for row in range(size)] for step in range(steps)])


def train(
    entries: Tree,
    task: Task,
    first: Tree,
    split: Split,
    *,
    order_seed: int,
    epochs: int,
    microbatch: int,
    boundaries: Sequence[int],
) -> Run:
    c, step = ABSENT | {"crop_length": 0} | entries, update(ABSENT | entries, task)
    parameters = jax.tree.map(jnp.asarray, first)
    kept, curve, largest = reference.optimizer(c, 0.0).init(parameters), [], []
    rate_at = reference.schedule(c, epochs)
    for epoch in range(epochs):
        rows = order(task, split.lengths, order_seed, epoch, microbatch, boundaries)
        states = reference.start(c, parameters, microbatch) if task.stateful else None
        totals, norms = np.zeros(2), []
        for batch in reference.batches(c, epoch, len(rows), microbatch):
            parts = [Samples(*(a[rows[k]] for a in vars(split).values())) for k in batch]
            rate = rate_at(epoch + batch[0] / len(rows))
            parameters, kept, seen, norm = step(parameters, kept, rate, parts, states)
            states, *sums = seen
            totals += np.array(sums)
            norms.append(float(norm))
        curve.append(totals[0] / totals[1])
        largest.append(max(norms))
    return Run(curve, largest, jax.tree.map(np.asarray, parameters))


# Evaluation


def reader(entries: Tree, task: Task, parameters: Tree) -> Callable[[Split, int], Answers]:
    """Answers for a split; a text is read in stretches of so many blocks, one block at a time."""
    c = ABSENT | entries
    run = jax.jit(partial(answers, c, task))

    def read(split: Split, stretch: int) -> Answers:
        if not task.stateful:
            return run(parameters, Samples(*vars(split).values()), None)[0]
        found, states = [], None
        for k in range(len(split)):
            if k % stretch == 0:
                states = reference.start(c, parameters, 1)
            one = Samples(*(array[k : k + 1] for array in vars(split).values()))
            here, states = run(parameters, one, states)
            found.append(here)
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), *found)

    return read


def metrics(task: Any, outputs: Answers, split: Split) -> dict[str, float]:
    """Some of the task's, in double precision."""
    every, last = (np.asarray(one, float) for one in (outputs.every, outputs.last))
    true = np.arange(every.shape[1]) < split.lengths[:, None]
    if task.name == "next_step":
        p, y = 1 / (1 + np.exp(-every[true])), split.targets[true]
        hits, wrong = ((p > 0.5) & (y > 0)).sum(), ((p > 0.5) != (y > 0)).sum()
        nats = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(-1).mean()
        return {"loss": nats, "frame_accuracy": hits / (hits + wrong)}
    if task.name in ("regression", "forecasting"):
        error = last.reshape(split.targets.shape) - split.targets
        scale = np.array(task.scale if task.name == "regression" else 1.0)
        return {"loss": (error**2).mean(), "mae": (abs(error) * scale).mean()}
    logits, y = (every[true], split.targets[true]) if task.per_step else (last, split.targets)
    nats = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(y)), y]
    found = {"loss": nats.mean(), "accuracy": (logits.argmax(-1) == y).mean()}
    if task.name == "language":
        found |= {"bits": nats.mean() / math.log(2), "perplexity": math.exp(nats.mean())}
    return found
