"""The recurrent network of one member: layers of cells over time, then a dense head."""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrnn.cells import CELLS, Shape, shape_only
from jaxrnn.types import Array, Key


@dataclass(frozen=True)
class Architecture:
    """What shapes arrays or picks code: members that share one share a compiled program.

    Attributes:
        cell: A name of `jaxrnn.cells.CELLS`.
        layers: Recurrent layers, each fed by the one below.
        width: Units per layer as compiled; a member's own hidden size may be smaller.
        inputs: Features per time step.
        outputs: Numbers the head puts out.
    """

    cell: str
    layers: int
    width: int
    inputs: int
    outputs: int

    def shapes(self) -> dict[str, dict[str, Shape]]:
        """Shape of every parameter by layer and name: the tree that `RecurrentNetwork` holds."""
        shapes = CELLS[self.cell].shapes
        tree = {"layer_0": shapes(self.inputs, self.width)}
        for layer in range(1, self.layers):
            tree[f"layer_{layer}"] = shapes(self.width, self.width)
        return tree | {"head": {"kernel": (self.width, self.outputs), "bias": (self.outputs,)}}


def dropout(key: Key, rate: Array, x: Array) -> Array:
    """Zero each entry of `x` `(batch, ..., units)` with probability `rate`, scale up the rest.

    The draw runs over units first, so that unit k of a padded layer draws what unit k of the same
    layer draws without padding (threefry numbers depend on the position alone).
    """
    draws = jax.random.uniform(key, (x.shape[-1], *x.shape[:-1]))
    keep = jnp.moveaxis(draws, 0, -1) >= rate
    return jnp.where(keep, x / (1.0 - rate), 0.0)


class RecurrentNetwork(nn.Module):
    """Cells lifted over time by `nn.scan`; the head reads the last step.

    Units that start with zero weights stay exactly zero: both cells put out zero for them, so
    every gradient that touches them is zero. That is what lets narrow members live in wide arrays.
    """

    architecture: Architecture

    @nn.compact
    def __call__(self, inputs: Array, rate: Array | float = 0.0, key: Key | None = None) -> Array:
        """Outputs of the head, `(batch, outputs)`, for inputs `(batch, time, inputs)`.

        Args:
            inputs: Real numbers, standardised.
            rate: Dropout probability in [0, 1) between layers and before the head.
            key: Randomness of dropout; without one nothing is dropped.
        """
        arch = self.architecture
        cell = CELLS[arch.cell]
        zeros = (jnp.zeros((inputs.shape[0], arch.width)),) * cell.STATES
        over_time = nn.scan(
            cell, variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1
        )
        x = inputs  # (batch, time, features)
        last = zeros[0]
        for layer in range(arch.layers):
            (last, *_), x = over_time(units=arch.width, name=f"layer_{layer}")(zeros, x)
            if key is not None and layer < arch.layers - 1:
                x = dropout(jax.random.fold_in(key, layer), jnp.asarray(rate), x)
        if key is not None:
            last = dropout(jax.random.fold_in(key, arch.layers), jnp.asarray(rate), last)
        head = nn.Dense(arch.outputs, kernel_init=shape_only, bias_init=shape_only, name="head")
        return head(last)
