"""Back-propagation through time written out (Werbos 1990).

It computes what differentiating the scan of `jaxrnn.network.cells` does, in fewer and larger steps:
inputs are mapped for all times at once, gradients of kernels are one matrix product over all times,
and the backward loop multiplies by factors that the forward loop saved, see `cell_vjps`.

One buffer serves three times: it holds the mapped inputs, then the factors, then their gradients.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp

from jaxrnn.network.affine import affine, kernel_gradient
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.cell_vjps import EQUATIONS, Activation, Equations, Layer
from jaxrnn.network.cells import Carry, Constants
from jaxrnn.network.in_place import at, put
from jaxrnn.network.layer_norm import LayerNorm, Normalised
from jaxrnn.types import Array

Weights: TypeAlias = dict[str, Array]
OF_STATE = frozenset({"recurrent_kernel", "recurrent_scale", "candidate_bias"})
"""Names of the weights that `read` takes; the others are those of `mapped`."""


class Form(NamedTuple):
    """What is fixed when a layer is compiled.

    Attributes:
        architecture: Cell, activations, and whether maps are normalised.
        unroll: Time steps in a turn of the loops.
    """

    architecture: Architecture
    unroll: int = 1


class Saved(NamedTuple):
    """What the way back needs of every step, `(time, batch, ...)`.

    Attributes:
        factors: `(gates * units)`, see `jaxrnn.network.cell_vjps`.
        rest: States saved beside them, `(rest * units)`.
        output: `(units)`.
        normalised: The map of the state; None without layer normalisation.
    """

    factors: Array
    rest: Array
    output: Array
    normalised: Normalised | None


@dataclass(frozen=True)
class Recurrence:
    """A layer as its steps see it.

    Attributes:
        form: Fixed when it is compiled.
        weights: What maps the state, with all that belongs to the gates.
        constants: What every step reads alike.
    """

    form: Form
    weights: Weights
    constants: Constants

    @property
    def equations(self) -> Equations:
        """Of the cell."""
        return EQUATIONS[self.form.architecture.cell]

    @property
    def kernel(self) -> Array:
        """The recurrent kernel, `(units, gates * units)`."""
        return _flat(self.weights["recurrent_kernel"])

    @property
    def norm(self) -> LayerNorm | None:
        """Of the map of the state."""
        if not self.form.architecture.uses.layer_norm:
            return None
        return self.constants.layer_norm(self.weights["recurrent_scale"])

    @property
    def layer(self) -> Layer:
        """What the equations read."""
        arch, numbers = self.form.architecture, self.constants.hp
        mask = self.constants.mask(self.weights["recurrent_kernel"].shape[0])
        return Layer(
            Activation(arch.activations, numbers.activation, mask),
            Activation(arch.output_activations, numbers.output_activation, mask),
            self.weights.get("candidate_bias"),
        )

    def step(self, carry: Carry, x: Array) -> tuple[Carry, Saved]:
        """The next state, and what the way back needs of the step; x `(batch, gates * units)`."""
        s, normalised = self.constants.kept(carry[0]) @ self.kernel, None
        if self.norm is not None:
            normalised = self.norm.normalise(s)
            s = self.norm.scaled(s, normalised)
        carry, factors, rest = self.equations.forwards(self.layer, x, s, carry)
        return carry, Saved(factors, rest, carry[0], normalised)

    def of_state_map(self, dx: Array, rest: Array, normalised: Normalised | None) -> Array:
        """The gradient of the map of the state from that of the inputs', for any leading axes."""
        ds = self.equations.of_map(dx, rest)
        if self.norm is None or normalised is None:
            return ds
        return self.norm.backwards(ds, normalised)


def layer(
    form: Form,
    weights: Weights,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
) -> tuple[Carry, Array]:
    """The last state, and the outputs `(time, batch, units)`.

    Args:
        form: Fixed when it is compiled.
        weights: All of the layer, by name.
        carry: The state before the first step.
        x: `(time, batch, inputs)`.
        stop_gradient_at: `(time,)` bool, steps whose incoming state is a constant, or None.
        constants: What every step reads alike; without a gradient.
    """
    return traced(form)(weights, carry, x, stop_gradient_at, constants)


@lru_cache(16)
def traced(form: Form) -> Callable[..., tuple[Carry, Array]]:
    """`layer`, traced once for all layers, directions and chunks that are alike.

    What is traced is kept until `traced.cache_clear()`.
    """

    def layer(
        weights: Weights,
        carry: Carry,
        x: Array,
        stop_gradient_at: Array | None,
        constants: Constants,
    ) -> tuple[Carry, Array]:
        inputs = mapped(form, weights, x, stop_gradient_at, constants)
        of_state = {name: weights[name] for name in weights if name in OF_STATE}
        given = form, of_state, carry, inputs, stop_gradient_at, constants
        return cast(tuple[Carry, Array], read(*given))

    return jax.jit(layer, inline=True)


