"""LSTM and GRU cells with fused gates: one matrix product per kernel and step.

Few large parameters instead of one per gate make every loop body, gather and optimizer update
shorter. The arithmetic is that of Flax's `OptimizedLSTMCell` and `GRUCell`.
"""

from typing import Any, ClassVar, TypeAlias

import flax.linen as nn
import jax.numpy as jnp

from jaxrnn.types import Array, Key

Carry: TypeAlias = tuple[Array, ...]
Shape: TypeAlias = tuple[int, ...]


def shape_only(key: Key, shape: Shape, dtype: Any = jnp.float32) -> Array:
    """NaN of `shape`: Linen tells the shapes, the values are drawn by `jaxrnn.initial`."""
    del key
    return jnp.full(shape, jnp.nan, dtype)


def flat_gates(kernel: Array) -> Array:
    """`(inputs, gates, units)` as the matrix `(inputs, gates * units)`."""
    return kernel.reshape(kernel.shape[0], -1)


class LSTM(nn.Module):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers 2000).

        i, f, o = sigmoid(x W + h R + b)        g = tanh(x W + h R + b)
        c' = f * c + i * g                      h' = o * tanh(c')

    Attributes:
        units: Width of the hidden state.
    """

    units: int
    GATE_BIAS: ClassVar[tuple[float, ...]] = (0.0, 1.0, 0.0, 0.0)
    """Where the biases of the gates i, f, g, o start; 1 keeps memory open (Jozefowicz 2015)."""
    STATES: ClassVar[int] = 2

    @staticmethod
    def shapes(inputs: int, units: int) -> dict[str, Shape]:
        """Shape of every parameter: kernels `(inputs, gates, units)`, bias `(gates, units)`."""
        return {
            "input_kernel": (inputs, 4, units),
            "recurrent_kernel": (units, 4, units),
            "bias": (4, units),
        }

    @nn.compact
    def __call__(self, carry: Carry, x: Array) -> tuple[Carry, Array]:
        """One time step: carry (h, c), each `(batch, units)`; x `(batch, inputs)`."""
        h, c = carry
        shapes = self.shapes(x.shape[-1], self.units)
        w, r, b = (self.param(name, shape_only, shape) for name, shape in shapes.items())
        gates = x @ flat_gates(w) + h @ flat_gates(r) + b.reshape(1, -1)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
        h = nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h


class GRU(nn.Module):
    """Gated recurrent unit (Cho et al. 2014, with the reset after the product as in cuDNN).

        r, z = sigmoid(x W + h R + b)
        n = tanh(x W + b + r * (h R + d))       h' = (1 - z) * n + z * h

    Attributes:
        units: Width of the hidden state.
    """

    units: int
    GATE_BIAS: ClassVar[tuple[float, ...]] = (0.0, 0.0, 0.0)
    """Where the biases of r, z, n start."""
    STATES: ClassVar[int] = 1

    @staticmethod
    def shapes(inputs: int, units: int) -> dict[str, Shape]:
        """Shape of every parameter; `candidate_bias` is d of the equations, `(units,)`."""
        return {
            "input_kernel": (inputs, 3, units),
            "recurrent_kernel": (units, 3, units),
            "bias": (3, units),
            "candidate_bias": (units,),
        }

    @nn.compact
    def __call__(self, carry: Carry, x: Array) -> tuple[Carry, Array]:
        """One time step: carry (h,), `(batch, units)`; x `(batch, inputs)`."""
        (h,) = carry
        shapes = self.shapes(x.shape[-1], self.units)
        w, r, b, d = (self.param(name, shape_only, shape) for name, shape in shapes.items())
        x_r, x_z, x_n = jnp.split(x @ flat_gates(w) + b.reshape(1, -1), 3, axis=-1)
        h_r, h_z, h_n = jnp.split(h @ flat_gates(r), 3, axis=-1)
        z = nn.sigmoid(x_z + h_z)
        n = jnp.tanh(x_n + nn.sigmoid(x_r + h_r) * (h_n + d[None]))
        h = (1.0 - z) * n + z * h
        return (h,), h


CELLS: dict[str, type[LSTM] | type[GRU]] = {"lstm": LSTM, "gru": GRU}
