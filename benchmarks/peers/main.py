"""The program of `scripts/benchmark_peers.py`.

*Throughput*: trial-epochs per second of a population, of the same trainer one member at a time, and
of PyTorch under Optuna in one process and in several, in turns. *Job*: the default search in fresh
processes, against Optuna with its pruner and PyTorch. Results go into
`benchmarks/results/peers-<device>.json`, section by section.
"""

import argparse
import signal
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

from peers import results
from peers.cases import Grid
from peers.command import command_of, parse
from peers.contestants import Field, Refused, gather
from peers.display import Display, whole_job
from peers.jobs import measure_jobs
from peers.pages import PLOT, write_pages
from peers.plot import draw
from peers.processes import DeadWorker, Staff
from peers.throughput import measure_cases
from rich.console import Console

PACKAGES = ("jaxrnn", "jax", "jaxlib", "flax", "optax", "numpy", "torch", "optuna")


def missing(packages: tuple[str, ...]) -> str:
    """A sentence about packages that are not installed; empty if all are."""
    names = " and ".join(f"`{name}`" for name in packages if find_spec(name) is None)
    return names and f'{names} must be installed: pip install -e ".[bench]"'


def write_table() -> None:
    """Rewrite pages and plot from the committed results."""
    measured = results.committed()
    write_pages(measured)
    if compared := [device for device in measured if "throughput" in device]:
        draw(compared, PLOT)


class Measurement:
    """What one command measures, and keeps section by section."""

    def __init__(self, settings: argparse.Namespace, grid: Grid, command: str) -> None:
        """Measure `grid`; `command` goes into the results."""
        self._settings, self._grid, self._command = settings, grid, command

    def run(self, console: Console) -> Path:
        """Measure everything that was asked for; returns where the results are."""
        only = self._settings.only
        console.print("starting the processes of everybody")
        with Staff() as staff:
            field = gather(staff)
            path = results.path_of(self._settings.out, field.about["device"], self._settings.quick)
            if only != "job":
                self._throughput(staff, field, path, console)
        if only != "throughput":  # when nobody else holds memory or a TPU any more
            self._job(field.about, path, console)
        return path

    def _throughput(self, staff: Staff, field: Field, path: Path, console: Console) -> None:
        cases = []
        with Display(console) as display:
            for case in measure_cases(staff, field, self._grid, display.tell):
                cases.append(case)
                display.case(case)
        self._keep(path, "throughput", field.about, rounds=self._grid.rounds, cases=cases)

    def _job(self, about: dict[str, Any], path: Path, console: Console) -> None:
        threads, *runs = measure_jobs(self._grid, about, console.print)
        console.print(whole_job(runs), soft_wrap=True)
        size = {"trials": self._grid.trials, "epochs": self._grid.epochs}
        self._keep(path, "job", about, **size, **threads, runs=runs)

    def _keep(self, path: Path, kind: str, about: dict[str, Any], **more: Any) -> None:
        known = {name: about[name] for name in ("platform", "machine", "cores", "processes")}
        versions = {package: version(package) for package in PACKAGES}
        section = {"command": self._command, **known, "versions": versions, **more}
        results.keep(path, about["device"], kind, section)


def interrupt(number: int, frame: FrameType | None) -> None:
    """End as with Ctrl-C."""
    del number, frame
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    console = Console(markup=False, highlight=False)
    signal.signal(signal.SIGTERM, interrupt)
    given = sys.argv[1:] if arguments is None else arguments
    try:
        settings, grid = parse(given)
        needed = ("matplotlib",) if settings.table else ("torch", "optuna")
        if sentence := missing(needed):
            raise ValueError(sentence)
        if settings.table:
            write_table()
            return 0
        path = Measurement(settings, grid, command_of(given)).run(console)
        console.print(f"results in {path}", soft_wrap=True)
        return 0
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (Refused, DeadWorker, OSError) as error:
        print(f"error: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; sections that were complete are kept.", file=sys.stderr)
        return 130
