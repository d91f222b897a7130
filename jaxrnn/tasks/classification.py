"""One class per sequence."""

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
    """Which of some classes a sequence belongs to; targets are indices `(samples,)`.

    Attributes:
        classes: The labels as the user wrote them, sorted.
        ranks: Whether `roc_auc` is among the metrics: it keeps and sorts all probabilities.
    """

    classes: tuple[Value, ...]
    ranks: bool = True

    name = "classification"
    excluded = frozenset({"window_norm"})

    @property
    def outputs(self) -> int:
        """One logit per class."""
        return len(self.classes)

    @property
    def scored_classes(self) -> range:
        """Classes that `roc_auc` is about: the second of two, or all."""
        return range(1 if len(self.classes) == 2 else 0, len(self.classes))

    @property
    def metrics(self) -> Mapping[str, str]:
        """Mean cross-entropy in nats, the others in [0, 1]; all as scikit-learn has them.

        `roc_auc` is that of the second of two classes, and of more the mean of each against the
        rest; NaN where a class is missing.
        """
        names = ["accuracy", "balanced_accuracy"]
        for average in ("macro", "weighted"):
            names += [f"precision_{average}", f"recall_{average}", f"f1_{average}"]
        return {"loss": MIN} | dict.fromkeys(names + ["roc_auc"] * self.ranks, MAX)

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Cross-entropy in nats, with label smoothing and target replication."""

        def loss(answers: Array) -> Array:
            return cross_entropy(answers, targets[:, None], hp.label_smoothing)

        return replicated_losses(hp.target_replication, outputs, loss)

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> tuple[Array, Counts]:
        """Cross-entropy `()`, and counts of the classes."""
        losses = where_counted(cross_entropy(outputs.last, targets), weights > 0)
        return losses.sum(), Counts.from_logits(outputs.last, targets, weights > 0)

    def per_sample(self, outputs: Outputs) -> Array | tuple[()]:
        """Probabilities of the classes that are ranked, `(batch, ranked)`."""
        return jax.nn.softmax(outputs.last)[:, self.scored_classes.start :] if self.ranks else ()

    def metrics_from(self, scored: Evaluation) -> Array:
        """Means over the sequences; of precision, recall and F1 over the classes."""
        loss, counts = scored.sums
        metrics = [loss / scored.weights.sum(), accuracy(counts), balanced_accuracy(counts)]
        for average in (counts.macro, counts.weighted):
            metrics += [average(of_classes(counts)) for of_classes in (precision, recall, f1)]
        if self.ranks:
            classes = jnp.asarray(self.scored_classes)
            scores = scored.per_sample.reshape(-1, len(classes))
            targets, counted = scored.targets.reshape(-1), scored.weights.reshape(-1) > 0
            metrics.append(roc_auc_one_vs_rest(scores, classes, targets, counted))
        return jnp.stack(metrics)

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Of every class, `(samples, classes)`."""
        return softmax(outputs, -1)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """The likeliest label of each, `(samples,)`."""
        return np.asarray(self.classes)[outputs.argmax(-1)]
