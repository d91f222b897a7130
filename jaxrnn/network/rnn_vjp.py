"""Back-propagation through time written out (Werbos 1990).

It computes what differentiating the scan of `jaxrnn.network.cells` does, in fewer and larger steps:
inputs are mapped for all times at once, gradients of kernels are one matrix product over all times,
and the backward loop multiplies by factors that the forward loop saved, see `cell_vjps`.

One buffer serves three times: it holds the mapped inputs, then the gate factors, then the gradients
of the mapped inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, TypeAlias, cast

import jax
import jax.numpy as jnp

from jaxrnn.network.affine import affine, kernel_gradient
from jaxrnn.network.architecture import Architecture
from jaxrnn.network.cell_vjps import CELL_VJPS, Activation, CellFunctions, CellVJP
from jaxrnn.network.cells import Carry, Constants
from jaxrnn.network.in_place import at, put
from jaxrnn.network.layer_norm import LayerNorm, Normalised
from jaxrnn.types import Array

Weights: TypeAlias = dict[str, Array]
STATE_WEIGHTS = frozenset({"recurrent_kernel", "recurrent_scale", "candidate_bias"})
"""Names of the weights that `run_recurrence` takes; `map_inputs` takes the others."""


class StaticArguments(NamedTuple):
    """What is fixed when a layer is compiled.

    Attributes:
        architecture: Architecture, for its cell, activations and layer normalisation.
        unroll: Time steps per iteration of the loops.
    """

    architecture: Architecture
    unroll: int = 1


class Residuals(NamedTuple):
    """What the way back needs of every step.

    Attributes:
        gate_factors: Factors of the gates' gradients, `(time, batch, gates * units)`, see
            `jaxrnn.network.cell_vjps`.
        carry_factors: Factors of the carry's gradients, `(time, batch, ...)`.
        output: Outputs, `(time, batch, units)`.
        normalised: Normalised map of the state; None without layer normalisation.
    """

    gate_factors: Array
    carry_factors: Array
    output: Array
    normalised: Normalised | None


@dataclass(frozen=True)
class Recurrence:
    """The recurrent part of a layer.

    Attributes:
        static: What is fixed when it is compiled.
        weights: Weights of the map of the state, by name.
        constants: Values that are the same at every step.
    """

    static: StaticArguments
    weights: Weights
    constants: Constants

    @property
    def cell_vjp(self) -> CellVJP:
        """Equations of the cell."""
        return CELL_VJPS[self.static.architecture.cell]

    @property
    def kernel(self) -> Array:
        """The recurrent kernel, `(units, gates * units)`."""
        return _flat(self.weights["recurrent_kernel"])

    @property
    def norm(self) -> LayerNorm | None:
        """Normalisation of the map of the state; None without."""
        if not self.static.architecture.uses.layer_norm:
            return None
        return self.constants.layer_norm(self.weights["recurrent_scale"])

    @property
    def functions(self) -> CellFunctions:
        """Activations and bias, as the equations take them."""
        arch, hp = self.static.architecture, self.constants.hp
        mask = self.constants.mask(self.weights["recurrent_kernel"].shape[0])
        return CellFunctions(
            Activation(arch.activations, hp.activation, mask),
            Activation(arch.output_activations, hp.output_activation, mask),
            self.weights.get("candidate_bias"),
        )

    def step(self, carry: Carry, x: Array) -> tuple[Carry, Residuals]:
        """Compute the next state, and the residuals of the step; x `(batch, gates * units)`."""
        s, normalised = self.constants.drop_state(carry[0]) @ self.kernel, None
        if self.norm is not None:
            normalised = self.norm.normalise(s)
            s = self.norm.scaled(s, normalised)
        carry, gates, states = self.cell_vjp.forwards(self.functions, x, s, carry)
        return carry, Residuals(gates, states, carry[0], normalised)

    def state_gradient(
        self, dx: Array, carry_factors: Array, normalised: Normalised | None
    ) -> Array:
        """Turn the gradient of the inputs' map into that of the state's, for any leading axes."""
        ds = self.cell_vjp.state_gradient(dx, carry_factors)
        if self.norm is None or normalised is None:
            return ds
        return self.norm.backwards(ds, normalised)


def run_layer(
    static: StaticArguments,
    weights: Weights,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    longest: Array | None = None,
) -> tuple[Carry, Array]:
    """Run one direction of a layer over all time steps, or as many as are not padding.

    Args:
        static: What is fixed when it is compiled.
        weights: All weights of the layer, by name.
        carry: State before the first step.
        x: Inputs, `(time, batch, inputs)`.
        stop_gradient_at: Steps whose incoming state is a constant, `(time,)` bool, or None.
        constants: Values that are the same at every step; without a gradient.
        longest: Steps of the longest sequence, `()` int32, the same for all lanes; None for `time`.

    Returns:
        The last state, and the outputs `(time, batch, units)`, 0 at steps that were not run.
    """
    return traced_layer(static)(weights, carry, x, stop_gradient_at, constants, longest)


@lru_cache(16)
def traced_layer(static: StaticArguments) -> Callable[..., tuple[Carry, Array]]:
    """Return `run_layer`, traced once for all layers and directions that are alike.

    Traces are kept until `traced_layer.cache_clear()`.
    """

    def layer(
        weights: Weights,
        carry: Carry,
        x: Array,
        stop_gradient_at: Array | None,
        constants: Constants,
        longest: Array | None,
    ) -> tuple[Carry, Array]:
        mapped = map_inputs(static, weights, x, stop_gradient_at, constants)
        state_weights = {name: weights[name] for name in weights if name in STATE_WEIGHTS}
        arguments = static, state_weights, carry, mapped, stop_gradient_at, constants, longest
        return cast(tuple[Carry, Array], run_recurrence(*arguments))

    return jax.jit(layer, inline=True)


def map_inputs(
    static: StaticArguments,
    weights: Weights,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
) -> Array:
    """Map inputs `(time, batch, inputs)` to `(time, batch, gates * units)`, with all biases.

    Arguments are those of `run_layer`.
    """
    if stop_gradient_at is not None:
        # Under a `vmap` over `stop_gradient_at` this gives x the axis of lanes, or JAX would add up
        # gradients over lanes before they are cut.
        x = jnp.where(stop_gradient_at.any(), x, x)
    kernel, bias = _flat(weights["input_kernel"]), weights["bias"].reshape(-1)
    if static.architecture.uses.layer_norm:
        norm = constants.layer_norm(weights["input_scale"])
        return norm(x @ kernel) + bias.reshape(1, 1, -1)
    return affine(x, kernel, bias)


def loop_end(static: StaticArguments, time: int, longest: Array | None) -> int | Array:
    """Return the number of turns of a loop over `time` steps.

    Padding behind the longest sequence is left out where loops are not unrolled. The others, as on
    accelerators, have a number of turns that is compiled: a GPU would ask the host before each.
    """
    return time if longest is None or static.unroll > 1 else longest


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def run_recurrence(
    static: StaticArguments,
    weights: Weights,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    longest: Array | None,
) -> tuple[Carry, Array]:
    """Run the recurrent part of `run_layer`: x is mapped, and `weights` are those of the state."""
    del stop_gradient_at
    recurrence = Recurrence(static, weights, constants)

    # This is the same kind of loop as with gradients: JAX mixes up the axes of lanes of two kinds.
    def step(t: Array, loop: tuple[Carry, Array]) -> tuple[Carry, Array]:
        carry, y = loop
        carry, _ = recurrence.step(carry, at(x, t))
        return carry, put(y, carry[0], t)

    y, end = jnp.zeros((len(x), *carry[0].shape), carry[0].dtype), loop_end(static, len(x), longest)
    return jax.lax.fori_loop(0, end, step, (carry, y), unroll=static.unroll)


def _forwards(
    static: StaticArguments,
    weights: Weights,
    carry: Carry,
    x: Array,
    stop_gradient_at: Array | None,
    constants: Constants,
    longest: Array | None,
) -> tuple[tuple[Carry, Array], Any]:
    recurrence, end = Recurrence(static, weights, constants), loop_end(static, len(x), longest)

    def step(t: Array, loop: tuple[Carry, Residuals]) -> tuple[Carry, Residuals]:
        carry, saved = loop
        carry, residuals = recurrence.step(carry, at(saved.gate_factors, t))
        return carry, jax.tree.map(lambda rows, row: put(rows, row, t), saved, residuals)

    _, shapes = jax.eval_shape(recurrence.step, carry, x[0])
    empty = jax.tree.map(lambda leaf: jnp.zeros((len(x), *leaf.shape), leaf.dtype), shapes)
    if longest is not None and end is longest:  # steps that never run have no gradient
        x = jnp.where((jnp.arange(len(x)) < longest)[:, None, None], x, 0.0)
    begin = carry, empty._replace(gate_factors=x)
    last, saved = jax.lax.fori_loop(0, end, step, begin, unroll=static.unroll)
    return (last, saved.output), (weights, carry, stop_gradient_at, constants, longest, saved)


def _backwards(
    static: StaticArguments, saved_values: Any, gradients: tuple[Carry, Array]
) -> tuple[Weights, Carry, Array, None, None, None]:
    weights, start, stops, constants, longest, saved = saved_values
    recurrence, (last, dy) = Recurrence(static, weights, constants), gradients
    end = loop_end(static, len(dy), longest)
    # The barrier has it transposed once, not at every step.
    transposed = jax.lax.optimization_barrier(recurrence.kernel.T)

    def step(k: Array, loop: tuple[Carry, Array]) -> tuple[Carry, Array]:
        (dh, *others), buffer = loop
        t = end - 1 - k
        factors, normalised = jax.tree.map(
            lambda leaf: at(leaf, t), (saved.carry_factors, saved.normalised)
        )
        after = dh + at(dy, t), *others
        dx, (past, *others) = recurrence.cell_vjp.backwards(at(buffer, t), factors, after)
        # It is written before it is read, or XLA would copy the whole buffer to keep the factors.
        buffer = jax.lax.optimization_barrier(put(buffer, dx, t))
        ds = recurrence.state_gradient(at(buffer, t), factors, normalised)
        before = past + constants.drop_state(ds @ transposed), *others
        if stops is not None:
            before = tuple(jnp.where(at(stops, t), 0.0, state) for state in before)
        return before, buffer

    begin = tuple(last), saved.gate_factors
    first, dx = jax.lax.fori_loop(0, end, step, begin, unroll=static.unroll)
    return _gradients(recurrence, start[0], saved, dx), first, dx, None, None, None


def _gradients(recurrence: Recurrence, start: Array, saved: Residuals, dx: Array) -> Weights:
    """Compute gradients of the weights from those of the mapped inputs at all times."""
    weights, drop_state = recurrence.weights, recurrence.constants.drop_state
    ds = recurrence.state_gradient(dx, saved.carry_factors, saved.normalised)
    states = drop_state(start), drop_state(saved.output[:-1])
    kernel = jax.lax.platform_dependent(
        *states, ds, cpu=_kernel_gradient_at_once, default=_kernel_gradient_in_parts
    )
    gradients = {"recurrent_kernel": kernel.reshape(weights["recurrent_kernel"].shape)}
    scaled = recurrence.cell_vjp.state_gradient(dx, saved.carry_factors)
    if (bias := weights.get("candidate_bias")) is not None:
        gradients["candidate_bias"] = scaled[..., -bias.shape[0] :].sum((0, 1))
    if recurrence.norm is not None and saved.normalised is not None:
        gradients["recurrent_scale"] = recurrence.norm.scale_gradient(scaled, saved.normalised)
    return gradients


def _kernel_gradient_in_parts(first: Array, later: Array, ds: Array) -> Array:
    """Compute the gradient of a kernel from that of its map, and the states that it mapped.

    The first state and the later ones are two products: on an accelerator one more array over time
    costs more than one more product.
    """
    return first.T @ ds[0] + kernel_gradient(later, ds[1:])


def _kernel_gradient_at_once(first: Array, later: Array, ds: Array) -> Array:
    """Compute the same as one product of two matrices, which a CPU is fast at."""
    states = jnp.concatenate([first[None], later]).reshape(-1, first.shape[-1])
    return states.T @ ds.reshape(len(states), -1)


def _flat(kernel: Array) -> Array:
    return kernel.reshape(kernel.shape[0], -1)


run_recurrence.defvjp(_forwards, _backwards)
