"""One step of each cell, and what its gradients are multiplied by on the way back.

A step reads `x`, the map of its input with all biases, and `s`, the map of the state, both
`(batch, gates * units)`. Given the gradient of the new state, the gradient of every sum that a gate
is applied to is that gradient times a factor known on the way forwards: the chain rule needs no
activation, and no sum, again. With an activation a of slope a', and an output activation b, the
factors are

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
    """The activation of a member, and its slope.

    Attributes:
        names: Those that are compiled.
        number: `()`, the member's in `jaxrnn.configuration.activations`.
        mask: `(units,)`, 1 for a member's own units and 0 for padding.
    """

    names: tuple[str, ...]
    number: Number
    mask: Array

    @property
    def is_tanh(self) -> bool:
        """Whether it can be no other."""
        return self.names == ("tanh",)

    def __call__(self, x: Array) -> Array:
        """Its values."""
        return activate(self.names, self.number, x, self.mask)

    def with_slope(self, x: Array) -> tuple[Array, Array]:
        """Its values and its derivative, both in the shape of `x`."""
        if self.is_tanh:
            y = jnp.tanh(x)
            return y, 1 - y * y
        return jax.jvp(self, (x,), (jnp.ones_like(x),))


class Layer(NamedTuple):
    """What steps read of a layer besides their maps.

    Attributes:
        activation: Of the candidate, or of the state of a simple network.
        output: Of an LSTM's memory at the output gate.
        bias: `(units,)`, of a GRU's candidate within the reset; None for other cells.
    """

    activation: Activation
    output: Activation
    bias: Array | None


class Equations(NamedTuple):
    """A cell's step in both directions.

    Attributes:
        rest: States saved beside the factors, in units.
        forwards: (layer, x, s, carry) -> the next carry, factors `(batch, gates * units)`, and the
            rest, `(batch, rest * units)`.
        backwards: (factors, rest, gradient of the next carry) -> gradient of x, and of the carry
            past the map of the state.
        of_map: (gradient of x, rest) -> gradient of s, for any leading axes.
    """

    rest: int
    forwards: Callable[[Layer, Array, Array, Carry], tuple[Carry, Array, Array]]
    backwards: Callable[[Array, Array, Carry], tuple[Array, Carry]]
    of_map: Callable[[Array, Array], Array]


def _join(*parts: Array) -> Array:
    return jnp.concatenate(parts, axis=-1)


def _squash(x: Array, sigmoids: tuple[bool, ...]) -> list[Array]:
    """Gates after sigmoid or else tanh, as one tanh: sigmoid(x) = (1 + tanh(x / 2)) / 2."""
    width = x.shape[-1] // len(sigmoids)
    half = np.repeat(np.where(sigmoids, np.float32(0.5), np.float32(0)), width)[None]
    scale = np.where(half > 0, half, np.float32(1))
    return jnp.split(jnp.tanh(x * scale) * scale + half, len(sigmoids), axis=-1)


def _lstm_gates(layer: Layer, x: Array) -> tuple[Array, Array, Array, Array, Array]:
    """i, f and o, then g and its slope."""
    if layer.activation.is_tanh:
        i, f, g, o = _squash(x, (True, True, False, True))
        return i, f, o, g, 1 - g * g
    i, f, g, o = jnp.split(x, 4, axis=-1)
    i, f, o = (_squash(gate, (True,))[0] for gate in (i, f, o))
    return i, f, o, *layer.activation.with_slope(g)


def _lstm(layer: Layer, x: Array, s: Array, carry: Carry) -> tuple[Carry, Array, Array]:
    i, f, o, g, slope = _lstm_gates(layer, x + s)
    before = carry[1]
    c = f * before + i * g
    out, out_slope = layer.output.with_slope(c)
    factors = _join(g * i * (1 - i), before * f * (1 - f), i * slope, out * o * (1 - o))
    return (o * out, c), factors, _join(o * out_slope, f)


def _lstm_back(factors: Array, rest: Array, after: Carry) -> tuple[Array, Carry]:
    dh, dc = after
    to_c, f = jnp.split(rest, 2, axis=-1)
    dc = dc + dh * to_c
    return _join(dc, dc, dc, dh) * factors, (jnp.zeros_like(dh), dc * f)


def _gru(layer: Layer, x: Array, s: Array, carry: Carry) -> tuple[Carry, Array, Array]:
    assert layer.bias is not None
    (h,), units = carry, carry[0].shape[-1]
    r, z = _squash(x[:, : 2 * units] + s[:, : 2 * units], (True, True))
    q = s[:, 2 * units :] + layer.bias[None]
    n, slope = layer.activation.with_slope(x[:, 2 * units :] + r * q)
    k = (1 - z) * slope
    factors = _join(k * q * r * (1 - r), (h - n) * z * (1 - z), k)
    return ((1 - z) * n + z * h,), factors, _join(z, r)


def _gru_back(factors: Array, rest: Array, after: Carry) -> tuple[Array, Carry]:
    (dh,) = after
    z, _ = jnp.split(rest, 2, axis=-1)
    gates = factors.reshape(len(dh), 3, -1) * dh[:, None]
    return gates.reshape(factors.shape), (dh * z,)


def _gru_of_map(dx: Array, rest: Array) -> Array:
    r = rest[..., rest.shape[-1] // 2 :]
    one = jnp.ones_like(r)
    return dx * _join(one, one, r)


def _rnn(layer: Layer, x: Array, s: Array, carry: Carry) -> tuple[Carry, Array, Array]:
    h, slope = layer.activation.with_slope(x + s)
    return (h,), slope, h[:, :0]


def _rnn_back(factors: Array, _: Array, after: Carry) -> tuple[Array, Carry]:
    (dh,) = after
    return dh * factors, (jnp.zeros_like(dh),)


EQUATIONS = {
    "lstm": Equations(2, _lstm, _lstm_back, lambda dx, _: dx),
    "gru": Equations(2, _gru, _gru_back, _gru_of_map),
    "rnn": Equations(0, _rnn, _rnn_back, lambda dx, _: dx),
}
