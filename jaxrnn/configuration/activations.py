"""Activation functions by name, and the choice among them by number."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxrnn.types import Array, Number

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "elu": jax.nn.elu,
    "softsign": jax.nn.soft_sign,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
}
NOT_ZERO_AT_ZERO = frozenset({"sigmoid"})
"""Those that would wake padded units, so that a mask must silence them."""


def activate(names: tuple[str, ...], index: Number, x: Array, mask: Array) -> Array:
    """Apply the activation that stands at `index` in `ACTIVATIONS`.

    Args:
        names: Those that are compiled; `index` is one of theirs.
        index: `()`, traced.
        x: `(..., units)`.
        mask: `(units,)`, 1 for a member's own units and 0 for padding.
    """
    order = tuple(ACTIVATIONS)
    y = ACTIVATIONS[names[0]](x)
    for name in names[1:]:
        y = jnp.where(index == order.index(name), ACTIVATIONS[name](x), y)
    if NOT_ZERO_AT_ZERO.isdisjoint(names):
        return y
    return y * mask.reshape((1,) * (x.ndim - 1) + (-1,))
