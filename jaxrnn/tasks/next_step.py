"""Which labels the next step has, such as the notes that will sound."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import expit

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.losses import step_losses, step_sums, true_steps, without_padding
from jaxrnn.tasks.metrics import Counts, f1, jaccard, precision, recall
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import MAX, MIN, Evaluation, SequenceLosses, Task
from jaxrnn.types import AnyArray, Array


@dataclass(frozen=True)
class NextStep(Task):
    """Any number of labels after every step; targets are 0 or 1, `(samples, time, labels)`.

    Attributes:
        labels: How many there are.
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
        """One logit per label."""
        return self.labels

    @property
    def metrics(self) -> Mapping[str, str]:
        """Nats per frame, that is true step; the others over all decisions at probability 1/2.

        `frame_accuracy` is true positives over true positives, false positives and false negatives
        (Bay et al. 2009); the rest are scikit-learn's micro averages.
        """
        return {"loss": MIN} | dict.fromkeys(("frame_accuracy", "precision", "recall", "f1"), MAX)

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Cross-entropy of all labels in nats; every true step counts alike."""
        del hp
        return step_losses(outputs, lambda answers: _loss(answers, targets))

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> tuple[Array, Counts]:
        """Cross-entropy `()`, and counts of all labels together, each `()`."""
        outputs = without_padding(outputs, weights)
        losses = step_sums(outputs, lambda answers: _loss(answers, targets))
        counts = Counts.from_indicators(outputs.per_step > 0, targets > 0, true_steps(outputs))
        return losses.sum(), counts.pooled()

    def metrics_from(self, scored: Evaluation) -> Array:
        """Means over the true steps, or over all decisions."""
        loss, counts = scored.sums
        steps = (scored.weights * scored.lengths).sum()
        shares = [share(counts) for share in (jaccard, precision, recall, f1)]
        return jnp.stack([loss / steps, *shares])

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Of every label after every step, `(samples, time, labels)`."""
        return expit(outputs)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Which labels are likelier than not, `(samples, time, labels)` bool."""
        return outputs > 0


def _loss(outputs: Array, targets: AnyArray) -> Array:
    """Of logits `(batch, time, labels)`, summed over the labels."""
    return optax.sigmoid_binary_cross_entropy(outputs, targets.astype(outputs.dtype)).sum(-1)
