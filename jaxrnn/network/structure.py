"""From configurations to architectures: what one member needs, and what many need together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from jaxrnn.configuration.activations import ACTIVATIONS
from jaxrnn.configuration.optimizers import OPTIMIZERS
from jaxrnn.configuration.rules import UNITS_OF_LAYERS
from jaxrnn.network.architecture import Architecture, OptionalCode, Sizes
from jaxrnn.tasks.spec import TaskSpec

Entries = Mapping[str, Any]
SMALLEST = 16
"""Units of the narrowest bucket."""


def bucket(units: int) -> int:
    """The next of 16, 32, 48, 64, 96, 128, 192, ...: a power of two, or one and a half of it."""
    power = max(SMALLEST, 1 << (units - 1).bit_length())
    return power * 3 // 4 if power > 2 * SMALLEST and units <= power * 3 // 4 else power


def architecture_of(
    entries: Entries, spec: TaskSpec, microbatch: int | None = None
) -> Architecture:
    """A member's own architecture, at its true sizes.

    Args:
        entries: Its complete configuration.
        spec: What the data asks.
        microbatch: Sequences of a step; by default, the member's whole batch.
    """

    def name(entry: str) -> tuple[str, ...]:
        return (entries[entry],) if entry in entries else ()

    return Architecture(
        spec=spec,
        cell=entries["cell"],
        bidirectional=entries.get("bidirectional", False),
        sizes=_sizes(entries, spec),
        uses=_uses(entries, spec, microbatch or entries["batch_size"]),
        activations=name("activation"),
        output_activations=name("output_activation"),
        before_activations=name("dense_before_activation"),
        after_activations=name("dense_after_activation"),
        optimizers=name("optimizer"),
    )


def together(
    members: Sequence[Entries], spec: TaskSpec, width: int, microbatch: int
) -> Architecture:
    """The architecture that holds members of one cell, depth and direction; see `merge`."""
    return merge([architecture_of(entries, spec, microbatch) for entries in members], width)


def merge(own: Sequence[Architecture], width: int) -> Architecture:
    """The architecture that holds what others hold.

    Args:
        own: Architectures of one cell, depth and direction.
        width: Units of every recurrent layer; at least their own.
    """
    first = own[0]
    inputs = max(one.sizes.inputs for one in own)
    sizes = first.sizes._replace(
        inputs=inputs,
        before=_stack([one.sizes.before for one in own], inputs),
        layers=(width,) * len(first.sizes.layers),
        after=_stack([one.sizes.after for one in own], width * len(first.directions)),
    )
    return Architecture(
        spec=first.spec,
        cell=first.cell,
        bidirectional=first.bidirectional,
        sizes=sizes,
        uses=OptionalCode(*map(any, zip(*(one.uses for one in own), strict=True))),
        activations=_names(ACTIVATIONS, [one.activations for one in own]),
        output_activations=_names(ACTIVATIONS, [one.output_activations for one in own]),
        before_activations=_names(ACTIVATIONS, [one.before_activations for one in own]),
        after_activations=_names(ACTIVATIONS, [one.after_activations for one in own]),
        optimizers=_names(OPTIMIZERS, [one.optimizers for one in own]),
    )


def with_code_for(architecture: Architecture, own: Architecture) -> Architecture:
    """An architecture with the optional code that `own` needs, too; sizes and names stay."""
    uses = OptionalCode(*map(any, zip(architecture.uses, own.uses, strict=True)))
    return replace(architecture, uses=uses)


def _stack(own: Sequence[tuple[int, ...]], least: int) -> tuple[int, ...]:
    """As many dense layers as anyone has, wide enough to pass on what others don't use."""
    widest = max((units for layers in own for units in layers), default=0)
    return (max(bucket(widest), least),) * max(map(len, own))


def _names(known: Iterable[str], own: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Every name that occurs: the known ones in their order, then the others."""
    found = {name for names in own for name in names}
    return (*(name for name in known if name in found), *sorted(found.difference(known)))


def _sizes(entries: Entries, spec: TaskSpec) -> Sizes:
    def dense(place: str) -> tuple[int, ...]:
        return (entries.get(f"dense_{place}_units", 0),) * entries[f"dense_{place}"]

    layers = tuple(entries[name] for name in UNITS_OF_LAYERS[: entries["layers"]])
    inputs = entries["embedding_size"] if spec.vocabulary else spec.inputs
    return Sizes(inputs, dense("before"), layers, dense("after"), spec.outputs)


def _uses(entries: Entries, spec: TaskSpec, microbatch: int) -> OptionalCode:
    def positive(name: str) -> bool:
        return entries.get(name, 0) > 0

    return OptionalCode(
        layer_norm=entries["layer_norm"],
        learned_start=entries.get("learned_start", False),
        residual=entries.get("residual", False),
        window_norm=entries.get("window_norm", False),
        crop=positive("crop_length"),
        lengths=spec.lengths_differ,
        input_noise=positive("input_noise"),
        input_dropout=positive("input_dropout"),
        dropout=positive("dropout"),
        recurrent_dropout=positive("recurrent_dropout"),
        target_replication=positive("target_replication"),
        blocks=positive("tbptt_length"),
        overlap=positive("tbptt_overlap"),
        accumulation=entries["batch_size"] > microbatch or positive("batch_growth_epochs"),
        validation=positive("patience") or entries["schedule"] == "plateau",
    )
