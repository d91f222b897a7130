"""Activation functions by name, and the choice among them inside a compiled program."""

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
"""Activations that would make padded units nonzero, so that a mask must keep these at 0."""


def activate(names: tuple[str, ...], index: Number, x: Array, mask: Array) -> Array:
    """Apply the activation that stands at `index` in `ACTIVATIONS`.

    Args:
        names: Activations that are compiled; `index` must belong to one of them.
        index: Position in `ACTIVATIONS`, `()`, traced.
        x: Values before the activation, `(..., units)`.
        mask: 1 for a member's true units and 0 for padding, `(units,)`.

    Returns:
        Activated values in the shape of `x`.
    """
    order = tuple(ACTIVATIONS)
    y = ACTIVATIONS[names[0]](x)
    for name in names[1:]:
        y = jnp.where(index == order.index(name), ACTIVATIONS[name](x), y)
    if NOT_ZERO_AT_ZERO.isdisjoint(names):
        return y
    return y * mask.reshape((1,) * (x.ndim - 1) + (-1,))
