"""The recurrent network of one member: dense layers, cells over time, dense layers, a head."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxrnn.configuration.activations import activate
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.network import randomness
from jaxrnn.network.architecture import STATES, Architecture
from jaxrnn.network.cells import CELLS, Constants, shape_only
from jaxrnn.network.crop import crop
from jaxrnn.network.randomness import Use
from jaxrnn.network.reading import ends, interleave, reverse
from jaxrnn.types import Array, Key, Shape


class Outputs(NamedTuple):
    """What the head puts out.

    Attributes:
        last: After the whole sequence, `(batch, outputs)`.
        every: After every step, `(batch, time, outputs)`; None where nobody asks.
        lengths: True steps that were read, `(batch,)`.
    """

    last: Array
    every: Array | None
    lengths: Array


class RecurrentNetwork(nn.Module):
    """Cells lifted over time by `nn.scan`.

    Units that start with zero weights stay exactly zero: they put out zero, so every gradient that
    touches them is zero. Where layer statistics or activations would wake them, a mask does not.
    That is what lets narrow members live in wide arrays.
    """

    architecture: Architecture

    @nn.compact
    def __call__(
        self,
        inputs: Array,
        lengths: Array,
        numbers: Hyperparameters,
        key: Key | None = None,
        stops: Array | None = None,
    ) -> Outputs:
        """Outputs for inputs `(batch, time, features)`.

        Args:
            inputs: Standardised; whatever lies behind the true length has no effect.
            lengths: True steps of each sequence, `(batch,)`.
            numbers: The member's.
            key: Randomness of this training step; without one nothing is dropped or disturbed.
            stops: `(time,)` bool, steps where gradients go no further back.
        """
        uses = self.architecture.uses
        x = inputs
        if key is not None and uses.input_noise:
            x = randomness.noise(key, numbers.input_noise, x)
        if key is not None and uses.input_dropout:
            of_inputs = jax.random.fold_in(key, Use.INPUTS)
            x = randomness.dropout(of_inputs, numbers.input_dropout, x)
        if uses.crop:
            x, lengths = crop(numbers, x, lengths, key)
        for k in range(len(self.architecture.sizes.before)):
            x = self._dense("before", k, x, numbers)
        last = x[:, -1]
        for layer in range(len(self.architecture.sizes.layers)):
            if key is not None and uses.dropout and layer > 0:
                above = jax.random.fold_in(key, Use.LAYER + layer - 1)
                x = randomness.dropout(above, numbers.dropout, x)
            x, last = self._layer(layer, x, lengths, numbers, key, stops)
        return self._readout(x, last, lengths, numbers, key)

    def _layer(
        self,
        layer: int,
        below: Array,
        lengths: Array,
        numbers: Hyperparameters,
        key: Key | None,
        stops: Array | None,
    ) -> tuple[Array, Array]:
        """Outputs of a layer at every step, and those at the end of reading."""
        arch = self.architecture
        true_lengths = lengths if arch.uses.lengths or arch.uses.crop else None
        outputs, finals = [], []
        for direction, suffix in enumerate(arch.directions):
            x = reverse(below, true_lengths) if direction else below
            constants = self._constants(layer, direction, below.shape[0], numbers, key)
            y, final = self._over_time(f"_{layer}{suffix}", x, stops, constants)
            finals.append(final if true_lengths is None else ends(y[..., None], lengths)[..., 0])
            outputs.append(reverse(y, true_lengths) if direction else y)
        y, last = interleave(outputs), interleave(finals)
        if arch.uses.residual and layer > 0:
            units, directions = arch.sizes.layers[layer], len(arch.directions)
            # Units that either layer lacks must not send gradients to the padding of the other.
            both = jnp.minimum(*numbers.hidden_sizes[layer - 1 : layer + 1])
            own = jnp.arange(units * directions) < both * directions
            fit = _fit(below, units * directions)
            shortcut = jnp.where(numbers.residual & own.reshape(1, 1, -1), fit, 0.0)
            y = y + shortcut
            by_direction = shortcut.reshape(*y.shape[:2], units, directions)
            last = last + ends(by_direction, lengths).reshape(last.shape)
        return y, last

    def _constants(
        self, layer: int, direction: int, batch: int, numbers: Hyperparameters, key: Key | None
    ) -> Constants:
        keep = None
        if key is not None and self.architecture.uses.recurrent_dropout:
            shape = batch, self.architecture.sizes.layers[layer]
            of_state = jax.random.fold_in(key, Use.RECURRENT + 2 * layer + direction)
            keep = randomness.kept(of_state, numbers.recurrent_dropout, shape)
        return Constants(numbers, jnp.asarray(numbers.hidden_sizes[layer]), keep)

    def _over_time(
        self, name: str, x: Array, stops: Array | None, constants: Constants
    ) -> tuple[Array, Array]:
        """One direction of one layer: outputs `(batch, time, units)`, the last `(batch, units)`."""
        arch = self.architecture
        shapes = arch.shapes()["layer" + name]
        units = shapes["recurrent_kernel"][0]
        start = jnp.zeros((STATES[arch.cell], units))
        if arch.uses.learned_start:
            learned = _Parameters({"state": start.shape}, name="start" + name)()["state"]
            start = jnp.where(constants.numbers.learned_start, learned, start)
        carry = tuple(jnp.broadcast_to(state[None], (x.shape[0], units)) for state in start)
        axes: Any = (1, 0, nn.broadcast)
        over_time = nn.scan(
            CELLS[arch.cell],
            variable_broadcast="params",
            split_rngs={"params": False},
            in_axes=axes,
            out_axes=1,
        )
        cell = over_time(arch, tuple(shapes.items()), name="layer" + name)
        (final, *_), y = cell(carry, x, stops, constants)
        return y, final

    def _readout(
        self, x: Array, last: Array, lengths: Array, numbers: Hyperparameters, key: Key | None
    ) -> Outputs:
        """Dense layers and the head, after the last step and, where asked for, after every one."""
        uses, every = self.architecture.uses, None
        if key is not None and uses.dropout:
            of_readout = jax.random.fold_in(key, Use.READOUT)
            keep = randomness.kept(of_readout, numbers.dropout, last.shape)
            last, x = last * keep, x * keep[:, None]
        steps = last[:, None]
        if key is not None and uses.target_replication:
            steps = jnp.concatenate([steps, x], axis=1)
        for k in range(len(self.architecture.sizes.after)):
            steps = self._dense("after", k, steps, numbers)
        head = _Parameters(self.architecture.shapes()["head"], name="head")()
        logits = steps @ head["kernel"] + head["bias"].reshape(1, 1, -1)
        if key is not None and uses.target_replication:
            every = logits[:, 1:]
        return Outputs(logits[:, 0], every, lengths)

    def _dense(self, place: str, k: int, x: Array, numbers: Hyperparameters) -> Array:
        """Dense layer k `before` or `after`, of `(batch, time, units)`.

        A member with fewer of them than its program passes `x` on.
        """
        arch, name = self.architecture, f"dense_{place}_{k}"
        own = _Parameters(arch.shapes()[name], name=name)()
        units = own["bias"].shape[0]
        mask = (jnp.arange(units) < getattr(numbers, f"dense_{place}_units")).astype(x.dtype)
        y = activate(
            getattr(arch, f"{place}_activations"),
            getattr(numbers, f"dense_{place}_activation"),
            x @ own["kernel"] + own["bias"].reshape(1, 1, -1),
            mask,
        )
        return jnp.where(k < getattr(numbers, f"dense_{place}"), y, _fit(x, units))


def _fit(x: Array, units: int) -> Array:
    """`(batch, time, ...)` cut or filled with zeros to so many units."""
    return jnp.pad(x[..., :units], [(0, 0), (0, 0), (0, max(0, units - x.shape[-1]))])


class _Parameters(nn.Module):
    """A layer that is nothing but its parameters."""

    shapes: dict[str, Shape]

    @nn.compact
    def __call__(self) -> dict[str, Array]:
        return {name: self.param(name, shape_only, shape) for name, shape in self.shapes.items()}
