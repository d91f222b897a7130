"""The recurrent network of one member: dense layers, cells over time, dense layers, a head."""

from typing import NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrnn.configuration.activations import activate
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.network import dropout
from jaxrnn.network.affine import affine
from jaxrnn.network.architecture import DIRECTIONS, STATES, Architecture
from jaxrnn.network.cells import CELLS, Carry, Constants, shape_only
from jaxrnn.network.dropout import RngStream
from jaxrnn.network.inputs import prepare, restore_units
from jaxrnn.network.masking import ends, interleave, longest_of, reverse
from jaxrnn.network.scan import scan_layer
from jaxrnn.tasks.spec import Outputs
from jaxrnn.types import Array, Key, Shape

NetworkCarry: TypeAlias = tuple[Carry, ...]
"""States of all layers, from bottom to top."""


class CallContext(NamedTuple):
    """Arguments of a call that all layers share.

    Attributes:
        lengths: True steps of each sequence, `(batch,)`.
        longest: Most true steps in the batch, `()` int32, the same for every lane; None where no
            step is padding.
        hp: Hyperparameters of the member.
        key: Randomness of a training step, or None.
        stop_gradient_at: Steps where gradients go no further back, `(time,)` bool, or None.
        carry: State of every layer before the first step, or None.
    """

    lengths: Array
    longest: Array | None
    hp: Hyperparameters
    key: Key | None
    stop_gradient_at: Array | None
    carry: NetworkCarry | None


