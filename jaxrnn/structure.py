"""From configurations to architectures: what one member needs, and what many need together."""

from collections.abc import Mapping, Sequence
from typing import Any

from jaxrnn.activations import ACTIVATIONS
from jaxrnn.architecture import Architecture, Problem, Sizes, Uses
from jaxrnn.configuration import UNITS_OF_LAYERS
from jaxrnn.optimizers import OPTIMIZERS

Entries = Mapping[str, Any]
SMALLEST = 16
"""Units of the narrowest bucket."""


def bucket(units: int) -> int:
    """The next of 16, 32, 48, 64, 96, 128, 192, ...: a power of two, or one and a half of it."""
    power = max(SMALLEST, 1 << (units - 1).bit_length())
    return power * 3 // 4 if power > 2 * SMALLEST and units <= power * 3 // 4 else power


def widest(entries: Entries) -> int:
    """Units of a member's widest recurrent layer."""
    return max(entries[name] for name in UNITS_OF_LAYERS[: entries["layers"]])


def alone(entries: Entries, problem: Problem) -> Architecture:
    """A member's own architecture, at its true sizes."""
    return _architecture([entries], problem, _sizes(entries, problem), entries["batch_size"])


def together(
    members: Sequence[Entries], problem: Problem, width: int, microbatch: int
) -> Architecture:
    """The architecture that holds members of one cell, depth and direction.

    Args:
        members: Complete configurations.
        problem: What their data asks.
        width: Units of every recurrent layer; at least the members' own.
        microbatch: Sequences of a step.
    """
    own = [_sizes(entries, problem) for entries in members]
    layers = (width,) * len(own[0].layers)
    above = width * (1 + members[0]["bidirectional"])
    sizes = Sizes(
        own[0].inputs,
        _stack([sizes.before for sizes in own], own[0].inputs),
        layers,
        _stack([sizes.after for sizes in own], above),
        own[0].outputs,
    )
    return _architecture(members, problem, sizes, microbatch)


def _stack(own: Sequence[tuple[int, ...]], least: int) -> tuple[int, ...]:
    """As many dense layers as any member has, wide enough to pass on what others don't use."""
    widest = max((units for layers in own for units in layers), default=0)
    return (max(bucket(widest), least),) * max(map(len, own))


def _sizes(entries: Entries, problem: Problem) -> Sizes:
    def dense(place: str) -> tuple[int, ...]:
        return (entries.get(f"dense_{place}_units", 0),) * entries[f"dense_{place}"]

    layers = tuple(entries[name] for name in UNITS_OF_LAYERS[: entries["layers"]])
    return Sizes(problem.inputs, dense("before"), layers, dense("after"), problem.outputs)


def _architecture(
    members: Sequence[Entries], problem: Problem, sizes: Sizes, microbatch: int
) -> Architecture:
    def names(entry: str, order: Mapping[str, Any], default: str) -> tuple[str, ...]:
        given = dict.fromkeys(one[entry] for one in members if entry in one) or {default: None}
        return tuple(sorted(given, key=lambda name: list(order).index(name)))

    used = {one["optimizer"] for one in members}
    known = dict.fromkeys((*OPTIMIZERS, *sorted(used)))
    uses = Uses()
    for one in members:
        uses |= _uses(one, problem, microbatch)
    return Architecture(
        cell=members[0]["cell"],
        bidirectional=members[0]["bidirectional"],
        sizes=sizes,
        uses=uses,
        activations=names("activation", ACTIVATIONS, "tanh"),
        output_activations=names("output_activation", ACTIVATIONS, "tanh"),
        before_activations=names("dense_before_activation", ACTIVATIONS, "relu"),
        after_activations=names("dense_after_activation", ACTIVATIONS, "relu"),
        optimizers=names("optimizer", known, "adamw"),
    )


def _uses(entries: Entries, problem: Problem, microbatch: int) -> Uses:
    def positive(name: str) -> bool:
        return entries.get(name, 0) > 0

    return Uses(
        layer_norm=entries["layer_norm"],
        learned_start=entries["learned_start"],
        residual=entries.get("residual", False),
        crop=positive("crop_length"),
        lengths=problem.lengths_differ,
        input_noise=positive("input_noise"),
        input_dropout=positive("input_dropout"),
        dropout=positive("dropout"),
        recurrent_dropout=positive("recurrent_dropout"),
        target_replication=positive("target_replication"),
        blocks=positive("block_length"),
        overlap=positive("block_overlap"),
        accumulation=entries["batch_size"] > microbatch or positive("batch_growth_epochs"),
        validation=positive("patience") or entries["schedule"] == "plateau",
    )
