"""A cell over time: over all steps, or in chunks that short batches skip.

`nn.scan` of the cell is the definition. Cells whose gradients are written out take a shorter way to
the same.

A batch of short sequences is padded to the longest of all. The shapes stay as they are compiled,
but a chunk of steps in which no sequence of the batch has a true one is passed over.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrnn.network.cells import Carry, Cell, Constants
from jaxrnn.network.rnn_vjp import Form, layer
from jaxrnn.types import AnyArray, Array

Reader: TypeAlias = Callable[[Carry, Array, Array | None], tuple[Carry, Array]]
"""From the state before, inputs and stops to the state behind and outputs, see `over_time`."""
MOST = 8
"""Chunks of a sequence: each costs a decision, and half of one is wasted on average."""
LEAST = 4
"""Steps of a chunk."""


def chunk(time: int) -> int:
    """Steps of a chunk of sequences of `time` steps."""
    return min(time, max(LEAST, math.ceil(time / MOST)))


def steps_read(time: int, longest: AnyArray) -> AnyArray:
    """Steps computed for batches whose longest sequences have `longest` of `time` steps."""
    return -(-longest // chunk(time)) * chunk(time)


def over_time(
    cell: Cell,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    longest: Array | None = None,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """The last state, and the outputs `(batch, time, units)` of every step of `x`.

    Args:
        cell: Reads one step.
        carry: The state before the first.
        x: `(batch, time, inputs)`.
        stop_gradient_at: `(time,)` bool, steps where gradients go no further back, or None.
        constants: What every step reads alike.
        longest: Of no interest here.
        unroll: Steps in a turn of the loop.
    """
    del longest
    return reader(cell, constants, unroll)(carry, x, stop_gradient_at)


def reader(cell: Cell, constants: Constants, unroll: int) -> Reader:
    """`over_time` with the parameters of a bound cell, for JAX's loops and conditions."""
    if not cell.written_out:
        return by_scan(cell, constants, unroll)
    weights, form = cell.parameters(), Form(cell.architecture, unroll)

    def read(carry: Carry, x: Array, stop_gradient_at: Array | None) -> tuple[Carry, Array]:
        final, y = layer(form, weights, carry, x.swapaxes(0, 1), stop_gradient_at, constants)
        return final, y.swapaxes(0, 1)

    return read


def by_scan(cell: Cell, constants: Constants, unroll: int) -> Reader:
    """The same by its definition: any cell lifted over time by `nn.scan`."""
    axes: Any = (1, 0, nn.broadcast)
    lifted = nn.scan(
        lambda cell, carry, x, stop, constants: cell(carry, x, stop, constants),
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=axes,
        out_axes=1,
        unroll=unroll,
    )
    apply, weights = nn.apply(lifted, cell.clone(parent=None, name=None)), cell.parameters()

    def read(carry: Carry, x: Array, stop_gradient_at: Array | None) -> tuple[Carry, Array]:
        final, y = apply({"params": weights}, carry, x, stop_gradient_at, constants)
        return final, y

    return read


def in_chunks(
    cell: Cell,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    longest: Array,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """As `over_time`, but outputs are 0 in chunks behind the `longest` `()` true length."""
    (batch, time, _), size = x.shape, chunk(x.shape[1])
    count = -(-time // size)
    padding = count * size - time
    x = jnp.pad(x, [(0, 0), (0, padding), (0, 0)]).reshape(batch, count, size, -1)
    if stop_gradient_at is not None:
        stop_gradient_at = jnp.pad(stop_gradient_at, (0, padding)).reshape(count, size)
    units, read = carry[0].shape[-1], reader(cell, constants, unroll)

    def one(carry: Carry, chunk: tuple[Array, Array | None, Array]) -> tuple[Carry, Array]:
        x, stops, begin = chunk

        def run(carry: Carry) -> tuple[Carry, Array]:
            return read(carry, x, stops)

        def skip(carry: Carry) -> tuple[Carry, Array]:
            return carry, jnp.zeros((batch, size, units), x.dtype)

        return jax.lax.cond(begin < longest, run, skip, carry)

    chunks = x.swapaxes(0, 1), stop_gradient_at, jnp.arange(count) * size
    final, y = jax.lax.scan(one, carry, chunks)
    return final, y.swapaxes(0, 1).reshape(batch, count * size, units)[:, :time]
