"""One training run, with no population in sight: its start, an epoch, an evaluation."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.growth import grown
from jaxrnn.network.network import Outputs, RecurrentNetwork
from jaxrnn.network.packing import Packed
from jaxrnn.tasks import classification
from jaxrnn.training.samples import Batches, Samples, epoch_order
from jaxrnn.training.step import Batch, Epoch, Learner, Seen, Setting, Step
from jaxrnn.training.watch import Watch, watches
from jaxrnn.types import AnyArray, Array

METRICS = (*classification.METRICS, "train_loss")
"""What `Member.evaluate` tells: the task's metrics, and the training loss of the last epoch."""


class Report(NamedTuple):
    """What training saw in an epoch, each `()`; NaN before the first.

    Attributes:
        train_loss: Mean over all samples, each at the parameters of its time.
        gradient_norm_mean: Over the updates, of the global norm before penalty and clipping.
        gradient_norm_max: Likewise.
        learning_rate: Of the last update.
        validation_loss: At the end, where the member's stopping or schedule asks for it.
    """

    train_loss: AnyArray
    gradient_norm_mean: AnyArray
    gradient_norm_max: AnyArray
    learning_rate: AnyArray
    validation_loss: AnyArray


NOTHING = Report(*[np.float32(np.nan)] * len(Report._fields))


class State(NamedTuple):
    """What a run carries from epoch to epoch.

    Attributes:
        learner: Weights and optimizer.
        watch: What validation taught; None where nobody in the cohort asks for it.
        report: Of the last epoch that it ran.
        epochs: `()` int32, how many it ran; fewer than its neighbours once it has stopped.
    """

    learner: Learner
    watch: Watch | None
    report: Report
    epochs: AnyArray


@dataclass(frozen=True)
class Member:
    """The run itself: structure here, numbers in the calls.

    Attributes:
        step: What happens to a microbatch.
        microbatch: Samples in it.
    """

    step: Step
    microbatch: int

    def start(self, parameters: Packed, optimizer: str) -> State:
        """A run before its first step, on the host."""
        slots = self.step.update.init(optimizer, parameters)
        watching = self.step.architecture.uses.validation
        watch = Watch.over(parameters) if watching else None
        return State(Learner(parameters, slots, np.bool_(False)), watch, NOTHING, np.int32(0))

    def epoch(
        self,
        setting: Setting,
        state: State,
        samples: Samples,
        validation: Batches,
        order_seed: Array,
        index: Array,
    ) -> State:
        """The run one epoch later, or as it is where it has come to its end.

        Args:
            setting: The member's.
            state: The run so far.
            samples: The training split.
            validation: The validation split.
            order_seed: `()` uint32 of the data order, which does not depend on the member.
            index: `()` int32, epochs behind.
        """
        watch = state.watch
        running = ~state.learner.diverged & (index < setting.numbers.epochs)
        if watch is not None:
            running &= ~watch.stopped

        def run(state: State) -> State:
            plateau = jnp.float32(1) if watch is None else watch.factor
            learner, report = self._train(
                setting, state.learner, samples, order_seed, index, plateau
            )
            if watch is None:
                return State(learner, None, report, state.epochs + 1)
            loss = self._metrics(setting, learner.parameters, validation)[0]
            loss = jnp.where(learner.diverged, jnp.nan, loss)
            seen = watch.after(setting.numbers, loss, learner.parameters)
            asked = watches(setting.numbers)
            report = report._replace(validation_loss=jnp.where(asked, loss, jnp.nan))
            return State(learner, seen, report, state.epochs + 1)

        return jax.lax.cond(running, run, lambda state: state, state)

    def evaluate(self, setting: Setting, state: State, batches: Batches) -> Array:
        """Every one of `METRICS` on the samples, `(metrics,)`; NaN for a diverged run."""
        metrics = self._metrics(setting, chosen(setting, state), batches)
        metrics = jnp.append(metrics, state.report.train_loss)
        return jnp.where(state.learner.diverged, jnp.nan, metrics)

    def _train(
        self,
        setting: Setting,
        learner: Learner,
        samples: Samples,
        order_seed: Array,
        index: Array,
        plateau: AnyArray,
    ) -> tuple[Learner, Report]:
        """All steps of an epoch."""
        numbers = setting.numbers
        order = epoch_order(order_seed, index, len(samples.labels), self.microbatch)
        batch = grown(
            numbers.batch_size // self.microbatch,
            numbers.batch_growth,
            numbers.batch_growth_epochs,
            index,
        )
        epoch = Epoch(index, len(order), batch, plateau)

        def one(
            carried: tuple[Learner, Batch | None], scanned: tuple[Array, Array]
        ) -> tuple[tuple[Learner, Batch | None], Seen]:
            (learner, batch), (step, rows) = carried, scanned
            chosen = Samples(*(leaf[rows] for leaf in samples))
            learner, batch, seen = self.step(setting, epoch, learner, batch, chosen, step)
            return (learner, batch), seen

        steps = jnp.arange(len(order)), order
        (learner, _), seen = jax.lax.scan(one, (learner, self.step.first(learner)), steps)
        return learner, _report(seen, order.size)

    def _metrics(self, setting: Setting, parameters: Packed, batches: Batches) -> Array:
        """Means over the samples of the task's metrics."""
        network = RecurrentNetwork(self.step.architecture)
        variables = {"params": self.step.update.packing.unpack(parameters)}

        def add(k: Array, sums: Array) -> Array:
            inputs, labels, lengths = (leaf[k] for leaf in batches.samples)
            outputs = network.apply(variables, inputs, lengths, setting.numbers)
            assert isinstance(outputs, Outputs)
            return sums + classification.metric_sums(outputs.last, labels, batches.weights[k])

        zeros = jnp.zeros(len(classification.METRICS), jnp.float32)
        return jax.lax.fori_loop(0, batches.used, add, zeros) / batches.weights.sum()


def chosen(setting: Setting, state: State) -> Packed:
    """The parameters that evaluation and prediction see."""
    if state.watch is None:
        return state.learner.parameters
    return state.watch.chosen(setting.numbers, state.learner.parameters)


def _report(seen: Seen, samples: int) -> Report:
    """Of the steps of an epoch, each `(steps,)`."""
    norms = jnp.where(seen.updated, seen.norm, 0.0)
    return Report(
        train_loss=seen.loss.sum() / samples,
        gradient_norm_mean=norms.sum() / seen.updated.sum(),
        gradient_norm_max=norms.max(),
        learning_rate=seen.rate[-1],
        validation_loss=jnp.float32(jnp.nan),
    )
