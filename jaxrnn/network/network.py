"""The recurrent network of one member: dense layers, cells over time, dense layers, a head."""

from typing import NamedTuple, TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrnn.configuration.activations import activate
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.network import dropout
from jaxrnn.network.architecture import STATES, Architecture
from jaxrnn.network.cells import CELLS, Carry, Constants, shape_only
from jaxrnn.network.dropout import Use
from jaxrnn.network.inputs import crop, embed, normalise, undo
from jaxrnn.network.masking import ends, interleave, reverse, without_padding
from jaxrnn.network.scan import in_chunks, over_time
from jaxrnn.tasks.spec import Outputs
from jaxrnn.types import Array, Key, Shape

Carries: TypeAlias = tuple[Carry, ...]
"""The states of layer after layer."""


class Call(NamedTuple):
    """What all layers of one call share.

    Attributes:
        lengths: True steps of each sequence, `(batch,)`.
        longest: The most true steps of the batch, `()`; where it is the same for every lane, what
            lies behind it is skipped.
        hp: The member's.
        key: Randomness of a training step, or None.
        stop_gradient_at: `(time,)` bool, or None.
        carry: Where each layer starts, or None.
    """

    lengths: Array
    longest: Array
    hp: Hyperparameters
    key: Key | None
    stop_gradient_at: Array | None
    carry: Carries | None