class RecurrentNetwork(nn.Module):
    """Layers of cells over time, see `jaxrnn.network.scan`.

    Units that start with zero weights stay exactly zero: they put out zero, so every gradient that
    touches them is zero. Where layer statistics or activations would make them nonzero, a mask
    prevents it. This lets narrow members live in wide arrays.

    Attributes:
        architecture: Sizes, and the code that is compiled.
        unroll: Time steps per iteration of the loops over time.
    """

    architecture: Architecture
    unroll: int = 1

    @nn.compact
    def __call__(
        self,
        inputs: Array,
        lengths: Array,
        hp: Hyperparameters,
        key: Key | None = None,
        stop_gradient_at: Array | None = None,
        carry: NetworkCarry | None = None,
    ) -> Outputs:
        """Compute outputs for inputs `(batch, time, features)`, or tokens `(batch, time)`.

        Args:
            inputs: Inputs as `jaxrnn.data` encodes them; padding has no effect.
            lengths: True steps of each sequence, `(batch,)`.
            hp: Hyperparameters of the member.
            key: Randomness of a training step; without one nothing is dropped or disturbed.
            stop_gradient_at: Steps where gradients go no further back, `(time,)` bool.
            carry: State before the first step, as an earlier call returned it; by default the
                initial state of every layer.
        """
        spec, uses = self.architecture.spec, self.architecture.uses
        embedding = self._parameters("embedding")["embedding"] if spec.vocabulary else None
        x, lengths, window = prepare(self.architecture, inputs, lengths, hp, key, embedding)
        for k in range(len(self.architecture.sizes.before)):
            x = self._dense("before", k, x, hp)
        longest = longest_of(lengths) if uses.lengths or uses.crop else None
        call = CallContext(lengths, longest, hp, key, stop_gradient_at, carry)
        last, states = x[:, -1], []
        for layer in range(len(self.architecture.sizes.layers)):
            if key is not None and uses.dropout and layer > 0:
                layer_key = jax.random.fold_in(key, RngStream.LAYER + layer - 1)
                x = dropout.dropout(layer_key, hp.dropout, x)
            x, last, state = self._layer(layer, x, call)
            states.append(state)
        outputs = self._readout(x, last, call)
        if window is not None:
            outputs = outputs._replace(last=restore_units(outputs.last, window, spec.forecast))
        return outputs._replace(carry=tuple(states)) if spec.stateful else outputs

    def _parameters(self, name: str) -> dict[str, Array]:
        """Return the parameters of one layer by name."""
        return _ParameterHolder(self.architecture.shapes()[name], name=name)()

    def _layer(self, layer: int, below: Array, call: CallContext) -> tuple[Array, Array, Carry]:
        """Run a layer; return outputs at every step, those at the end of reading, and the state."""
        arch, lengths = self.architecture, call.lengths
        true_lengths = lengths if arch.uses.lengths or arch.uses.crop else None
        outputs, lasts, state = [], [], ()
        for direction in range(len(arch.directions)):
            x = reverse(below, true_lengths) if direction else below
            y, state = self._direction(layer, direction, x, call)
            lasts.append(y[:, -1] if true_lengths is None else ends(y[..., None], lengths)[..., 0])
            outputs.append(reverse(y, true_lengths) if direction else y)
        y, last = interleave(outputs), interleave(lasts)
        if arch.uses.residual and layer > 0:
            units, directions = arch.sizes.layers[layer], len(arch.directions)
            # Units that either layer lacks must not send gradients to the padding of the other.
            common = jnp.minimum(*call.hp.hidden_sizes[layer - 1 : layer + 1])
            mask = jnp.arange(units * directions) < common * directions
            fit = _fit(below, units * directions)
            shortcut = jnp.where(call.hp.residual & mask.reshape(1, 1, -1), fit, 0.0)
            y = y + shortcut
            by_direction = shortcut.reshape(*y.shape[:2], units, directions)
            last = last + ends(by_direction, lengths).reshape(last.shape)
        return y, last, state

    def _constants(
        self, layer: int, direction: int, batch: int, hp: Hyperparameters, key: Key | None
    ) -> Constants:
        mask = None
        if key is not None and self.architecture.uses.recurrent_dropout:
            shape = batch, self.architecture.sizes.layers[layer]
            state_key = jax.random.fold_in(key, RngStream.RECURRENT + 2 * layer + direction)
            mask = dropout.dropout_mask(state_key, hp.recurrent_dropout, shape)
        return Constants(hp, jnp.asarray(hp.hidden_sizes[layer]), mask)

    def _direction(
        self, layer: int, direction: int, x: Array, call: CallContext
    ) -> tuple[Array, Carry]:
        """Run one direction of one layer; return outputs `(batch, time, units)` and last state."""
        arch, name = self.architecture, f"_{layer}{DIRECTIONS[direction]}"
        shapes = arch.shapes()["layer" + name]
        units = shapes["recurrent_kernel"][0]
        constants = self._constants(layer, direction, x.shape[0], call.hp, call.key)
        start = jnp.zeros((STATES[arch.cell], units))
        if arch.uses.learned_start:
            learned = self._parameters("start" + name)["state"]
            start = jnp.where(call.hp.learned_start, learned, start)
        carry = tuple(jnp.broadcast_to(state[None], (x.shape[0], units)) for state in start)
        if call.carry is not None:
            carry = call.carry[layer]
        cell = CELLS[arch.cell](arch, tuple(shapes.items()), name="layer" + name)
        arguments = cell, carry, x, call.stop_gradient_at, constants, call.longest
        state, y = scan_layer(*arguments, self.unroll)
        return y, state

    def _readout(self, x: Array, last: Array, call: CallContext) -> Outputs:
        """Run dense layers and head at the steps whose outputs the task or its loss needs.

        These are all steps, or the last one and, in training with target replication, all steps
        too.
        """
        uses, per_step = self.architecture.uses, self.architecture.spec.per_step
        if call.key is not None and uses.dropout:
            readout_key = jax.random.fold_in(call.key, RngStream.READOUT)
            mask = dropout.dropout_mask(readout_key, call.hp.dropout, last.shape)
            last, x = last * mask, x * mask[:, None]
        replicated = call.key is not None and uses.target_replication
        steps = x if per_step else last[:, None]
        if replicated:
            steps = jnp.concatenate([steps, x], axis=1)
        for k in range(len(self.architecture.sizes.after)):
            steps = self._dense("after", k, steps, call.hp)
        head = self._parameters("head")
        y = _mapped(steps, head["kernel"], head["bias"])
        if per_step:
            return Outputs(None, y, call.lengths)
        return Outputs(y[:, 0], y[:, 1:] if replicated else None, call.lengths)

    def _dense(self, place: str, k: int, x: Array, hp: Hyperparameters) -> Array:
        """Apply dense layer k `before` or `after` to `(batch, time, units)`.

        A member with fewer of them than its program passes `x` on.
        """
        layer = self._parameters(f"dense_{place}_{k}")
        units = layer["bias"].shape[0]
        mask = (jnp.arange(units) < getattr(hp, f"dense_{place}_units")).astype(x.dtype)
        y = activate(
            getattr(self.architecture, f"{place}_activations"),
            getattr(hp, f"dense_{place}_activation"),
            _mapped(x, layer["kernel"], layer["bias"]),
            mask,
        )
        return jnp.where(k < getattr(hp, f"dense_{place}"), y, _fit(x, units))


def _mapped(x: Array, kernel: Array, bias: Array) -> Array:
    """Map `(batch, steps, units)`; gradients written out pay where there are several steps."""
    return affine(x, kernel, bias) if x.shape[1] > 1 else x @ kernel + bias.reshape(1, 1, -1)


def _fit(x: Array, units: int) -> Array:
    """Cut `(batch, time, ...)` to so many units, or fill them up with zeros."""
    return jnp.pad(x[..., :units], [(0, 0), (0, 0), (0, max(0, units - x.shape[-1]))])


class _ParameterHolder(nn.Module):
    """A layer that consists of its parameters alone."""

    shapes: dict[str, Shape]

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        return {name: self.param(name, shape_only, shape) for name, shape in self.shapes.items()}
