"""The command line of `benchmark_peers.py`, and what is wrong with it."""

import argparse
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from pages import RESULTS
from peers.cases import CELLS, QUICK, Grid

KINDS = ("throughput", "job")
NUMBERS = {
    "hidden": (1, 4096, "units"),
    "lengths": (1, 10_000, "time steps"),
    "populations": (1, 100_000, "members that train together"),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as the rest of the program does."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ValueError(re.sub(r"^argument (\S+): ", r"`\1` ", message) + " (see --help).")


def parse(arguments: list[str] | None) -> tuple[argparse.Namespace, Grid]:
    """The settings of a command line, and what they ask to measure.

    Raises:
        ValueError: Unknown arguments, or values that they can't have.
    """
    parser = Parser(description="Populations against one trial at a time.", allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a few cases, and a small job")
    parser.add_argument("--only", choices=KINDS, help="measure nothing else")
    parser.add_argument("--table", action="store_true", help="write pages from results, and end")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for results")
    parser.add_argument("--cells", nargs="+", choices=CELLS)
    for name, (_, _, text) in NUMBERS.items():
        parser.add_argument(f"--{name}", nargs="+", type=int, help=text)
    parser.add_argument("--rounds", type=int, help="turns of everybody, seeds of the job")
    settings, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise ValueError(f"`{unknown[0]}` is no argument; see --help.")
    chosen = {n: tuple(v) for n in ("cells", *NUMBERS) if (v := getattr(settings, n)) is not None}
    for name, (low, high, _) in NUMBERS.items():
        for value in chosen.get(name, ()):
            if not low <= value <= high:
                raise ValueError(f"`{name}` has {value}, but must be from {low} to {high}.")
    if settings.rounds is not None:
        if settings.rounds < 1:
            raise ValueError(f"`rounds` is {settings.rounds}, but must be at least 1.")
        chosen["rounds"] = settings.rounds
    return settings, replace(QUICK if settings.quick else Grid(), **chosen)


def command_of(arguments: list[str]) -> str:
    """What to type for the same results; where they went is nobody's business."""
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("--out")
    return shlex.join(
        ["python", "scripts/benchmark_peers.py", *parser.parse_known_args(arguments)[1]]
    )
