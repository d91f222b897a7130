"""Language modelling: the next token of a text."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy.special import softmax

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.losses import (
    cross_entropy,
    step_losses,
    step_sums,
    true_steps,
    where_counted,
    without_padding,
)
from jaxrnn.tasks.metrics import argmax
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import MAX, MIN, Evaluation, SequenceLosses, Task
from jaxrnn.types import AnyArray, Array


@dataclass(frozen=True)
class Language(Task):
    """Prediction of the next token after each; targets are indices of tokens, `(blocks, time)`.

    Attributes:
        tokens: All tokens, the unknown token first.
        unit: Kind of token: `character` or `word`.
    """

    tokens: tuple[str, ...]
    unit: str

    name = "language"
    per_step = True
    stateful = True
    excluded = frozenset(
        {
            "bidirectional",
            "learned_start",
            "target_replication",
            "crop_length",
            "crop_at",
            "window_norm",
        }
    )

    @property
    def outputs(self) -> int:
        """Number of logits: one per token."""
        return len(self.tokens)

    @property
    def metrics(self) -> Mapping[str, str]:
        """Nats, bits and accuracy per token; perplexity is e to the nats."""
        return {"loss": MIN, "bits": MIN, "perplexity": MIN, "accuracy": MAX}

    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Compute cross-entropy in nats with label smoothing; every token counts alike."""

        def loss(predictions: Array) -> Array:
            return cross_entropy(predictions, targets, hp.label_smoothing)

        return step_losses(outputs, loss)

    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> tuple[Array, Array]:
        """Sum cross-entropy and correct predictions, each `()`."""
        outputs = without_padding(outputs, weights)
        losses = step_sums(outputs, lambda predictions: cross_entropy(predictions, targets))
        correct = where_counted(argmax(outputs.per_step) == targets, true_steps(outputs))
        return losses.sum(), correct.sum()

    def metrics_from(self, evaluation: Evaluation) -> Array:
        """Average over the tokens."""
        steps = (evaluation.weights * evaluation.lengths).sum()
        loss, accuracy = (total / steps for total in evaluation.sums)
        return jnp.stack([loss, loss / math.log(2), jnp.exp(loss), accuracy])

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Compute probabilities of the next token, `(blocks, time, tokens)`."""
        return softmax(outputs, -1)

    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Return the likeliest next tokens, `(blocks, time)`; padding gets any token."""
        return np.asarray(self.tokens)[outputs.argmax(-1)]
