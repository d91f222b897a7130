"""Tokens as vectors."""

import jax

from jaxrnn.types import Array

FEW = 512
"""Up to so many tokens a product with one-hot rows is faster than to gather and scatter rows."""


def embed(table: Array, tokens: Array) -> Array:
    """The row of `table` `(vocabulary, units)` of every token `(batch, time)`."""
    if table.shape[0] > FEW:
        return table[tokens]
    return jax.nn.one_hot(tokens, table.shape[0], dtype=table.dtype) @ table
