"""Reads the text of a compiled program: its loops, what each turn of them starts, bytes and cycles.

XLA says how often a loop turns where that is known when it compiles, as it is for loops over time,
and not for loops over microbatches, rows and members. What a loop over a microbatch starts, with
all loops within, is therefore what one microbatch takes.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all"}
FREE |= {"opt-barrier", "partition-id", "replica-id"}
"""What starts nothing on a device."""
SLICES = {"dynamic-slice", "slice", "gather"}
UPDATES = {"dynamic-update-slice": 1, "scatter": 2}
"""What changes an array in place, and which operand holds the changes."""
BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "s32": 4, "u32": 4, "f32": 4}
BYTES |= {"s64": 8, "u64": 8, "f64": 8}
HEAD = re.compile(r"(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{")
LINE = re.compile(r"\s+(?:ROOT )?%?([\w.\-]+) = (.*)")
NAME = re.compile(r"%([\w.\-]+)")


class Operation(NamedTuple):
    """One line of a computation.

    Attributes:
        name: Name, unique in its program.
        shape: Shape of the result, as XLA writes it.
        kind: Kind of operation, such as `fusion`.
        arguments: Text in its brackets.
        more: Text behind them.
    """

    name: str
    shape: str
    kind: str
    arguments: str
    more: str

    @classmethod
    def parse(cls, name: str, text: str) -> "Operation":
        """Read what follows `%name = `."""
        end = _closing(text) if text.startswith("(") else text.index(" ")
        shape, rest = text[:end], text[end:].strip()
        kind, rest = rest[: (begin := rest.index("("))], rest[begin:]
        end = _closing(rest)
        return cls(name, shape, kind, rest[:end], rest[end:])

    @property
    def operands(self) -> list[str]:
        """Names of the operations that it reads."""
        return NAME.findall(self.arguments)

    @property
    def size(self) -> int:
        """Bytes of its result."""
        arrays = re.findall(r"([a-z]+\d*)\[([\d,]*)\]", self.shape)
        return sum(
            BYTES.get(t, 0) * math.prod(map(int, filter(None, n.split(",")))) for t, n in arrays
        )

    @property
    def cycles(self) -> int:
        """What the compiler for TPUs thinks that it takes; 0 where it says nothing."""
        match = re.search(r'"estimated_cycles":"?(\d+)', self.more)
        return int(match[1]) if match else 0

    def named(self, *attributes: str) -> list[str]:
        """Computations that it names in these attributes."""
        patterns = (rf"\b{attribute}=(\{{[^}}]*\}}|%[\w.\-]+)" for attribute in attributes)
        matches = (re.search(pattern, self.more) for pattern in patterns)
        return [name for match in matches if match for name in NAME.findall(match[1])]


@dataclass(frozen=True)
class Block:
    """A computation that runs: a program, what a loop repeats, or what a program calls.

    Attributes:
        turns: How often a loop repeats it, None where only the device knows; 1 for no loop.
        started: What one turn starts by itself.
        inner: What else a turn runs, each as one or several alternatives.
    """

    turns: int | None
    started: tuple[Operation, ...]
    inner: tuple[tuple["Block", ...], ...]

    @property
    def loops(self) -> list["Block"]:
        """Outermost loops within, of any alternative."""
        blocks = [block for alternatives in self.inner for block in alternatives]
        return [loop for block in blocks for loop in ([block] if block.turns != 1 else block.loops)]

    def turn(self, weigh: Callable[[Operation], float]) -> float:
        """The weight of one turn; of alternatives the dearest, unknown loops as one turn."""
        inner = (max(block.total(weigh) for block in alternatives) for alternatives in self.inner)
        return sum(map(weigh, self.started)) + sum(inner)

    def total(self, weigh: Callable[[Operation], float]) -> float:
        """The weight of all turns."""
        return (1 if self.turns is None else self.turns) * self.turn(weigh)

    def microbatch(self) -> "Block":
        """The turn of the loop over microbatches that starts most: unknown, none such within."""
        return max(self._innermost(), key=lambda block: block.turn(lambda _: 1))

    def over_time(self, weigh: Callable[[Operation], float]) -> float:
        """The weight of the loops over time in one turn, 0 where they are unrolled whole."""
        return sum(loop.total(weigh) for loop in self.loops)

    def _innermost(self) -> Iterator["Block"]:
        unknown = [block for loop in self.loops for block in loop._innermost()]
        if unknown or self.turns is not None:
            yield from unknown
        else:
            yield self


class Program:
    """A compiled program.

    Attributes:
        block: All of it.
        text: As XLA writes it.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._computations, entry = _computations(text.splitlines())
        operations = (op for body in self._computations.values() for op in body)
        self._by_name = {op.name: op for op in operations}
        self.block = self._block(entry, 1)

    def moved(self, op: Operation) -> int:
        """Bytes that a kernel must at least read and write.

        Of arrays from which it takes slices these, of arrays that it changes in place the changes.
        """
        if op.kind != "fusion":
            return op.size + sum(self._by_name[name].size for name in op.operands)
        body = self._computations[op.named("calls")[0]]
        updates = [part for part in body if part.kind in UPDATES]
        changed = [part.operands[UPDATES[part.kind]] for part in updates]
        changes = sum(self._by_name[name].size for name in changed)
        written = max(0, op.size - sum(part.size for part in updates)) + changes
        return written + sum(_read(part, body) for part in body if part.kind == "parameter")

    def _block(self, name: str, turns: int | None) -> Block:
        body = self._computations[name]
        inner = [tuple(self._within(op)) for op in body]
        started = [op for op in body if not self._within(op) and _starts(op)]
        return Block(turns, tuple(started), tuple(filter(None, inner)))

    def _within(self, op: Operation) -> list[Block]:
        if op.kind == "while":
            return [self._block(op.named("body")[0], self._turns(op))]
        if op.kind == "call":
            return [self._block(op.named("to_apply")[0], 1)]
        if op.kind == "conditional":
            names = "branch_computations", "true_computation", "false_computation"
            return [self._block(name, 1) for name in op.named(*names)]
        return []

    def _turns(self, loop: Operation) -> int | None:
        """The trip count that XLA notes, or that of a condition on a counter that begins at 0."""
        if known := re.search(r"known_trip_count[^\d]*(\d+)", loop.more):
            return int(known[1])
        *before, last = self._computations[loop.named("condition")[0]]
        limits = [op.arguments for op in before if op.name in last.operands and _number(op)]
        return int(limits[0][1:-1]) if limits and "direction=LT" in last.more else None


