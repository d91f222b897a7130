"""The memory plan: what members need on a device, what there is, and how many lanes fit.

Counted are the arrays of programs, as the compiler says: data, what lies there of every member
(weights, optimizer, best weights, numbers), and what members that run side by side need besides
(what the backward pass reads, gradients). Not counted are the code of programs, the test split, and
what the allocator loses between arrays; for these there is a margin.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
from jax.errors import JaxRuntimeError
from jax.stages import Compiled

from jaxrnn.population.free_memory import free_here, free_on
from jaxrnn.population.lanes import enough, ladder_at_most

GIB = 1 << 30
USABLE = 0.9
"""Share of the free memory that is planned with."""
ON_HOST = 4
"""How often the bytes of the members lie in the memory of the machine at most, when it trains on
its CPU: in a population, in snapshots, old and new ones at a rung, and what allocators lose.
Measured by `benchmarks/memory.py`."""


class Need(NamedTuple):
    """Bytes that a cohort takes on one device, linear in its members and lanes.

    Attributes:
        fixed: Whoever is there: data above all.
        member: For each lane of every row.
        lane: Besides, for each lane of the row that runs.
    """

    fixed: int
    member: int
    lane: int

    def total(self, waves: int, lanes: int) -> int:
        """Bytes of `waves` rows of `lanes`."""
        return self.fixed + lanes * (waves * self.member + self.lane)


class Budget(NamedTuple):
    """What may be used.

    Attributes:
        bytes: On each device.
        devices: How many there are.
        limit: In GiB, what the user allowed; None for all that is free.
        copies: How often a member lies in this memory.
    """

    bytes: int
    devices: int
    limit: float | None = None
    copies: int = 1


def bytes_needed(compiled: Compiled) -> int:
    """Bytes that a program takes on one device while it runs, its arguments included.

    Results that take over the memory of a donated argument count once.
    """
    told: Any = compiled.memory_analysis()
    arrays = told.argument_size_in_bytes + told.output_size_in_bytes - told.alias_size_in_bytes
    return arrays + told.temp_size_in_bytes


def member_bytes(values: Any, axes: int = 2) -> int:
    """Bytes of one member.

    Args:
        values: Its setting and state, or those of all, `(rows, lanes, ...)`; shapes are enough.
        axes: Those of the population in front, 0 for a single member.
    """
    shapes = [(leaf.shape[axes:], leaf.dtype) for leaf in jax.tree.leaves(values)]
    sizes = (jax.ShapeDtypeStruct(*one) for one in shapes)
    return sum(size.size * size.dtype.itemsize for size in sizes)


def need(programs: Sequence[Compiled], waves: int, lanes: int, member: int) -> Need:
    """What a cohort needs, from the programs that run it one after the other.

    Exact for the lanes that they were compiled for; others need within a few percent of it, but one
    lane alone, whose program is another one, up to a fifth less for each.

    Args:
        programs: Compiled for `waves` rows of `lanes` on each device.
        waves: Rows.
        lanes: Members of each.
        member: Bytes of one.
    """
    resident = lanes * waves * member
    work = max(_work(program) for program in programs)
    fixed = max(bytes_needed(program) - _work(program) - resident for program in programs)
    return Need(max(0, fixed), member, -(-work // lanes))


def budget(devices: Sequence[Any], limit: float | None = None) -> Budget:
    """What members may use on these devices, to be asked before any is placed.

    Args:
        devices: Of one kind. Accelerators have a memory each; devices of a CPU share that of the
            machine, of which each gets an equal part.
        limit: The most that this process may take, in GiB: on each accelerator, or of the memory of
            the machine, where what it has taken already, code included, counts as well.
    """
    most = float("inf") if limit is None else limit * GIB
    told = [free_on(device) for device in devices]
    known = [one for one in told if one is not None]
    if len(known) < len(told):
        free, used = free_here()
        return Budget(_usable(free, most - used) // len(told), len(told), limit, ON_HOST)
    return Budget(min(_usable(free, most - used) for free, used in known), len(told), limit)


def choose(cohorts: Sequence[tuple[Need, int]], there: Budget, most: int) -> int:
    """Lanes of every device: the widest step of the ladder that members fill and memory holds.

    Args:
        cohorts: What each needs, and its members on all devices together. All cohorts lie on
            the devices at once, and may run at once.
        there: What may be used.
        most: Lanes, from 1.

    Raises:
        ValueError: Not even one lane fits.
    """
    widest = max(-(-members // there.devices) for _, members in cohorts)
    steps = ladder_at_most(min(most, enough(widest)))
    for lanes in steps:
        if _together(cohorts, lanes, there) <= there.bytes:
            return lanes
    raise ValueError(_too_little(cohorts, there))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    told_so = isinstance(error, JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return told_so or isinstance(error, MemoryError)


def _work(program: Compiled) -> int:
    told: Any = program.memory_analysis()
    return told.temp_size_in_bytes


def _usable(free: float, allowed: float) -> int:
    return int(max(0.0, USABLE * min(free, allowed)))


def _together(cohorts: Sequence[tuple[Need, int]], lanes: int, there: Budget) -> int:
    """Bytes on a device; data is the same for all cohorts, and lies there once."""
    fixed = max(one.fixed for one, _ in cohorts)
    each = (
        one._replace(fixed=0, member=one.member * there.copies).total(
            -(-members // (there.devices * lanes)), lanes
        )
        for one, members in cohorts
    )
    return fixed + sum(each)


def _too_little(cohorts: Sequence[tuple[Need, int]], there: Budget) -> str:
    """In words, with sums over all devices."""
    members = sum(members for _, members in cohorts)
    needed = _together(cohorts, 1, there) * there.devices
    low, high = 0, members  # how many fit, of all cohorts in proportion
    while high - low > 1:
        middle = (low + high) // 2
        part = [(one, -(-own * middle // members)) for one, own in cohorts]
        fits = _together(part, 1, there) <= there.bytes
        low, high = (middle, high) if fits else (low, middle)
    allowed = there.bytes * there.devices
    where = "" if there.limit is None else f"`memory_limit` is {there.limit:g} GiB, of which "
    return (
        f"{where}{allowed / GIB:.3g} GiB are free for members and data, but {members} members need "
        f"{needed / GIB:.3g} GiB; at most {low} fit at once."
    )
