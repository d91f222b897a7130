"""A cell over time.

`nn.scan` of the cell is the definition. Cells whose gradients are written out take a shorter way to
the same result, which ends with the longest sequence of a batch.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import flax.linen as nn

from jaxrnn.network.cells import Carry, Cell, Constants
from jaxrnn.network.rnn_vjp import StaticArguments, run_layer
from jaxrnn.types import Array

ScanFunction: TypeAlias = Callable[[Carry, Array, Array | None], tuple[Carry, Array]]
"""Function of (carry, inputs, stop_gradient_at) that returns the last carry and all outputs."""


def scan_layer(
    cell: Cell,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    longest: Array | None = None,
    unroll: int = 1,
) -> tuple[Carry, Array]:
    """Run a cell over all steps, or as many as are not padding.

    Args:
        cell: Cell, bound to its parameters.
        carry: State before the first step.
        x: Inputs, `(batch, time, inputs)`.
        stop_gradient_at: Steps where gradients go no further back, `(time,)` bool, or None.
        constants: Values that are the same at every step.
        longest: Steps of the longest sequence, `()` int32, the same for all lanes; None for `time`.
        unroll: Steps per iteration of the loop.

    Returns:
        The last state, and the outputs `(batch, time, units)`. Behind the longest sequence they
        mean nothing.
    """
    if not cell.has_custom_vjp:
        return linen_scan(cell, constants, unroll)(carry, x, stop_gradient_at)
    static, by_time = StaticArguments(cell.architecture, unroll), x.swapaxes(0, 1)
    arguments = cell.parameters(), carry, by_time, stop_gradient_at, constants, longest
    last, y = run_layer(static, *arguments)
    return last, y.swapaxes(0, 1)


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
