"""Labelling: a class after every step."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.losses import cross_entropy, step_losses, step_sums, true_steps, without_padding
from jaxrnn.tasks.metrics import Counts, accuracy, f1
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import MAX, MIN, Evaluation, SequenceLosses, Task
from jaxrnn.types import AnyArray, Array, Value


@dataclass(frozen=True)
class Labelling(Task):
    """Classification of every step; targets are indices of classes, `(samples, time)`.

    Attributes:
        classes: Labels as the user wrote them, sorted.
    """

    classes: tuple[Value, ...]

    name = "labelling"
    per_step = True
    excluded = frozenset({"target_replication", "crop_length", "crop_at", "window_norm"})

    @property
    def outputs(self) -> int:
        """Number of logits: one per class."""
        return len(self.classes)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Nats per true step, and others over all true steps, in [0, 1], as in scikit-learn."""
        return {"loss": MIN, "accuracy": MAX, "f1_macro": MAX, "f1_weighted": MAX}

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Compute cross-entropy in nats with label smoothing; every true step counts alike."""

        def loss(predictions: Array) -> Array:
            return cross_entropy(predictions, targets, hp.label_smoothing)

        return step_losses(outputs, loss)

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> tuple[Array, Counts]:
        """Sum cross-entropy `()`, and count the classes."""
        outputs = without_padding(outputs, weights)
        losses = step_sums(outputs, lambda predictions: cross_entropy(predictions, targets))
        return losses.sum(), Counts.from_logits(outputs.per_step, targets, true_steps(outputs))

    def metrics_from(self, evaluation: Evaluation) -> Array:
        """Average over the true steps; F1 over the classes."""
        loss, counts = evaluation.sums
        scores = f1(counts)
        means = counts.macro(scores), counts.weighted(scores)
        return jnp.stack([loss / counts.actual.sum(), accuracy(counts), *means])

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Compute probabilities of all classes at every step, `(samples, time, classes)`."""
        return softmax(outputs, -1)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the likeliest label of each step, `(samples, time)`; padding gets any label."""
        return np.asarray(self.classes)[outputs.argmax(-1)]
