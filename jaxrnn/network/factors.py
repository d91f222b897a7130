"""One step of each plain cell, and what its gradients are multiplied by on the way back.

A step reads `x`, the map of its input with all biases, and `s`, the map of the state, both
`(batch, gates * units)`. Given the gradient of the new state, the gradient of every sum that a gate
is applied to is that gradient times a factor known on the way forwards: the chain rule needs no
activation, and no sum, again. The factors are

    LSTM        c' = f c + i g      h' = o tanh(c')      dc' also gets dh' o (1 - tanh(c')^2)
                i: g i (1 - i)      f: c f (1 - f)       g: i (1 - g^2)       times dc'
                o: tanh(c') o (1 - o)                                         times dh'
                and dc = dc' f
    GRU         n = tanh(x + r q)   h' = (1 - z) n + z h          q = s + candidate bias
                n: k = (1 - z) (1 - n^2)    z: (h - n) z (1 - z)    r: k q r (1 - r)    times dh'
                and dh = dh' z + ..., where the sum of n reaches the state r times as strong
    simple      n: 1 - h'^2                                                   times dh'
"""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.network.cells import Carry
from jaxrnn.types import Array


class Way(NamedTuple):
    """A cell's step in both directions.

    Attributes:
        rest: States saved beside the factors, in units.
        forwards: (x, s, carry, candidate bias) -> the next carry, factors `(batch, gates * units)`,
            and the rest, `(batch, rest * units)`.
        backwards: (factors, rest, gradient of the next carry) -> gradient of x, and of the carry
            past the map of the state.
        of_map: (gradient of x, rest) -> gradient of s, for any leading axes.
    """

    rest: int
    forwards: Callable[[Array, Array, Carry, Array | None], tuple[Carry, Array, Array]]
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


def _lstm(x: Array, s: Array, carry: Carry, _: Array | None) -> tuple[Carry, Array, Array]:
    i, f, g, o = _squash(x + s, (True, True, False, True))
    before = carry[1]
    c = f * before + i * g
    out = jnp.tanh(c)
    factors = _join(g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), out * o * (1 - o))
    return (o * out, c), factors, _join(o * (1 - out * out), f)


def _lstm_back(factors: Array, rest: Array, after: Carry) -> tuple[Array, Carry]:
    dh, dc = after
    to_c, f = jnp.split(rest, 2, axis=-1)
    dc = dc + dh * to_c
    return _join(dc, dc, dc, dh) * factors, (jnp.zeros_like(dh), dc * f)


def _gru(x: Array, s: Array, carry: Carry, bias: Array | None) -> tuple[Carry, Array, Array]:
    assert bias is not None
    (h,), units = carry, carry[0].shape[-1]
    r, z = _squash(x[:, : 2 * units] + s[:, : 2 * units], (True, True))
    q = s[:, 2 * units :] + bias[None]
    n = jnp.tanh(x[:, 2 * units :] + r * q)
    k = (1 - z) * (1 - n * n)
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


def _rnn(x: Array, s: Array, carry: Carry, _: Array | None) -> tuple[Carry, Array, Array]:
    h = jnp.tanh(x + s)
    return (h,), 1 - h * h, h[:, :0]


def _rnn_back(factors: Array, _: Array, after: Carry) -> tuple[Array, Carry]:
    (dh,) = after
    return dh * factors, (jnp.zeros_like(dh),)


WAYS = {
    "lstm": Way(2, _lstm, _lstm_back, lambda dx, _: dx),
    "gru": Way(2, _gru, _gru_back, _gru_of_map),
    "rnn": Way(0, _rnn, _rnn_back, lambda dx, _: dx),
}
