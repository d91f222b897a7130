"""What is fixed when a program is compiled: array sizes, and the code that its members use."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.types import Shape

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
STATES = {"lstm": 2, "gru": 1, "rnn": 1}
DIRECTIONS = ("", "_backward")
"""Suffixes of a layer's name, by direction of reading."""
NAMES = (
    "activations",
    "output_activations",
    "before_activations",
    "after_activations",
    "optimizers",
)
"""Attributes of an architecture that list names which occur."""


class Sizes(NamedTuple):
    """Units from bottom to top.

    Attributes:
        inputs: Numbers per time step: features, or what stands for a token.
        before: Units of every dense layer below the recurrent ones.
        layers: Units of every recurrent layer, in each direction.
        after: Units of every dense layer above them.
        outputs: Numbers that the head puts out.
    """

    inputs: int
    before: tuple[int, ...]
    layers: tuple[int, ...]
    after: tuple[int, ...]
    outputs: int

    def hold(self, own: "Sizes") -> bool:
        """Whether a member of the sizes `own` finds room in these, with as many layers."""

        def within(units: tuple[int, ...], room: tuple[int, ...]) -> bool:
            pairs = zip(units, room, strict=False)
            return len(units) <= len(room) and all(one <= most for one, most in pairs)

        return (
            (own.outputs, len(own.layers)) == (self.outputs, len(self.layers))
            and own.inputs <= self.inputs
            and within(own.before, self.before)
            and within(own.layers, self.layers)
            and within(own.after, self.after)
        )


class OptionalCode(NamedTuple):
    """Code that is compiled only where a member of the cohort needs it."""

    layer_norm: bool = False
    learned_start: bool = False
    residual: bool = False
    window_norm: bool = False
    crop: bool = False
    lengths: bool = False
    """True lengths differ from sequence to sequence."""
    input_noise: bool = False
    input_dropout: bool = False
    dropout: bool = False
    recurrent_dropout: bool = False
    target_replication: bool = False
    blocks: bool = False
    """Truncated back-propagation."""
    overlap: bool = False
    """Its blocks overlap."""
    accumulation: bool = False
    """Batches of several microbatches."""
    validation: bool = False
    """The validation loss steers training: early stopping, or the plateau schedule."""


@dataclass(frozen=True)
class Architecture:
    """Members that share one share a compiled program.

    Attributes:
        spec: What data and task ask.
        cell: A name of `jaxrnn.network.cells.CELLS`.
        bidirectional: Whether every layer also reads backwards.
        sizes: Units as compiled; a member's own may be smaller.
        uses: The optional code.
        activations: Of the cells, those that occur.
        output_activations: Of an LSTM's output, likewise.
        before_activations: Of the dense layers below, likewise.
        after_activations: Of the dense layers above, likewise.
        optimizers: Names of `jaxrnn.configuration.optimizers`, likewise.
    """

    spec: TaskSpec
    cell: str
    bidirectional: bool
    sizes: Sizes
    uses: OptionalCode
    activations: tuple[str, ...]
    output_activations: tuple[str, ...]
    before_activations: tuple[str, ...]
    after_activations: tuple[str, ...]
    optimizers: tuple[str, ...]

    def covers(self, own: "Architecture") -> bool:
        """Whether a member that needs `own` by itself can live in this one."""
        same = (own.spec, own.cell, own.bidirectional)
        return (
            same == (self.spec, self.cell, self.bidirectional)
            and self.sizes.hold(own.sizes)
            and all(here or not needed for needed, here in zip(own.uses, self.uses, strict=True))
            and all(set(getattr(own, name)) <= set(getattr(self, name)) for name in NAMES)
        )

    @property
    def directions(self) -> tuple[str, ...]:
        """A suffix for each direction of reading."""
        return DIRECTIONS[: 1 + self.bidirectional]

    @property
    def inputs_of_layers(self) -> tuple[int, ...]:
        """Numbers per time step that every recurrent layer reads, and the readout after them."""
        first = (self.sizes.inputs, *self.sizes.before)[-1]
        return first, *(len(self.directions) * units for units in self.sizes.layers)

    def shapes(self) -> dict[str, dict[str, Shape]]:
        """Shape of every parameter by layer and name: the tree that `RecurrentNetwork` holds."""
        sizes, tree = self.sizes, {}
        below = sizes.inputs
        if self.spec.vocabulary:
            tree["embedding"] = {"embedding": (self.spec.vocabulary, below)}
        for k, units in enumerate(sizes.before):
            tree[f"dense_before_{k}"] = _dense(below, units)
            below = units
        for layer, units in enumerate(sizes.layers):
            for direction in self.directions:
                below = self.inputs_of_layers[layer]
                tree[f"layer_{layer}{direction}"] = self._cell(below, units)
                if self.uses.learned_start:
                    tree[f"start_{layer}{direction}"] = {"state": (STATES[self.cell], units)}
        below = self.inputs_of_layers[-1]
        for k, units in enumerate(sizes.after):
            tree[f"dense_after_{k}"] = _dense(below, units)
            below = units
        return tree | {"head": _dense(below, sizes.outputs)}

    def _cell(self, inputs: int, units: int) -> dict[str, Shape]:
        gates = GATES[self.cell]
        shapes: dict[str, Shape] = {
            "input_kernel": (inputs, gates, units),
            "recurrent_kernel": (units, gates, units),
            "bias": (gates, units),
        }
        if self.cell == "gru":
            shapes["candidate_bias"] = (units,)
        if self.uses.layer_norm:
            shapes |= {"input_scale": (gates, units), "recurrent_scale": (gates, units)}
        return shapes

    def arithmetic(self, tile: int = 1) -> int:
        """Multiplications per sequence and time step: the sizes of all kernels together.

        Args:
            tile: What a device takes rows and columns of a kernel in multiples of.
        """
        layers = self.shapes().values()
        return sum(
            _rounded(shape[0], tile) * _rounded(math.prod(shape[1:]), tile)
            for layer in layers
            for name, shape in layer.items()
            if name.endswith("kernel")
        )


def _rounded(size: int, tile: int) -> int:
    return -(-size // tile) * tile


def _dense(inputs: int, units: int) -> dict[str, Shape]:
    return {"kernel": (inputs, units), "bias": (units,)}
