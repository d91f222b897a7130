"""One step of each cell, and the factors that gradients are multiplied by on the way back.

A step takes `x`, the map of its input with all biases, and `s`, the map of the state, both
`(batch, gates * units)`. Given the gradient of the new state, the gradient of every sum that a gate
is applied to is that gradient times a factor known on the way forwards: the chain rule needs no
activation and no sum a second time. With an activation a of slope a', and an output activation b,
the factors are

    LSTM        c' = f c + i g      h' = o b(c')         dc' also gets dh' o b'(c')
                i: g i (1 - i)      f: c f (1 - f)       g: i a'              times dc'
                o: b(c') o (1 - o)                                            times dh'
                and dc = dc' f
    GRU         n = a(x + r q)      h' = (1 - z) n + z h          q = s + candidate bias
                n: k = (1 - z) a'   z: (h - n) z (1 - z)    r: k q r (1 - r)    times dh'
                and dh = dh' z + ..., where the sum of n reaches the state r times as strong
    simple      h' = a(x + s)       n: a'                                     times dh'
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.activations import activate
from jaxrnn.network.cells import Carry
from jaxrnn.types import Array, Number


class Activation(NamedTuple):
    """The activation of a member, and its derivative.

    Attributes:
        names: Activations that are compiled.
        choice: Position of the member's in `jaxrnn.configuration.activations.ACTIVATIONS`, `()`.
        mask: 1 for a member's true units and 0 for padding, `(units,)`.
    """

    names: tuple[str, ...]
    choice: Number
    mask: Array

    @property
    def is_tanh(self) -> bool:
        """True if no other activation is compiled."""
        return self.names == ("tanh",)

    def __call__(self, x: Array) -> Array:
        """Apply the activation."""
        return activate(self.names, self.choice, x, self.mask)

    def with_slope(self, x: Array) -> tuple[Array, Array]:
        """Return values and derivative, both in the shape of `x`."""
        if self.is_tanh:
            y = jnp.tanh(x)
            return y, 1 - y * y
        return jax.jvp(self, (x,), (jnp.ones_like(x),))


class CellFunctions(NamedTuple):
    """The functions of a layer that its steps apply to the sums of the maps.

    Attributes:
        activation: Activation of the candidate, or of the state of a simple network.
        output: Activation of an LSTM's cell state at the output gate.
        bias: Bias of a GRU's candidate within the reset, `(units,)`; None for other cells.
    """

    activation: Activation
    output: Activation
    bias: Array | None


class CellVJP(NamedTuple):
    """A cell's step in both directions.

    Attributes:
        forwards: Function of (functions, x, s, carry) that returns the next carry, the gate
            factors `(batch, gates * units)`, and the carry factors: two arrays side by side,
            `(batch, 2 * units)`, or none, `(batch, 0)`.
        backwards: Function of (gate factors, carry factors, gradient of the next carry) that
            returns the gradient of x, and that of the carry past the map of the state.
        state_gradient: Function of (gradient of x, carry factors) that returns the gradient of s,
            for any leading axes.
    """

    forwards: Callable[[CellFunctions, Array, Array, Carry], tuple[Carry, Array, Array]]
    backwards: Callable[[Array, Array, Carry], tuple[Array, Carry]]
    state_gradient: Callable[[Array, Array], Array]


def _join(*parts: Array) -> Array:
    return jnp.concatenate(parts, axis=-1)


def _squash(x: Array, sigmoids: tuple[bool, ...]) -> list[Array]:
    """Apply sigmoid or else tanh to gates, as one tanh: sigmoid(x) = (1 + tanh(x / 2)) / 2."""
    width = x.shape[-1] // len(sigmoids)
    half = np.repeat(np.where(sigmoids, np.float32(0.5), np.float32(0)), width)[None]
    scale = np.where(half > 0, half, np.float32(1))
    return jnp.split(jnp.tanh(x * scale) * scale + half, len(sigmoids), axis=-1)


def _lstm_gates(functions: CellFunctions, x: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return the gates i, f and o, then the candidate g and its slope."""
    if functions.activation.is_tanh:
        i, f, g, o = _squash(x, (True, True, False, True))
        return i, f, o, g, 1 - g * g
    i, f, g, o = jnp.split(x, 4, axis=-1)
    i, f, o = (_squash(gate, (True,))[0] for gate in (i, f, o))
    return i, f, o, *functions.activation.with_slope(g)


def _lstm(functions: CellFunctions, x: Array, s: Array, carry: Carry) -> tuple[Carry, Array, Array]:
    i, f, o, g, slope = _lstm_gates(functions, x + s)
    before = carry[1]
    c = f * before + i * g
    out, out_slope = functions.output.with_slope(c)
    factors = _join(g * i * (1 - i), before * f * (1 - f), i * slope, out * o * (1 - o))
    return (o * out, c), factors, _join(o * out_slope, f)


def _lstm_backwards(factors: Array, carry_factors: Array, after: Carry) -> tuple[Array, Carry]:
    dh, dc = after
    to_c, f = jnp.split(carry_factors, 2, axis=-1)
    dc = dc + dh * to_c
    return _join(dc, dc, dc, dh) * factors, (jnp.zeros_like(dh), dc * f)


def _gru(functions: CellFunctions, x: Array, s: Array, carry: Carry) -> tuple[Carry, Array, Array]:
    assert functions.bias is not None
    (h,), units = carry, carry[0].shape[-1]
    r, z = _squash(x[:, : 2 * units] + s[:, : 2 * units], (True, True))
    q = s[:, 2 * units :] + functions.bias[None]
    n, slope = functions.activation.with_slope(x[:, 2 * units :] + r * q)
    k = (1 - z) * slope
    factors = _join(k * q * r * (1 - r), (h - n) * z * (1 - z), k)
    return ((1 - z) * n + z * h,), factors, _join(z, r)


def _gru_backwards(factors: Array, carry_factors: Array, after: Carry) -> tuple[Array, Carry]:
    (dh,) = after
    z, _ = jnp.split(carry_factors, 2, axis=-1)
    gates = factors.reshape(len(dh), 3, -1) * dh[:, None]
    return gates.reshape(factors.shape), (dh * z,)


def _gru_state_gradient(dx: Array, carry_factors: Array) -> Array:
    r = carry_factors[..., carry_factors.shape[-1] // 2 :]
    ones = jnp.ones_like(r)
    return dx * _join(ones, ones, r)


def _rnn(functions: CellFunctions, x: Array, s: Array, carry: Carry) -> tuple[Carry, Array, Array]:
    h, slope = functions.activation.with_slope(x + s)
    return (h,), slope, h[:, :0]


def _rnn_backwards(factors: Array, _: Array, after: Carry) -> tuple[Array, Carry]:
    (dh,) = after
    return dh * factors, (jnp.zeros_like(dh),)


CELL_VJPS = {
    "lstm": CellVJP(_lstm, _lstm_backwards, lambda dx, _: dx),
    "gru": CellVJP(_gru, _gru_backwards, _gru_state_gradient),
    "rnn": CellVJP(_rnn, _rnn_backwards, lambda dx, _: dx),
}
