"""A cell over time: over all steps, or in chunks that short batches skip.

`nn.scan` of the cell is the definition. Cells whose gradients are written out take a shorter way to
the same result.

A batch of short sequences is padded to the longest of all. Shapes stay as they are compiled, but a
chunk of steps is skipped if no sequence of the batch has a true step in it.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrnn.network.cells import Carry, Cell, Constants
from jaxrnn.network.rnn_vjp import StaticArguments, run_layer
from jaxrnn.types import AnyArray, Array

ScanFunction: TypeAlias = Callable[[Carry, Array, Array | None], tuple[Carry, Array]]
"""Function of (carry, inputs, stop_gradient_at) that returns the last carry and all outputs."""
MAX_CHUNKS = 8
"""Chunks of a sequence: each costs a decision, and half of one is wasted on average."""
MIN_STEPS = 4
"""Least steps of a chunk."""


def chunk_length(time: int) -> int:
    """Return the steps of a chunk of sequences of `time` steps."""
    return min(time, max(MIN_STEPS, math.ceil(time / MAX_CHUNKS)))


def steps_read(time: int, longest: AnyArray) -> AnyArray:
    """Count the steps computed for batches whose longest sequences have `longest` of `time`."""
    return -(-longest // chunk_length(time)) * chunk_length(time)


def scan_layer(
    cell: Cell,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """Run a cell over all steps.

    Args:
        cell: Cell, bound to its parameters.
        carry: State before the first step.
        x: Inputs, `(batch, time, inputs)`.
        stop_gradient_at: Steps where gradients go no further back, `(time,)` bool, or None.
        constants: Values that are the same at every step.
        unroll: Steps per iteration of the loop.

    Returns:
        The last state, and the outputs `(batch, time, units)`.
    """
    return scan_function(cell, constants, unroll)(carry, x, stop_gradient_at)


def scan_function(cell: Cell, constants: Constants, unroll: int) -> ScanFunction:
    """Return `scan_layer` with the parameters of a bound cell, for JAX's loops and conditions."""
    if not cell.has_custom_vjp:
        return linen_scan(cell, constants, unroll)
    weights, static = cell.parameters(), StaticArguments(cell.architecture, unroll)

    def scan(carry: Carry, x: Array, stop_gradient_at: Array | None) -> tuple[Carry, Array]:
        last, y = run_layer(static, weights, carry, x.swapaxes(0, 1), stop_gradient_at, constants)
        return last, y.swapaxes(0, 1)

    return scan


def linen_scan(cell: Cell, constants: Constants, unroll: int) -> ScanFunction:
    """Return the same by its definition: any cell lifted over time by `nn.scan`."""
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

    def scan(carry: Carry, x: Array, stop_gradient_at: Array | None) -> tuple[Carry, Array]:
        last, y = apply({"params": weights}, carry, x, stop_gradient_at, constants)
        return last, y

    return scan


def scan_layer_in_chunks(
    cell: Cell,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    longest: Array,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """Run a cell as `scan_layer` does, but skip chunks behind the `longest` `()` true length.

    Outputs of skipped chunks are 0.
    """
    (batch, time, _), size = x.shape, chunk_length(x.shape[1])
    count = -(-time // size)
    padding = count * size - time
    x = jnp.pad(x, [(0, 0), (0, padding), (0, 0)]).reshape(batch, count, size, -1)
    if stop_gradient_at is not None:
        stop_gradient_at = jnp.pad(stop_gradient_at, (0, padding)).reshape(count, size)
    units, scan = carry[0].shape[-1], scan_function(cell, constants, unroll)

    def scan_chunk(carry: Carry, chunk: tuple[Array, Array | None, Array]) -> tuple[Carry, Array]:
        x, stops, begin = chunk

        def run(carry: Carry) -> tuple[Carry, Array]:
            return scan(carry, x, stops)

        def skip(carry: Carry) -> tuple[Carry, Array]:
            return carry, jnp.zeros((batch, size, units), x.dtype)

        return jax.lax.cond(begin < longest, run, skip, carry)

    chunks = x.swapaxes(0, 1), stop_gradient_at, jnp.arange(count) * size
    last, y = jax.lax.scan(scan_chunk, carry, chunks)
    return last, y.swapaxes(0, 1).reshape(batch, count * size, units)[:, :time]
