"""A cell over time: over all steps, or in chunks that short batches skip.

`nn.scan` of the cell is the definition. Cells whose gradients are written out take a shorter way to
the same.

A batch of short sequences is padded to the longest of all. The shapes stay as they are compiled,
but a chunk of steps in which no sequence of the batch has a true one is passed over.
"""

import math
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from jaxrnn.network.backward import Form, layer
from jaxrnn.network.cells import Carry, Cell, Constants
from jaxrnn.types import AnyArray, Array

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
    stops: Array | None,
    constants: Constants,
    longest: Array | None = None,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """The last state, and the outputs `(batch, time, units)` of every step of `x`.

    Args:
        cell: Reads one step.
        carry: The state before the first.
        x: `(batch, time, inputs)`.
        stops: `(time,)` bool, steps where gradients go no further back, or None.
        constants: What every step reads alike.
        longest: Of no interest here.
        unroll: Steps in a turn of the loop.
    """
    del longest
    if not cell.written_out:
        return by_scan(cell, carry, x, stops, constants, unroll)
    form = Form(cell.architecture, unroll)
    final, y = layer(form, cell.parameters(), carry, x.swapaxes(0, 1), stops, constants)
    return final, y.swapaxes(0, 1)


def by_scan(
    cell: Cell,
    carry: Carry,
    x: Array,
    stops: Array | None,
    constants: Constants,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """As `over_time`, by its definition: any cell lifted over time by `nn.scan`."""
    axes: Any = (1, 0, nn.broadcast)
    lifted = nn.scan(
        lambda cell, carry, x, stop, constants: cell(carry, x, stop, constants),
        variable_broadcast="params",
        split_rngs={"params": False},
        in_axes=axes,
        out_axes=1,
        unroll=unroll,
    )
    return lifted(cell, carry, x, stops, constants)


def in_chunks(
    cell: Cell,
    carry: Carry,
    x: Array,
    stops: Array | None,
    constants: Constants,
    longest: Array,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """As `over_time`, but outputs are 0 in chunks behind the `longest` `()` true length."""
    (batch, time, _), size = x.shape, chunk(x.shape[1])
    count = -(-time // size)
    padding = count * size - time
    x = jnp.pad(x, [(0, 0), (0, padding), (0, 0)]).reshape(batch, count, size, -1)
    if stops is not None:
        stops = jnp.pad(stops, (0, padding)).reshape(count, size)
    units = carry[0].shape[-1]

    def one(
        cell: Cell, carry: Carry, x: Array, stops: Array | None, begin: Array, constants: Constants
    ) -> tuple[Carry, Array]:
        def run(cell: Cell, carry: Carry) -> tuple[Carry, Array]:
            return over_time(cell, carry, x, stops, constants, unroll=unroll)

        def skip(cell: Cell, carry: Carry) -> tuple[Carry, Array]:
            return carry, jnp.zeros((batch, size, units), x.dtype)

        if cell.is_initializing():
            return run(cell, carry)
        return nn.cond(begin < longest, run, skip, cell, carry)

    axes: Any = (1, 0, 0, nn.broadcast)
    lifted = nn.scan(
        one, variable_broadcast="params", split_rngs={"params": False}, in_axes=axes, out_axes=1
    )
    final, y = lifted(cell, carry, x, stops, jnp.arange(count) * size, constants)
    return final, y.reshape(batch, count * size, units)[:, :time]
