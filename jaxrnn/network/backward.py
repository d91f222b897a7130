"""Back-propagation through time written out (Werbos 1990), for cells whose activations are tanh.

It computes what differentiating the scan of `jaxrnn.network.cells` does, in fewer and larger steps:
inputs are mapped for all times at once, gradients of kernels are one matrix product over all times,
and the loop back multiplies by factors that the loop forwards saved, see `jaxrnn.network.factors`.

One buffer serves three times: it holds the mapped inputs, then the factors, then their gradients.
"""

from functools import partial
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxrnn.network.cells import Carry
from jaxrnn.network.factors import WAYS
from jaxrnn.types import Array

Own: TypeAlias = dict[str, Array]
Saved: TypeAlias = tuple[Own, Carry, Array, Array | None, Array, Array, Array]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def read(cell: str, own: Own, carry: Carry, x: Array, keep: Array | None) -> tuple[Carry, Array]:
    """The last state, and the outputs `(time, batch, units)`.

    Args:
        cell: A name of `WAYS`.
        own: Parameters of the layer.
        carry: The state before the first step.
        x: `(time, batch, inputs)`.
        keep: `(batch, units)` factors of recurrent dropout, or None; without a gradient.
    """
    kernel, way = _flat(own["recurrent_kernel"]), WAYS[cell]

    def one(carry: Carry, mapped: Array) -> tuple[Carry, Array]:
        s = _kept(carry[0], keep) @ kernel
        carry, _, _ = way.forwards(mapped, s, carry, own.get("candidate_bias"))
        return carry, carry[0]

    return jax.lax.scan(one, carry, _mapped(own, x))


def _forwards(
    cell: str, own: Own, carry: Carry, x: Array, keep: Array | None
) -> tuple[tuple[Carry, Array], Saved]:
    kernel, way = _flat(own["recurrent_kernel"]), WAYS[cell]
    (batch, units), time = carry[0].shape, len(x)

    def one(
        t: Array, carried: tuple[Carry, Array, Array, Array]
    ) -> tuple[Carry, Array, Array, Array]:
        carry, buffer, rests, y = carried
        s = _kept(carry[0], keep) @ kernel
        carry, factors, rest = way.forwards(_at(buffer, t), s, carry, own.get("candidate_bias"))
        return carry, _set(buffer, factors, t), _set(rests, rest, t), _set(y, carry[0], t)

    rests, y = jnp.zeros((time, batch, way.rest * units)), jnp.zeros((time, batch, units))
    final, factors, rests, y = jax.lax.fori_loop(0, time, one, (carry, _mapped(own, x), rests, y))
    return (final, y), (own, carry, x, keep, factors, rests, y)


def _backwards(
    cell: str, saved: Saved, after: tuple[Carry, Array]
) -> tuple[Own, Carry, Array, None]:
    own, start, x, keep, factors, rests, y = saved
    kernel, way, (last, dy) = _flat(own["recurrent_kernel"]), WAYS[cell], after

    def one(k: Array, carried: tuple[Carry, Array]) -> tuple[Carry, Array]:
        (dh, *others), buffer = carried
        t = len(x) - 1 - k
        rest, dh = _at(rests, t), dh + _at(dy, t)
        dx, (past, *others) = way.backwards(_at(buffer, t), rest, (dh, *others))
        # Written before it is read, or XLA would copy the whole buffer to keep the factors.
        buffer = jax.lax.optimization_barrier(_set(buffer, dx, t))
        ds = way.of_map(_at(buffer, t), rest)
        return (past + _kept(ds @ transposed, keep), *others), buffer

    # Once, not at every step.
    transposed = jax.lax.optimization_barrier(kernel.T)
    first, dx = jax.lax.fori_loop(0, len(x), one, (last, factors))
    ds = way.of_map(dx, rests)
    before = jnp.concatenate([start[0][None], y[:-1]])
    before = before if keep is None else before * keep[None]
    return _gradients(own, x, before, dx, ds), first, dx @ _flat(own["input_kernel"]).T, None


def _gradients(own: Own, x: Array, before: Array, dx: Array, ds: Array) -> Own:
    """Of the parameters, from those of both maps at all times, `(time, batch, gates * units)`."""
    w, r = own["input_kernel"], own["recurrent_kernel"]
    dx, ds = dx.reshape(-1, dx.shape[-1]), ds.reshape(-1, ds.shape[-1])
    found = {
        "input_kernel": (x.reshape(-1, x.shape[-1]).T @ dx).reshape(w.shape),
        "recurrent_kernel": (before.reshape(-1, before.shape[-1]).T @ ds).reshape(r.shape),
        "bias": dx.sum(0).reshape(own["bias"].shape),
    }
    if "candidate_bias" in own:
        found["candidate_bias"] = ds[:, -r.shape[-1] :].sum(0)
    return found


# Indices are known to lie within, which `x[t]` and `x.at[t].set` would check at every step.
_at = partial(jax.lax.dynamic_index_in_dim, keepdims=False, allow_negative_indices=False)
_set = partial(jax.lax.dynamic_update_index_in_dim, axis=0, allow_negative_indices=False)


def _mapped(own: Own, x: Array) -> Array:
    return x @ _flat(own["input_kernel"]) + own["bias"].reshape(1, 1, -1)


def _flat(kernel: Array) -> Array:
    return kernel.reshape(len(kernel), -1)


def _kept(h: Array, keep: Array | None) -> Array:
    return h if keep is None else h * keep


read.defvjp(_forwards, _backwards)
