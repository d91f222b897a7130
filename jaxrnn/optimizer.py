"""AdamW behind gradient clipping, with every number injectable.

Built once for all members: a new transformation object would compile everything again.
"""

from typing import NamedTuple

import optax

from jaxrnn.types import Number


class Hyperparameters(NamedTuple):
    """The traced numbers of a member, each `()`; no value of them ever compiles anything."""

    learning_rate: Number
    weight_decay: Number
    clip_norm: Number
    dropout: Number


def clipped_adamw(
    learning_rate: float, weight_decay: float, clip_norm: float
) -> optax.GradientTransformation:
    """Clip by global norm (Pascanu et al. 2013), then AdamW (Loshchilov and Hutter 2019)."""
    return optax.chain(
        optax.clip_by_global_norm(clip_norm),
        optax.adamw(learning_rate, weight_decay=weight_decay),
    )


def build() -> optax.GradientTransformation:
    """The transformation; its state holds the numbers, and starts with zeros (see `inject`)."""
    injectable = optax.inject_hyperparams(clipped_adamw)
    return injectable(learning_rate=0.0, weight_decay=0.0, clip_norm=0.0)


def inject(state: optax.OptState, numbers: Hyperparameters) -> optax.OptState:
    """The optimizer's `state` with a member's own numbers."""
    assert isinstance(state, optax.InjectStatefulHyperparamsState)
    own = {name: getattr(numbers, name) for name in state.hyperparams}
    return state._replace(hyperparams=own)
