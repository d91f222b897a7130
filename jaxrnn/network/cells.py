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
    """Return NaN of `shape`: Linen only needs shapes, `jaxrnn.network.initial` draws values."""
    del key
    return jnp.full(shape, jnp.nan, dtype)


class Constants(NamedTuple):
    """Values of a layer that are the same at every time step.

    Attributes:
        hp: Hyperparameters of the member.
        units: True units of the layer, `()`.
        dropout_mask: Factors of recurrent dropout, `(batch, units)`, or None.
    """

    hp: Hyperparameters
    units: Array
    dropout_mask: Array | None

    def mask(self, width: int) -> Array:
        """Return 1 for the member's true units and 0 for padding, `(width,)`."""
        return (jnp.arange(width) < self.units).astype(jnp.float32)

    def layer_norm(self, scale: Array) -> LayerNorm:
        """Return the normalisation of a map whose gates have this `scale`, `(gates, units)`."""
        mask = self.mask(scale.shape[-1])
        return LayerNorm(jnp.asarray(self.hp.layer_norm), self.units, mask, scale)

    def drop_state(self, h: Array) -> Array:
        """Apply recurrent dropout to a state `(..., batch, units)` on its way to the next step."""
        return (
            h
            if self.dropout_mask is None
            else h * self.dropout_mask.reshape((1,) * (h.ndim - 2) + self.dropout_mask.shape)
        )


class Cell(nn.Module):
    """The part that all cells share: the two maps of the gates, and activations under a mask.

    Attributes:
        architecture: Architecture, for the code that is compiled.
        shapes: Shapes of the parameters, by name.
        has_custom_vjp: True if `jaxrnn.network.rnn_vjp` has its gradients. Calling the cell is its
            definition, which `nn.scan` lifts over time for cells without, and in tests.
    """

    has_custom_vjp: ClassVar[bool] = True
    architecture: Architecture
    shapes: tuple[tuple[str, Shape], ...]

    @nn.compact
    def parameters(self) -> dict[str, Array]:
        """Return the parameters of the layer by name."""
        return {name: self.param(name, shape_only, shape) for name, shape in self.shapes}

    def stop_gradient(self, carry: Carry, stop: Array | None) -> Carry:
        """Make the carry a constant for gradients if `stop` `()` is true."""
        if stop is None:
            return carry
        return tuple(jnp.where(stop, jax.lax.stop_gradient(state), state) for state in carry)

    def maps(
        self, weights: dict[str, Array], x: Array, h: Array, constants: Constants
    ) -> tuple[Array, Array]:
        """Compute the maps x W and h R, each `(batch, gates * units)`, normalised if compiled."""
        h = constants.drop_state(h)
        w, r = weights["input_kernel"], weights["recurrent_kernel"]
        from_input = x @ w.reshape(w.shape[0], -1)
        from_state = h @ r.reshape(r.shape[0], -1)
        if self.architecture.uses.layer_norm:
            from_input = constants.layer_norm(weights["input_scale"])(from_input)
            from_state = constants.layer_norm(weights["recurrent_scale"])(from_state)
        return from_input, from_state

    def activation(self, x: Array, constants: Constants) -> Array:
        """Apply the member's activation to `(batch, units)`."""
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
        """Compute one time step: carry (h, c), each `(batch, units)`; x `(batch, inputs)`."""
        weights = self.parameters()
        h, c = self.stop_gradient(carry, stop)
        from_input, from_state = self.maps(weights, x, h, constants)
        gates = from_input + from_state + weights["bias"].reshape(1, -1)
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
        """Compute one time step: carry (h,), `(batch, units)`; d is `candidate_bias`."""
        weights = self.parameters()
        (h,) = self.stop_gradient(carry, stop)
        from_input, from_state = self.maps(weights, x, h, constants)
        x_r, x_z, x_n = jnp.split(from_input + weights["bias"].reshape(1, -1), 3, axis=-1)
        h_r, h_z, h_n = jnp.split(from_state, 3, axis=-1)
        z = nn.sigmoid(x_z + h_z)
        reset = nn.sigmoid(x_r + h_r) * (h_n + weights["candidate_bias"][None])
        h = (1.0 - z) * self.activation(x_n + reset, constants) + z * h
        return (h,), h


class RNN(Cell):
    """Simple recurrent network (Elman 1990): h' = activation(x W + h R + b)."""

    def __call__(
        self, carry: Carry, x: Array, stop: Array | None, constants: Constants
    ) -> tuple[Carry, Array]:
        """Compute one time step: carry (h,), `(batch, units)`; x `(batch, inputs)`."""
        weights = self.parameters()
        (h,) = self.stop_gradient(carry, stop)
        from_input, from_state = self.maps(weights, x, h, constants)
        h = self.activation(from_input + from_state + weights["bias"].reshape(1, -1), constants)
        return (h,), h


CELLS: dict[str, type[LSTM] | type[GRU] | type[RNN]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