def _computations(lines: Iterable[str]) -> tuple[dict[str, list[Operation]], str]:
    """Operations of every computation by its name, and the name of the first to run."""
    computations: dict[str, list[Operation]] = {}
    entry = current = ""
    for line in lines:
        if head := HEAD.match(line):
            current = head[2]
            entry = current if head[1] else entry
            computations[current] = []
        elif match := LINE.match(line):
            computations[current].append(Operation.parse(match[1], match[2]))
    return computations, entry


def _closing(text: str) -> int:
    """Behind the bracket that closes the first one."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == ")" and depth == 0:
            return place + 1
    raise ValueError(f"No bracket closes the first one of {text!r}.")


def _starts(op: Operation) -> bool:
    """Whether a device is given something to do; the end of a copy is no copy."""
    return op.kind not in FREE and not op.kind.endswith("-done")


def _number(op: Operation) -> bool:
    return op.kind == "constant" and op.shape.startswith("s32[]")


def _read(parameter: Operation, body: list[Operation]) -> int:
    """Bytes of a parameter that a fusion reads."""
    users = _users(parameter, body)
    if all(first and op.kind in {*SLICES, *UPDATES} for op, first in users):
        slices = sum(op.size for op, _ in users if op.kind in SLICES)
        return min(parameter.size, slices)
    return parameter.size


def _users(value: Operation, body: list[Operation]) -> list[tuple[Operation, bool]]:
    """Who reads a value, perhaps in another shape, and whether as the first operand alone."""
    users = []
    for op in body:
        if value.name in op.operands:
            if op.kind == "bitcast":
                users += _users(op, body)
            else:
                users.append((op, value.name not in op.operands[1:]))
    return users
