"""What is fixed when a program is compiled: sizes of arrays, and the code that members need."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from jaxrnn.configuration.registry import HYPERPARAMETERS
from jaxrnn.configuration.rules import UNITS_OF_LAYERS
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.types import Shape

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
STATES = {"lstm": 2, "gru": 1, "rnn": 1}
DIRECTIONS = ("", "_backward")
"""Suffixes of a layer's name, by direction of reading."""
NAME_LISTS = (
    "activations",
    "output_activations",
    "before_activations",
    "after_activations",
    "optimizers",
)
"""Attributes of an architecture that list the names which are compiled."""


class Sizes(NamedTuple):
    """Sizes of all layers, from bottom to top.

    Attributes:
        inputs: Numbers per time step: features, or the embedding of a token.
        before: Units of every dense layer below the recurrent ones.
        layers: Units of every recurrent layer, in each direction.
        after: Units of every dense layer above them.
        outputs: Outputs of the head.
    """

    inputs: int
    before: tuple[int, ...]
    layers: tuple[int, ...]
    after: tuple[int, ...]
    outputs: int

    def cover(self, member: "Sizes") -> bool:
        """Tell if a member of smaller or equal sizes fits in, with as many recurrent layers."""

        def fits(units: tuple[int, ...], limits: tuple[int, ...]) -> bool:
            pairs = zip(units, limits, strict=False)
            return len(units) <= len(limits) and all(size <= limit for size, limit in pairs)

        return (
            (member.outputs, len(member.layers)) == (self.outputs, len(self.layers))
            and member.inputs <= self.inputs
            and fits(member.before, self.before)
            and fits(member.layers, self.layers)
            and fits(member.after, self.after)
        )


class OptionalCode(NamedTuple):
    """Code that is compiled only where a member of the cohort needs it.

    The hyperparameters that need it are named by `Hyperparameter.code` in the registry.

    Attributes:
        layer_norm: Layer normalisation.
        learned_start: Learned initial states.
        residual: Residual connections between recurrent layers.
        window_norm: Normalisation of windows.
        crop: Crops of sequences.
        lengths: True lengths that differ from sequence to sequence.
        input_noise: Noise on inputs.
        input_dropout: Dropout of inputs.
        dropout: Dropout between layers and before the head.
        recurrent_dropout: Dropout of the state from step to step.
        target_replication: Losses after every step.
        tbptt: Truncated back-propagation through time.
        tbptt_overlap: Blocks of it that overlap.
        accumulation: Batches of several microbatches.
        validation: Training that the validation loss steers: early stopping, or the plateau
            schedule.
    """

    layer_norm: bool = False
    learned_start: bool = False
    residual: bool = False
    window_norm: bool = False
    crop: bool = False
    lengths: bool = False
    input_noise: bool = False
    input_dropout: bool = False
    dropout: bool = False
    recurrent_dropout: bool = False
    target_replication: bool = False
    tbptt: bool = False
    tbptt_overlap: bool = False
    accumulation: bool = False
    validation: bool = False


@dataclass(frozen=True)
class Architecture:
    """The static part of a program; members with the same one share a compiled program.

    Attributes:
        spec: Requirements of data and task.
        cell: Name of a cell in `jaxrnn.network.cells.CELLS`.
        bidirectional: True if every layer also reads backwards.
        sizes: Sizes as compiled; those of a member may be smaller.
        uses: Optional code that is compiled.
        activations: Activations of cells that are compiled.
        output_activations: Activations of an LSTM's output that are compiled.
        before_activations: Activations of the dense layers below that are compiled.
        after_activations: Activations of the dense layers above that are compiled.
        optimizers: Optimizers that are compiled.
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

    def covers(self, member: "Architecture") -> bool:
        """Tell if a member that needs the architecture `member` can live in this one."""
        kind = (member.spec, member.cell, member.bidirectional)
        code = zip(member.uses, self.uses, strict=True)
        return (
            kind == (self.spec, self.cell, self.bidirectional)
            and self.sizes.cover(member.sizes)
            and all(compiled or not needed for needed, compiled in code)
            and all(set(getattr(member, name)) <= set(getattr(self, name)) for name in NAME_LISTS)
        )

    def with_code_for(self, member: "Architecture") -> "Architecture":
        """Add the optional code that `member` needs; sizes and names stay."""
        uses = OptionalCode(*map(any, zip(self.uses, member.uses, strict=True)))
        return replace(self, uses=uses)

    @property
    def directions(self) -> tuple[str, ...]:
        """Suffixes of the directions of reading."""
        return DIRECTIONS[: 1 + self.bidirectional]

    @property
    def inputs_of_layers(self) -> tuple[int, ...]:
        """Inputs per time step of every recurrent layer, and of the readout after them."""
        first = (self.sizes.inputs, *self.sizes.before)[-1]
        return first, *(len(self.directions) * units for units in self.sizes.layers)

    def shapes(self) -> dict[str, dict[str, Shape]]:
        """Return shapes of all parameters by layer and name, the tree of `RecurrentNetwork`."""
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
        """Count multiplications per sequence and time step: the sizes of all kernels together.

        Args:
            tile: Rows and columns of a kernel that a device multiplies at once, at least 1.
        """
        layers = self.shapes().values()
        return sum(
            _rounded(shape[0], tile) * _rounded(math.prod(shape[1:]), tile)
            for layer in layers
            for name, shape in layer.items()
            if name.endswith("kernel")
        )


def architecture_of(
    configuration: Mapping[str, Any], spec: TaskSpec, microbatch: int | None = None
) -> Architecture:
    """Return the architecture that one member needs by itself, at its true sizes.

    Args:
        configuration: Complete configuration of the member.
        spec: Requirements of its data and task.
        microbatch: Sequences of a step; by default, the member's whole batch.
    """

    def names(hyperparameter: str) -> tuple[str, ...]:
        return (configuration[hyperparameter],) if hyperparameter in configuration else ()

    return Architecture(
        spec=spec,
        cell=configuration["cell"],
        bidirectional=configuration.get("bidirectional", False),
        sizes=_sizes(configuration, spec),
        uses=_optional_code(configuration, spec, microbatch or configuration["batch_size"]),
        activations=names("activation"),
        output_activations=names("output_activation"),
        before_activations=names("dense_before_activation"),
        after_activations=names("dense_after_activation"),
        optimizers=names("optimizer"),
    )


def _sizes(configuration: Mapping[str, Any], spec: TaskSpec) -> Sizes:
    def dense(place: str) -> tuple[int, ...]:
        units = configuration.get(f"dense_{place}_units", 0)
        return (units,) * configuration[f"dense_{place}"]

    layers = tuple(configuration[name] for name in UNITS_OF_LAYERS[: configuration["layers"]])
    inputs = configuration["embedding_size"] if spec.vocabulary else spec.inputs
    return Sizes(inputs, dense("before"), layers, dense("after"), spec.outputs)


def _optional_code(
    configuration: Mapping[str, Any], spec: TaskSpec, microbatch: int
) -> OptionalCode:
    needed = {
        hyperparameter.code
        for name, hyperparameter in HYPERPARAMETERS.items()
        if hyperparameter.needs_code(configuration.get(name))
    }
    if spec.lengths_differ:
        needed.add("lengths")
    if configuration["batch_size"] > microbatch:
        needed.add("accumulation")
    return OptionalCode(**dict.fromkeys(needed, True))


def _rounded(size: int, tile: int) -> int:
    return -(-size // tile) * tile


def _dense(inputs: int, units: int) -> dict[str, Shape]:
    return {"kernel": (inputs, units), "bias": (units,)}
