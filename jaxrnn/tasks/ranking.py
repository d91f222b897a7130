"""Area under the receiver operating characteristic: exact, by sorting on the device."""

import jax
import jax.numpy as jnp

from jaxrnn.types import Array


def roc_auc(scores: Array, positive: Array, counted: Array) -> Array:
    """How likely a positive sample scores above a negative one, where a tie is half a win, `()`.

    Args:
        scores: Finite, `(samples,)`.
        positive: `(samples,)` bool.
        counted: `(samples,)` bool; the others have no say.

    Returns:
        The area; NaN where there are no positive or no negative samples.
    """
    positive, negative = counted & positive, counted & ~positive
    rivals = jnp.sort(jnp.where(negative, scores, jnp.inf))
    below = jnp.searchsorted(rivals, scores, side="left")
    up_to = jnp.searchsorted(rivals, scores, side="right")
    # Shares before their sum: pairs of samples are more than an int32 can count.
    wins = (below + up_to) / (2 * negative.sum())
    return jnp.where(positive, wins, 0.0).sum() / positive.sum()


def mean_roc_auc(scores: Array, classes: Array, targets: Array, counted: Array) -> Array:
    """Mean over classes of each against the rest, `()`.

    Args:
        scores: Of those classes, `(samples, some classes)`.
        classes: Their indices, `(some classes,)`.
        targets: Indices, `(samples,)`.
        counted: `(samples,)` bool.
    """
    # One after the other: side by side, the sorted copies would take as much room for each class.
    areas = jax.lax.map(
        lambda one: roc_auc(one[0], targets == one[1], counted), (scores.T, classes)
    )
    return areas.mean()