def mapped(
    form: Form, weights: Weights, x: Array, stop_gradient_at: Array | None, constants: Constants
) -> Array:
    """The inputs `(time, batch, inputs)` as gates see them, `(time, batch, gates * units)`.

    The other arguments are those of `layer`.
    """
    if stop_gradient_at is not None:
        # Under a `vmap` over `stops` all that follows is theirs, or JAX would add up gradients
        # before they are cut.
        x = jnp.where(stop_gradient_at.any(), x, x)
    kernel, bias = _flat(weights["input_kernel"]), weights["bias"].reshape(-1)
    if form.architecture.uses.layer_norm:
        norm = constants.layer_norm(weights["input_scale"])
        return norm(x @ kernel) + bias.reshape(1, 1, -1)
    return affine(x, kernel, bias)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def read(
    form: Form,
    weights: Weights,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
) -> tuple[Carry, Array]:
    """As `layer`, for x that `mapped` made of the inputs, and the weights of the state alone."""
    del stop_gradient_at
    recurrence = Recurrence(form, weights, constants)

    # A loop of the same kind as with gradients: JAX mixes up the axes of lanes of two kinds.
    def step(t: Array, carried: tuple[Carry, Array]) -> tuple[Carry, Array]:
        carry, y = carried
        carry, _ = recurrence.step(carry, at(x, t))
        return carry, put(y, carry[0], t)

    room = jnp.zeros((len(x), *carry[0].shape), carry[0].dtype)
    return jax.lax.fori_loop(0, len(x), step, (carry, room), unroll=form.unroll)


def _forwards(
    form: Form,
    weights: Weights,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
) -> tuple[tuple[Carry, Array], Any]:
    recurrence = Recurrence(form, weights, constants)

    def step(t: Array, carried: tuple[Carry, Saved]) -> tuple[Carry, Saved]:
        carry, saved = carried
        carry, own = recurrence.step(carry, at(saved.factors, t))
        return carry, jax.tree.map(lambda rows, row: put(rows, row, t), saved, own)

    _, shapes = jax.eval_shape(recurrence.step, carry, x[0])
    room = jax.tree.map(lambda leaf: jnp.zeros((len(x), *leaf.shape), leaf.dtype), shapes)
    begin = carry, room._replace(factors=x)
    last, saved = jax.lax.fori_loop(0, len(x), step, begin, unroll=form.unroll)
    return (last, saved.output), (weights, carry, stop_gradient_at, constants, saved)


def _backwards(
    form: Form, residuals: Any, after: tuple[Carry, Array]
) -> tuple[Weights, Carry, Array, None, None]:
    weights, start, stops, constants, saved = residuals
    recurrence, (last, dy) = Recurrence(form, weights, constants), after
    # Once, not at every step.
    transposed = jax.lax.optimization_barrier(recurrence.kernel.T)

    def step(k: Array, carried: tuple[Carry, Array]) -> tuple[Carry, Array]:
        (dh, *others), buffer = carried
        t = len(dy) - 1 - k
        rest, normalised = jax.tree.map(lambda leaf: at(leaf, t), (saved.rest, saved.normalised))
        after = dh + at(dy, t), *others
        dx, (past, *others) = recurrence.equations.backwards(at(buffer, t), rest, after)
        # Written before it is read, or XLA would copy the whole buffer to keep the factors.
        buffer = jax.lax.optimization_barrier(put(buffer, dx, t))
        ds = recurrence.of_state_map(at(buffer, t), rest, normalised)
        before = past + constants.kept(ds @ transposed), *others
        if stops is not None:
            before = tuple(jnp.where(at(stops, t), 0.0, state) for state in before)
        return before, buffer

    begin = tuple(last), saved.factors
    first, dx = jax.lax.fori_loop(0, len(dy), step, begin, unroll=form.unroll)
    return _gradients(recurrence, start[0], saved, dx), first, dx, None, None


def _gradients(recurrence: Recurrence, start: Array, saved: Saved, dx: Array) -> Weights:
    """Of the weights, from those of the mapped inputs at all times."""
    weights, kept = recurrence.weights, recurrence.constants.kept
    ds = recurrence.of_state_map(dx, saved.rest, saved.normalised)
    states = kept(start), kept(saved.output[:-1])
    kernel = jax.lax.platform_dependent(*states, ds, cpu=_of_kernel_at_once, default=_of_kernel)
    found = {"recurrent_kernel": kernel.reshape(weights["recurrent_kernel"].shape)}
    scaled = recurrence.equations.of_map(dx, saved.rest)
    if (bias := weights.get("candidate_bias")) is not None:
        found["candidate_bias"] = scaled[..., -bias.shape[0] :].sum((0, 1))
    if recurrence.norm is not None and saved.normalised is not None:
        found["recurrent_scale"] = recurrence.norm.of_scale(scaled, saved.normalised)
    return found


def _of_kernel(first: Array, later: Array, ds: Array) -> Array:
    """The gradient of a kernel from that of its map, and the states that it mapped.

    The first and the later ones apart: on an accelerator one more array over time costs more than
    one more product.
    """
    return first.T @ ds[0] + kernel_gradient(later, ds[1:])


def _of_kernel_at_once(first: Array, later: Array, ds: Array) -> Array:
    """The same as one product of two matrices, which is what a CPU is fast at."""
    states = jnp.concatenate([first[None], later]).reshape(-1, first.shape[-1])
    return states.T @ ds.reshape(len(states), -1)


def _flat(kernel: Array) -> Array:
    return kernel.reshape(kernel.shape[0], -1)


read.defvjp(_forwards, _backwards)
