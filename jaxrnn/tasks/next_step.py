"""Next-step prediction: the labels of the next step, such as the notes that will sound."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.losses import (
    binary_cross_entropy,
    step_losses,
    step_sums,
    true_steps,
    without_padding,
)
from jaxrnn.tasks.metrics import Counts, f1, jaccard, precision, recall
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import MAX, MIN, Evaluation, SequenceLosses, Task
from jaxrnn.types import AnyArray, Array


@dataclass(frozen=True)
class NextStep(Task):
    """Prediction of any number of labels; targets are 0 or 1, `(samples, time, labels)`.

    Attributes:
        labels: Number of labels.
    """

    labels: int

    name = "next_step"
    per_step = True
    excluded = frozenset(
        {
            "bidirectional",
            "label_smoothing",
            "target_replication",
            "crop_length",
            "crop_at",
            "window_norm",
        }
    )

    @property
    def outputs(self) -> int:
        """Number of logits: one per label."""
        return self.labels

    @property
    def metrics(self) -> Mapping[str, str]:
        """Nats per true step, and others over all predictions at a threshold of 1/2.

        `frame_accuracy` is true positives over true positives, false positives and false negatives
        (Bay et al. 2009); the rest are scikit-learn's micro averages.
        """
        return {"loss": MIN} | dict.fromkeys(("frame_accuracy", "precision", "recall", "f1"), MAX)

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Compute cross-entropy of all labels in nats; every true step counts alike."""
        del hp
        return step_losses(outputs, lambda predictions: binary_cross_entropy(predictions, targets))

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> tuple[Array, Counts]:
        """Sum cross-entropy `()`, and count all labels together, each `()`."""
        outputs = without_padding(outputs, weights)
        losses = step_sums(outputs, lambda predictions: binary_cross_entropy(predictions, targets))
        counts = Counts.from_indicators(outputs.per_step > 0, targets > 0, true_steps(outputs))
        return losses.sum(), counts.pooled()

    def metrics_from(self, evaluation: Evaluation) -> Array:
        """Average over the true steps, or over all predictions."""
        loss, counts = evaluation.sums
        steps = (evaluation.weights * evaluation.lengths).sum()
        metrics = [metric(counts) for metric in (jaccard, precision, recall, f1)]
        return jnp.stack([loss / steps, *metrics])

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Compute probabilities of all labels after every step, `(samples, time, labels)`."""
        return expit(outputs)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the labels that are likelier than not, `(samples, time, labels)` bool."""
        return outputs > 0