class RecurrentNetwork(nn.Module):
    """Layers of cells over time, see `jaxrnn.network.scan`.

    Units that start with zero weights stay exactly zero: they put out zero, so every gradient that
    touches them is zero. Where layer statistics or activations would wake them, a mask does not.
    That is what lets narrow members live in wide arrays.

    Attributes:
        architecture: Sizes, and the code that is compiled.
        unroll: Time steps in a turn of the loops over time.
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
        carry: Carries | None = None,
    ) -> Outputs:
        """Outputs for inputs `(batch, time, features)`, or tokens `(batch, time)`.

        Args:
            inputs: As `jaxrnn.data` encodes them; behind the true length they have no effect.
            lengths: True steps of each sequence, `(batch,)`.
            hp: The member's.
            key: Randomness of this training step; without one nothing is dropped or disturbed.
            stop_gradient_at: `(time,)` bool, steps where gradients go no further back.
            carry: Where the layers start, as an earlier call left it; by default as they learned.
        """
        problem, uses = self.architecture.spec, self.architecture.uses
        longest, x, seen = lengths.max(), inputs, None
        if problem.vocabulary:
            table = _Parameters(self.architecture.shapes()["embedding"], name="embedding")()
            x = embed(table["embedding"], inputs)
        if uses.lengths:
            x = without_padding(x, lengths)
        if uses.window_norm:
            x, seen = normalise(x, lengths, hp.window_norm)
        if key is not None and uses.input_noise:
            x = dropout.noise(key, hp.input_noise, x)
        if key is not None and uses.input_dropout:
            of_inputs = jax.random.fold_in(key, Use.INPUTS)
            x = dropout.dropout(of_inputs, hp.input_dropout, x)
        if uses.crop:
            x, lengths = crop(hp, x, lengths, key)
        for k in range(len(self.architecture.sizes.before)):
            x = self._dense("before", k, x, hp)
        call = Call(lengths, longest, hp, key, stop_gradient_at, carry)
        last, finals = x[:, -1], []
        for layer in range(len(self.architecture.sizes.layers)):
            if key is not None and uses.dropout and layer > 0:
                above = jax.random.fold_in(key, Use.LAYER + layer - 1)
                x = dropout.dropout(above, hp.dropout, x)
            x, last, final = self._layer(layer, x, call)
            finals.append(final)
        outputs = self._readout(x, last, call)
        if seen is not None:
            outputs = outputs._replace(last=undo(outputs.last, seen, problem.forecast))
        return outputs._replace(carry=tuple(finals)) if problem.stateful else outputs

    def _layer(self, layer: int, below: Array, call: Call) -> tuple[Array, Array, Carry]:
        """Outputs of a layer at every step, those at the end of reading, and its last state."""
        arch, lengths = self.architecture, call.lengths
        true_lengths = lengths if arch.uses.lengths or arch.uses.crop else None
        outputs, lasts, final = [], [], ()
        for direction, suffix in enumerate(arch.directions):
            x = reverse(below, true_lengths) if direction else below
            y, final = self._over_time(layer, direction, suffix, x, call)
            lasts.append(y[:, -1] if true_lengths is None else ends(y[..., None], lengths)[..., 0])
            outputs.append(reverse(y, true_lengths) if direction else y)
        y, last = interleave(outputs), interleave(lasts)
        if arch.uses.residual and layer > 0:
            units, directions = arch.sizes.layers[layer], len(arch.directions)
            # Units that either layer lacks must not send gradients to the padding of the other.
            both = jnp.minimum(*call.hp.hidden_sizes[layer - 1 : layer + 1])
            own = jnp.arange(units * directions) < both * directions
            fit = _fit(below, units * directions)
            shortcut = jnp.where(call.hp.residual & own.reshape(1, 1, -1), fit, 0.0)
            y = y + shortcut
            by_direction = shortcut.reshape(*y.shape[:2], units, directions)
            last = last + ends(by_direction, lengths).reshape(last.shape)
        return y, last, final

    def _constants(
        self, layer: int, direction: int, batch: int, hp: Hyperparameters, key: Key | None
    ) -> Constants:
        keep = None
        if key is not None and self.architecture.uses.recurrent_dropout:
            shape = batch, self.architecture.sizes.layers[layer]
            of_state = jax.random.fold_in(key, Use.RECURRENT + 2 * layer + direction)
            keep = dropout.kept(of_state, hp.recurrent_dropout, shape)
        return Constants(hp, jnp.asarray(hp.hidden_sizes[layer]), keep)

    def _over_time(
        self, layer: int, direction: int, suffix: str, x: Array, call: Call
    ) -> tuple[Array, Carry]:
        """One direction of one layer: outputs `(batch, time, units)`, and the last state."""
        arch, name = self.architecture, f"_{layer}{suffix}"
        shapes = arch.shapes()["layer" + name]
        units = shapes["recurrent_kernel"][0]
        constants = self._constants(layer, direction, x.shape[0], call.hp, call.key)
        start = jnp.zeros((STATES[arch.cell], units))
        if arch.uses.learned_start:
            learned = _Parameters({"state": start.shape}, name="start" + name)()["state"]
            start = jnp.where(call.hp.learned_start, learned, start)
        carry = tuple(jnp.broadcast_to(state[None], (x.shape[0], units)) for state in start)
        if call.carry is not None:
            carry = call.carry[layer]
        cell = CELLS[arch.cell](arch, tuple(shapes.items()), name="layer" + name)
        read = in_chunks if arch.uses.lengths else over_time
        final, y = read(cell, carry, x, call.stop_gradient_at, constants, call.longest, self.unroll)
        return y, final

    def _readout(self, x: Array, last: Array, call: Call) -> Outputs:
        """Dense layers and the head, where answers are due or asked for.

        That is after every step, or after the last one and, in training with target replication,
        after every one too.
        """
        uses, every = self.architecture.uses, self.architecture.spec.per_step
        if call.key is not None and uses.dropout:
            of_readout = jax.random.fold_in(call.key, Use.READOUT)
            keep = dropout.kept(of_readout, call.hp.dropout, last.shape)
            last, x = last * keep, x * keep[:, None]
        replicated = call.key is not None and uses.target_replication
        steps = x if every else last[:, None]
        if replicated:
            steps = jnp.concatenate([steps, x], axis=1)
        for k in range(len(self.architecture.sizes.after)):
            steps = self._dense("after", k, steps, call.hp)
        head = _Parameters(self.architecture.shapes()["head"], name="head")()
        answers = steps @ head["kernel"] + head["bias"].reshape(1, 1, -1)
        if every:
            return Outputs(None, answers, call.lengths)
        return Outputs(answers[:, 0], answers[:, 1:] if replicated else None, call.lengths)

    def _dense(self, place: str, k: int, x: Array, hp: Hyperparameters) -> Array:
        """Dense layer k `before` or `after`, of `(batch, time, units)`.

        A member with fewer of them than its program passes `x` on.
        """
        arch, name = self.architecture, f"dense_{place}_{k}"
        own = _Parameters(arch.shapes()[name], name=name)()
        units = own["bias"].shape[0]
        mask = (jnp.arange(units) < getattr(hp, f"dense_{place}_units")).astype(x.dtype)
        y = activate(
            getattr(arch, f"{place}_activations"),
            getattr(hp, f"dense_{place}_activation"),
            x @ own["kernel"] + own["bias"].reshape(1, 1, -1),
            mask,
        )
        return jnp.where(k < getattr(hp, f"dense_{place}"), y, _fit(x, units))


def _fit(x: Array, units: int) -> Array:
    """`(batch, time, ...)` cut or filled with zeros to so many units."""
    return jnp.pad(x[..., :units], [(0, 0), (0, 0), (0, max(0, units - x.shape[-1]))])


class _Parameters(nn.Module):
    """A layer that is nothing but its parameters."""

    shapes: dict[str, Shape]

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        return {name: self.param(name, shape_only, shape) for name, shape in self.shapes.items()}
