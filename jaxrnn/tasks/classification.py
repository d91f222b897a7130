"""One class per sequence."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.problem import Outputs
from jaxrnn.tasks.task import MAX, MIN, Losses, Scored, Task
from jaxrnn.types import AnyArray, Array, Value


@dataclass(frozen=True)
class Classification(Task):
    """Which of some classes a sequence belongs to; targets are indices `(samples,)`.

    Attributes:
        classes: The labels as the user wrote them, sorted.
    """

    classes: tuple[Value, ...]

    name = "classification"
    without = frozenset({"window_norm"})

    @property
    def outputs(self) -> int:
        """One logit per class."""
        return len(self.classes)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Mean cross-entropy in nats; share of right labels in [0, 1]."""
        return {"loss": MIN, "accuracy": MAX}

    def losses(self, numbers: Hyperparameters, outputs: Outputs, targets: AnyArray) -> Losses:
        """Cross-entropy in nats, with label smoothing and target replication."""
        last, every, lengths, _ = outputs
        smooth = optax.smooth_labels(
            jnp.eye(last.shape[-1], dtype=last.dtype)[targets], numbers.label_smoothing
        )
        at_end = optax.softmax_cross_entropy(last, smooth)
        ones = jnp.ones_like(at_end)
        if every is None:
            return Losses(at_end, ones)
        at_steps = optax.softmax_cross_entropy(every, smooth[:, None])  # (batch, time)
        true = jnp.arange(every.shape[1])[None] < lengths[:, None]
        mean = jnp.where(true, at_steps, 0.0).sum(1) / lengths
        share = numbers.target_replication
        return Losses((1.0 - share) * at_end + share * mean, ones)

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> Array:
        """Cross-entropy and right labels, `(2,)`."""
        losses = optax.softmax_cross_entropy_with_integer_labels(outputs.last, targets)
        right = (jnp.argmax(outputs.last, axis=-1) == targets).astype(jnp.float32)
        return jnp.stack([jnp.sum(weights * losses), jnp.sum(weights * right)])

    def finish(self, scored: Scored) -> Array:
        """Means over the sequences."""
        return scored.sums / scored.weights.sum()

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """The likeliest label of each, `(samples,)`."""
        return np.asarray(self.classes)[outputs.argmax(-1)]
