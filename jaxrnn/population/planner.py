"""Which members share a program: compile time weighed against padded arithmetic.

Cell, depth and direction always split. Within these, widths share a bucket unless the
arithmetic wasted on padding would clearly take longer than compiling one program more.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jax.sharding import Mesh

from jaxrnn.configuration import rules
from jaxrnn.configuration.activations import ACTIVATIONS
from jaxrnn.configuration.optimizers import OPTIMIZERS
from jaxrnn.data.dataset import Data
from jaxrnn.network.architecture import Architecture, OptionalCode, architecture_of
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.types import Configuration

Entries = Mapping[str, Any]
MIN_BUCKET = 16
"""Units of the narrowest bucket."""
FORWARDS_AND_BACKWARDS = 3
"""Arithmetic of a training step in units of that of the forward pass."""
CERTAIN = 4.0
"""Seconds of compiling weigh so much more than others: they are sure, while arithmetic is saved by
rough figures, and only in trials that live on."""


@dataclass(frozen=True)
class Costs:
    """What a plan weighs: rough figures of one machine.

    Attributes:
        compile_first: Seconds to compile a cohort's programs with one layer in one direction.
        compile_layer: Seconds more for every further layer and direction.
        multiplications: Per second, all devices together.
        tile: Numbers that a device multiplies at once, so that narrower arrays take as long.
    """

    compile_first: float
    compile_layer: float
    multiplications: float
    tile: int = 1

    def compiling(self, architecture: Architecture) -> float:
        """Seconds to compile a cohort's programs."""
        layers = len(architecture.sizes.layers) * len(architecture.directions)
        return self.compile_first + self.compile_layer * (layers - 1)

    def computing(self, architecture: Architecture, steps: float) -> float:
        """Seconds of the arithmetic of `steps` sequences and time steps."""
        return architecture.arithmetic(self.tile) * steps / self.multiplications


CPU = Costs(compile_first=5.0, compile_layer=1.0, multiplications=5e10)
"""Of two cores, see benchmarks/compile.py."""
GPU = Costs(compile_first=10.0, compile_layer=5.0, multiplications=3e12)
TPU = Costs(compile_first=10.0, compile_layer=5.0, multiplications=7e12, tile=128)
"""Both of one device, by what its compiler estimates for LSTMs of 64 units, see
benchmarks/chips.py. No measurement stands behind them."""


def costs_of(platform: str, devices: int) -> Costs:
    """Of so many devices of a platform."""
    if platform == "cpu":
        return CPU
    one = TPU if platform == "tpu" else GPU
    return replace(one, multiplications=one.multiplications * devices)


@dataclass(frozen=True)
class Group:
    """A cohort to be.

    Attributes:
        architecture: What its members share.
        members: Their positions in the population, ascending.
        padded: Share of the arithmetic that is spent on padding, from 0 to 1.
    """

    architecture: Architecture
    members: tuple[int, ...]
    padded: float

    def description(self) -> dict[str, Any]:
        """The group in plain words and numbers."""
        return {
            "cell": self.architecture.cell,
            "layers": len(self.architecture.sizes.layers),
            "bidirectional": self.architecture.bidirectional,
            "trials": len(self.members),
            "bucket": max(self.architecture.sizes.layers),
            "padded_share": round(self.padded, 4),
        }


def bucket(units: int) -> int:
    """Round up to 16, 32, 48, 64, 96, 128, 192, ...: a power of two, or one and a half of it."""
    power = max(MIN_BUCKET, 1 << (units - 1).bit_length())
    return power * 3 // 4 if power > 2 * MIN_BUCKET and units <= power * 3 // 4 else power


def merge(architectures: Sequence[Architecture], width: int) -> Architecture:
    """Return the architecture that covers several of one cell, depth and direction.

    Args:
        architectures: Architectures to cover, at least one.
        width: Units of every recurrent layer, at least as many as in any of them.
    """
    first = architectures[0]
    inputs = max(member.sizes.inputs for member in architectures)
    sizes = first.sizes._replace(
        inputs=inputs,
        before=_stack([member.sizes.before for member in architectures], inputs),
        layers=(width,) * len(first.sizes.layers),
        after=_stack(
            [member.sizes.after for member in architectures], width * len(first.directions)
        ),
    )

    def names(known: Iterable[str], attribute: str) -> tuple[str, ...]:
        """All that occur: the known ones in their order, then the others."""
        occurring = {name for member in architectures for name in getattr(member, attribute)}
        return (
            *(name for name in known if name in occurring),
            *sorted(occurring.difference(known)),
        )

    return Architecture(
        spec=first.spec,
        cell=first.cell,
        bidirectional=first.bidirectional,
        sizes=sizes,
        uses=OptionalCode(*map(any, zip(*(member.uses for member in architectures), strict=True))),
        activations=names(ACTIVATIONS, "activations"),
        output_activations=names(ACTIVATIONS, "output_activations"),
        before_activations=names(ACTIVATIONS, "before_activations"),
        after_activations=names(ACTIVATIONS, "after_activations"),
        optimizers=names(OPTIMIZERS, "optimizers"),
    )


def _stack(units_of_members: Sequence[tuple[int, ...]], least: int) -> tuple[int, ...]:
    """Take as many dense layers as anyone has, wide enough to pass on what others don't use."""
    widest = max((units for layers in units_of_members for units in layers), default=0)
    return (max(bucket(widest), least),) * max(map(len, units_of_members))


