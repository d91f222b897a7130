"""Classification: one class per sequence."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.losses import cross_entropy, replicated_losses, where_counted
from jaxrnn.tasks.metrics import (
    Counts,
    accuracy,
    balanced_accuracy,
    f1,
    precision,
    recall,
    roc_auc_one_vs_rest,
)
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import MAX, MIN, Evaluation, SequenceLosses, Task
from jaxrnn.types import AnyArray, Array, Value


@dataclass(frozen=True)
class Classification(Task):
    """Classification of sequences; targets are indices of classes, `(samples,)`.

    Attributes:
        classes: Labels as the user wrote them, sorted.
        ranks: True if `roc_auc` is among the metrics: it keeps and sorts all probabilities.
    """

    classes: tuple[Value, ...]
    ranks: bool = True

    name = "classification"
    excluded = frozenset({"window_norm"})

    @property
    def outputs(self) -> int:
        """Number of logits: one per class."""
        return len(self.classes)

    @property
    def scored_classes(self) -> range:
        """Classes that `roc_auc` averages over: the second of two, or all."""
        return range(1 if len(self.classes) == 2 else 0, len(self.classes))

    @property
    def metrics(self) -> Mapping[str, str]:
        """Mean cross-entropy in nats, and others in [0, 1]; all as scikit-learn defines them.

        `roc_auc` is that of the second of two classes, or the mean over more than two of each
        against the rest; NaN where a class is missing.
        """
        names = ["accuracy", "balanced_accuracy"]
        for average in ("macro", "weighted"):
            names += [f"precision_{average}", f"recall_{average}", f"f1_{average}"]
        return {"loss": MIN} | dict.fromkeys(names + ["roc_auc"] * self.ranks, MAX)

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Compute cross-entropy in nats, with label smoothing and target replication."""

        def loss(predictions: Array) -> Array:
            return cross_entropy(predictions, targets[:, None], hp.label_smoothing)

        return replicated_losses(hp.target_replication, outputs, loss)

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> tuple[Array, Counts]:
        """Sum cross-entropy `()`, and count the classes."""
        losses = where_counted(cross_entropy(outputs.last, targets), weights > 0)
        return losses.sum(), Counts.from_logits(outputs.last, targets, weights > 0)

    def per_sample(self, outputs: Outputs) -> Array | tuple[()]:
        """Compute probabilities of the classes for `roc_auc`, `(batch, classes)`."""
        return jax.nn.softmax(outputs.last)[:, self.scored_classes.start :] if self.ranks else ()

    def metrics_from(self, evaluation: Evaluation) -> Array:
        """Average over the sequences; precision, recall and F1 over the classes."""
        loss, counts = evaluation.sums
        metrics = [loss / evaluation.weights.sum(), accuracy(counts), balanced_accuracy(counts)]
        for average in (counts.macro, counts.weighted):
            metrics += [average(metric(counts)) for metric in (precision, recall, f1)]
        if self.ranks:
            classes = jnp.asarray(self.scored_classes)
            scores = evaluation.per_sample.reshape(-1, len(classes))
            targets, counted = evaluation.targets.reshape(-1), evaluation.weights.reshape(-1) > 0
            metrics.append(roc_auc_one_vs_rest(scores, classes, targets, counted))
        return jnp.stack(metrics)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Compute probabilities of all classes, `(samples, classes)`."""
        return softmax(outputs, -1)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the likeliest label of each sequence, `(samples,)`."""
        return np.asarray(self.classes)[outputs.argmax(-1)]
