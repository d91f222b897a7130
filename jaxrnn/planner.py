"""Which members share a program: compile time weighed against padded arithmetic.

Cell, depth and direction always split. Within these, widths share a bucket unless the
arithmetic wasted on padding would clearly take longer than compiling one program more.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxrnn import structure
from jaxrnn.architecture import Architecture, Problem

Entries = Mapping[str, Any]
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
    """

    compile_first: float
    compile_layer: float
    multiplications: float

    def compiling(self, architecture: Architecture) -> float:
        """Seconds to compile a cohort's programs."""
        layers = len(architecture.sizes.layers) * len(architecture.directions)
        return self.compile_first + self.compile_layer * (layers - 1)


CPU = Costs(compile_first=4.0, compile_layer=2.5, multiplications=6e10)
"""Of two cores, see benchmarks/compile.py."""
ACCELERATOR = Costs(compile_first=10.0, compile_layer=5.0, multiplications=1e12)
"""A guess that no measurement stands behind."""


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


def plan(
    entries: Sequence[Entries], problem: Problem, microbatch: int, steps: float, costs: Costs
) -> list[Group]:
    """Group complete configurations into cohorts; nobody is lost, nobody is there twice.

    Args:
        entries: One complete configuration per member of the population.
        problem: What their data asks.
        microbatch: Sequences of a step.
        steps: Time steps of sequences that a member is expected to train on.
        costs: Of the machine.
    """
    kinds: dict[tuple, list[int]] = {}
    for position, one in enumerate(entries):
        kind = one["cell"], one["layers"], one["bidirectional"]
        kinds.setdefault(kind, []).append(position)

    def seconds(group: Group) -> float:
        passes = steps * FORWARDS_AND_BACKWARDS * len(group.members)
        work = group.architecture.arithmetic() * passes / costs.multiplications
        return CERTAIN * costs.compiling(group.architecture) + work

    def group(width: int, members: Sequence[int]) -> Group:
        return _group(members, width, entries, problem, microbatch)

    return [found for kind in kinds.values() for found in _cut(kind, entries, group, seconds)]


def _cut(
    positions: Sequence[int],
    entries: Sequence[Entries],
    group: Callable[[int, Sequence[int]], Group],
    seconds: Callable[[Group], float],
) -> list[Group]:
    """The groups of one kind that take the fewest seconds, from narrow to wide.

    Buckets are joined with their neighbours alone, so the best cut of the first few is the best
    one of fewer, and one group more.
    """
    buckets: dict[int, list[int]] = {}
    for position in positions:
        buckets.setdefault(structure.bucket(structure.widest(entries[position])), []).append(
            position
        )
    widths = sorted(buckets)
    best: list[tuple[float, list[Group]]] = [(0.0, [])]
    for end, width in enumerate(widths, start=1):
        options = []
        for begin in range(end):
            members = sorted(p for narrow in widths[begin:end] for p in buckets[narrow])
            last = group(width, members)
            time, groups = best[begin]
            options.append((time + seconds(last), [*groups, last]))
        best.append(min(options, key=lambda option: option[0]))
    return best[-1][1]


def _group(
    members: Sequence[int],
    width: int,
    entries: Sequence[Entries],
    problem: Problem,
    microbatch: int,
) -> Group:
    own = [entries[position] for position in members]
    architecture = structure.together(own, problem, width, microbatch)
    needed = sum(structure.alone(one, problem).arithmetic() for one in own)
    spent = architecture.arithmetic() * len(own)
    return Group(architecture, tuple(members), 1.0 - needed / spent)
