"""LSTM, GRU and simple cells with fused gates: one matrix product per kernel and step.

Few large parameters instead of one per gate make every loop body and optimizer update shorter. The
arithmetic is that of Flax's `OptimizedLSTMCell`, `GRUCell` and `SimpleCell`.
"""

from typing import Any, ClassVar, NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrnn.configuration.activations import activate
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.layer_norm import LayerNorm
from jaxrnn.types import Array, Key, Shape

Carry: TypeAlias = tuple[Array, ...]


def shape_only(key: Key, shape: Shape, dtype: Any = jnp.float32) -> Array:
    """NaN of `shape`: Linen tells the shapes, the values are drawn by `jaxrnn.network.initial`."""
    del key
    return jnp.full(shape, jnp.nan, dtype)


class Constants(NamedTuple):
    """What a layer reads at every time step alike.

    Attributes:
        hp: The member's.
        units: `()`, its own units of this layer.
        keep: `(batch, units)` factors of recurrent dropout, or None.
    """

    hp: Hyperparameters
    units: Array
    keep: Array | None

    def mask(self, width: int) -> Array:
        """1 for the member's own units, 0 for padding, `(width,)`."""
        return (jnp.arange(width) < self.units).astype(jnp.float32)

    def layer_norm(self, scale: Array) -> LayerNorm:
        """The normalisation of a map whose gates have this `scale`, `(gates, units)`."""
        mask = self.mask(scale.shape[-1])
        return LayerNorm(jnp.asarray(self.hp.layer_norm), self.units, mask, scale)

    def kept(self, h: Array) -> Array:
        """The state `(..., batch, units)` on its way to the next step."""
        return (
            h if self.keep is None else h * self.keep.reshape((1,) * (h.ndim - 2) + self.keep.shape)
        )


class Cell(nn.Module):
    """What all cells share: the two maps that feed the gates, and activations under a mask.

    Attributes:
        architecture: Which code is compiled.
        shapes: Of the parameters, by name.
        written_out: Whether `jaxrnn.network.rnn_vjp` has its gradients. Calling the cell is its
            definition, which `nn.scan` lifts over time for cells that have none, and in tests.
    """

    written_out: ClassVar[bool] = True
    architecture: Architecture
    shapes: tuple[tuple[str, Shape], ...]

    @nn.compact
    def parameters(self) -> dict[str, Array]:
        """The layer's, by name."""
        return {name: self.param(name, shape_only, shape) for name, shape in self.shapes}

    def cut(self, carry: Carry, stop: Array | None) -> Carry:
        """The carry, a constant for gradients where `stop` `()` says so."""
        if stop is None:
            return carry
        return tuple(jnp.where(stop, jax.lax.stop_gradient(state), state) for state in carry)

    def maps(
        self, own: dict[str, Array], x: Array, h: Array, constants: Constants
    ) -> tuple[Array, Array]:
        """The maps x W and h R, each `(batch, gates * units)`, normalised if asked for."""
        h = constants.kept(h)
        w, r = own["input_kernel"], own["recurrent_kernel"]
        from_input = x @ w.reshape(w.shape[0], -1)
        from_state = h @ r.reshape(r.shape[0], -1)
        if self.architecture.uses.layer_norm:
            from_input = constants.layer_norm(own["input_scale"])(from_input)
            from_state = constants.layer_norm(own["recurrent_scale"])(from_state)
        return from_input, from_state

    def activation(self, x: Array, constants: Constants) -> Array:
        """The member's activation, of `(batch, units)`."""
        names, mask = self.architecture.activations, constants.mask(x.shape[-1])
        return activate(names, constants.hp.activation, x, mask)


class LSTM(Cell):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers 2000).

    i, f, o = sigmoid(x W + h R + b)        g = activation(x W + h R + b)
    c' = f * c + i * g                      h' = o * output_activation(c')
    """

    def __call__(
        self, carry: Carry, x: Array, stop: Array | None, constants: Constants
    ) -> tuple[Carry, Array]:
        """One time step: carry (h, c), each `(batch, units)`; x `(batch, inputs)`."""
        own = self.parameters()
        h, c = self.cut(carry, stop)
        from_input, from_state = self.maps(own, x, h, constants)
        gates = from_input + from_state + own["bias"].reshape(1, -1)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        c = nn.sigmoid(f) * c + nn.sigmoid(i) * self.activation(g, constants)
        names, index = self.architecture.output_activations, constants.hp.output_activation
        h = nn.sigmoid(o) * activate(names, index, c, constants.mask(c.shape[-1]))
        return (h, c), h


class GRU(Cell):
    """Gated recurrent unit (Cho et al. 2014, with the reset after the product as in cuDNN).

    r, z = sigmoid(x W + h R + b)
    n = activation(x W + b + r * (h R + d))     h' = (1 - z) * n + z * h
    """

    def __call__(
        self, carry: Carry, x: Array, stop: Array | None, constants: Constants
    ) -> tuple[Carry, Array]:
        """One time step: carry (h,), `(batch, units)`; d is the parameter `candidate_bias`."""
        own = self.parameters()
        (h,) = self.cut(carry, stop)
        from_input, from_state = self.maps(own, x, h, constants)
        x_r, x_z, x_n = jnp.split(from_input + own["bias"].reshape(1, -1), 3, axis=-1)
        h_r, h_z, h_n = jnp.split(from_state, 3, axis=-1)
        z = nn.sigmoid(x_z + h_z)
        reset = nn.sigmoid(x_r + h_r) * (h_n + own["candidate_bias"][None])
        h = (1.0 - z) * self.activation(x_n + reset, constants) + z * h
        return (h,), h


class RNN(Cell):
    """Simple recurrent network (Elman 1990): h' = activation(x W + h R + b)."""

    def __call__(
        self, carry: Carry, x: Array, stop: Array | None, constants: Constants
    ) -> tuple[Carry, Array]:
        """One time step: carry (h,), `(batch, units)`; x `(batch, inputs)`."""
        own = self.parameters()
        (h,) = self.cut(carry, stop)
        from_input, from_state = self.maps(own, x, h, constants)
        h = self.activation(from_input + from_state + own["bias"].reshape(1, -1), constants)
        return (h,), h


CELLS: dict[str, type[LSTM] | type[GRU] | type[RNN]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
