"""The learning rate over time, which is counted in epochs and their fractions.

The same curves as Optax's schedules, but every number of them traced: members with different
schedules share a program. The horizon is the member's `epochs`, never the rung that it has reached.
"""

import jax
import jax.numpy as jnp

from jaxrnn.configuration.growth import ROUNDING
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.configuration.registry import SCHEDULES
from jaxrnn.types import Array, Number


def learning_rate(hp: Hyperparameters, time: Array, plateau: Number) -> Array:
    """Return the learning rate of an update.

    Args:
        hp: Hyperparameters of the member.
        time: Epochs trained so far, with their fraction, `()`.
        plateau: Factor by the plateau schedule, `()`, 1 at first.
    """
    warmup = hp.warmup_epochs
    since = jnp.maximum(time - warmup, 0.0)
    share = jnp.clip(since / jnp.maximum(hp.epochs - warmup, 1e-6), 0.0, 1.0)
    left = hp.final_rate
    factors = {
        "constant": 1.0,
        "exponential": hp.decay_rate**since,
        "step": hp.decay_rate ** jnp.floor(since / hp.decay_epochs + ROUNDING / 10),
        "linear": 1.0 + (left - 1.0) * share,
        "cosine": left + (1.0 - left) * 0.5 * (1.0 + jnp.cos(jnp.pi * share)),
        "plateau": plateau,
    }
    # No `jnp.select`, of which JAX keeps a trace for each program, as long as the process lives.
    cases = (jnp.asarray(factors[kind], jnp.float32) for kind in SCHEDULES)
    factor = jax.lax.select_n(hp.schedule, *cases)
    rise = jnp.where(time < warmup, time / jnp.maximum(warmup, 1e-6), factor)
    return hp.learning_rate * rise
