"""How surprised a network is by a class."""

import jax
import optax

from jaxrnn.types import AnyArray, Array


def cross_entropy(outputs: Array, targets: AnyArray, smoothing: AnyArray = 0.0) -> Array:
    """Of logits `(..., classes)` and indices, in nats, `(...)`.

    Args:
        outputs: The logits.
        targets: `(...)`, or with axes of 1 where the same holds for all of `outputs`.
        smoothing: Probability spread over all classes (Szegedy et al. 2016).
    """
    certain = jax.nn.one_hot(targets, outputs.shape[-1], dtype=outputs.dtype)
    return optax.softmax_cross_entropy(outputs, optax.smooth_labels(certain, smoothing))
