"""How many kernels a compiled program launches, read from the text that the compiler gives."""

import re
from collections.abc import Callable
from typing import NamedTuple

COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
TYPE = r"(?:\((?:[^()]|\([^()]*\))*\)|\S+)"
INSTRUCTION = re.compile(rf"^\s+(?:ROOT )?%?[\w.\-]+ = {TYPE} ([\w\-]+)\(")
TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
BODY, CALLED = re.compile(r"\bbody=%?([\w.\-]+)"), re.compile(r"\bto_apply=%?([\w.\-]+)")
BRANCHES = re.compile(r"\b(?:branch_computations=\{|true_computation=|false_computation=)([^}]+)")
NAME = re.compile(r"%([\w.\-]+)")
FREE = {
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "domain"),
    *("partition-id", "replica-id", "opt-barrier", "copy-done", "fusion-done", "async-done"),
}
"""What no kernel is launched for."""


class Launches(NamedTuple):
    """What running a computation launches, loops of unknown length taking one turn.

    Attributes:
        kernels: In all.
        innermost: Of a turn of the busiest loop of unknown length without another such loop.
        open: Whether there is such a loop.
    """

    kernels: int = 0
    innermost: int = 0
    open: bool = False

    def and_then(self, other: "Launches", turns: int = 1) -> "Launches":
        """This, and then so many turns of another."""
        return Launches(
            self.kernels + turns * other.kernels,
            max(self.innermost, other.innermost),
            self.open or other.open,
        )


def per_microbatch(text: str) -> int:
    """Kernels for each microbatch, of a training program for sequences of equal length.

    Its loop over microbatches is the innermost whose length is a number that it is given.

    Args:
        text: As `jax.stages.Compiled.as_text` gives it.
    """
    return launches(text).innermost


def launches(text: str) -> Launches:
    """Of a whole program."""
    lines: dict[str, list[tuple[str, str]]] = {}
    entry = name = ""
    for line in text.splitlines():
        if found := COMPUTATION.match(line):
            name = found[2]
            entry, lines[name] = (name if found[1] else entry), []
        elif name and (found := INSTRUCTION.match(line)):
            lines[name].append((found[1], line))

    def of(name: str) -> Launches:
        told = Launches()
        for operation, line in lines.get(name, []):
            told = told.and_then(_of_instruction(operation, line, of))
        return told

    return of(entry)


def _of_instruction(operation: str, line: str, of: Callable[[str], Launches]) -> Launches:
    if operation == "while":
        body = of(BODY.findall(line)[0])
        if turns := TRIPS.findall(line):
            return Launches().and_then(body, int(turns[0]))
        return body if body.open else body._replace(innermost=body.kernels, open=True)
    if operation == "conditional":
        branches = [of(one) for found in BRANCHES.findall(line) for one in NAME.findall(found)]
        return max(branches, default=Launches(1))
    if operation == "call":
        return of(CALLED.findall(line)[0])
    return Launches(int(operation not in FREE))