def plan(
    entries: Sequence[Entries], spec: TaskSpec, microbatch: int, steps: float, costs: Costs
) -> list[Group]:
    """Group complete configurations into cohorts; nobody is lost, nobody is there twice.

    Args:
        entries: One complete configuration per member of the population.
        spec: What their data asks.
        microbatch: Sequences of a step.
        steps: Time steps of sequences that a member is expected to train on.
        costs: Of the machine.
    """
    own = [architecture_of(one, spec, microbatch) for one in entries]
    kinds: dict[tuple[str, int, bool], list[int]] = {}
    for position, one in enumerate(own):
        kind = one.cell, len(one.sizes.layers), one.bidirectional
        kinds.setdefault(kind, []).append(position)

    def seconds(architecture: Architecture, members: int) -> float:
        work = costs.computing(architecture, steps * FORWARDS_AND_BACKWARDS * members)
        return CERTAIN * costs.compiling(architecture) + work

    parts = [part for kind in kinds.values() for part in _cut(kind, own, seconds)]
    return [
        _group(merge([own[position] for position in members], width), members, own)
        for width, members in parts
    ]


def fit(
    entries: Sequence[Entries],
    expected: Sequence[Architecture],
    spec: TaskSpec,
    microbatch: int,
) -> list[Group]:
    """Group complete configurations by the expected architecture that covers each.

    Of several it is the one with the least arithmetic, of equal ones the first; a configuration
    that none covers gets one of its own. So who else is there makes no difference.

    Args:
        entries: One complete configuration per member of the population.
        expected: Architectures of an earlier `plan`.
        spec: What their data asks.
        microbatch: Sequences of a step.
    """
    own = [architecture_of(one, spec, microbatch) for one in entries]
    parts: dict[Architecture, list[int]] = {}
    for position, one in enumerate(own):
        alone = merge([one], bucket(max(one.sizes.layers)))
        covering = [other for other in expected if other.covers(one)]
        home = min(covering, key=Architecture.arithmetic, default=alone)
        parts.setdefault(home, []).append(position)
    return [_group(architecture, members, own) for architecture, members in parts.items()]


def _cut(
    positions: Sequence[int],
    own: Sequence[Architecture],
    seconds: Callable[[Architecture, int], float],
) -> list[tuple[int, list[int]]]:
    """The cut of one kind that takes the fewest seconds: width and members, from narrow to wide.

    Buckets are joined with their neighbours alone, so the best cut of the first few is the best
    one of fewer, and one part more.
    """
    buckets: dict[int, list[int]] = {}
    for position in positions:
        width = bucket(max(own[position].sizes.layers))
        buckets.setdefault(width, []).append(position)
    widths = sorted(buckets)
    alike = [merge([own[p] for p in buckets[width]], width) for width in widths]
    best: list[tuple[float, list[tuple[int, list[int]]]]] = [(0.0, [])]
    for end, width in enumerate(widths, start=1):
        options = []
        for begin in range(end):
            members = sorted(p for narrow in widths[begin:end] for p in buckets[narrow])
            last = seconds(merge(alike[begin:end], width), len(members))
            before, parts = best[begin]
            options.append((before + last, [*parts, (width, members)]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def _group(
    architecture: Architecture, members: Sequence[int], own: Sequence[Architecture]
) -> Group:
    needed = sum(own[position].arithmetic() for position in members)
    spent = architecture.arithmetic() * len(members)
    return Group(architecture, tuple(members), 1.0 - needed / spent)


class CohortPlanner:
    """Completes configurations, and groups them: for themselves, or as was expected."""

    def __init__(self, data: Data, microbatch: int, mesh: Mesh) -> None:
        """Plan for data that comes in steps of `microbatch` sequences, on the devices of `mesh`."""
        self._problem, self._microbatch = data.spec, microbatch
        self._costs = costs_of(mesh.devices.flat[0].platform, mesh.size)
        self._steps = len(data.train) * data.train.time
        self._expected: tuple[Architecture, ...] = ()

    def complete(
        self, configurations: Sequence[Configuration], max_epochs: int
    ) -> list[dict[str, Any]]:
        """Checked copies with every active entry.

        Raises:
            ValueError: An unknown, bad or inactive entry, or bad `max_epochs`.
        """
        rules.check("epochs", max_epochs, label="max_epochs")
        return [
            rules.complete(one, self._microbatch, max_epochs, self._problem.excluded)
            for one in configurations
        ]

    def plan_for(
        self, configurations: Sequence[Configuration], max_epochs: int
    ) -> list[Configuration]:
        """Fit all that comes later into what these configurations need; one of each cohort.

        Raises:
            ValueError: As `complete`.
        """
        planned = self._planned(self.complete(configurations, max_epochs), max_epochs)
        self._expected = tuple(group.architecture for group in planned)
        return [configurations[group.members[0]] for group in planned]

    def groups(self, entries: Sequence[dict[str, Any]], max_epochs: int) -> list[Group]:
        """The cohorts of complete configurations."""
        if self._expected:
            return fit(entries, self._expected, self._problem, self._microbatch)
        return self._planned(entries, max_epochs)

    def _planned(self, entries: Sequence[dict[str, Any]], max_epochs: int) -> list[Group]:
        # Between the few epochs that pruning leaves to most and the `max_epochs` of the best.
        steps = self._steps * math.sqrt(max_epochs)
        return plan(entries, self._problem, self._microbatch, steps, self._costs)
