"""Trial-epochs per second of populations, of PyTorch and of the same trainer one at a time.

As `scripts/benchmark_peers.py`, whose workers do the work, in an order in which being cut off
leaves the most useful rows: for every network the populations that suit a GPU, beside everybody
else; then the other populations; then GRU. The section `throughput` of `peers-<device>.json` is
written after every step.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from peers.cases import CELLS, Case, Grid
from peers.contestants import OURS, PROCESSES, Contestant, Field, gather
from peers.figures import median_rate
from peers.processes import DeadWorker, Staff
from peers.throughput import measure_case

from benchmarks.gpu import peers_file
from benchmarks.gpu.record import Record

Run = dict[str, Any]
SIZES = (
    *((64, 50), (16, 8), (128, 200), (64, 8), (16, 200), (128, 8)),
    *((32, 50), (128, 50), (16, 50), (64, 200), (32, 8), (32, 200)),
)
"""Units and time steps: the middle, the corners, the rest."""
MAIN, MORE = (256, 1024), (1, 64, 4096)
"""Populations, those first that are near the best."""
GRID = Grid(seconds=0.3, patience=5.0)


class Step(NamedTuple):
    """What is measured at once.

    Attributes:
        case: The network and its data.
        populations: Of ours.
        others: Whether everybody else takes part.
    """

    case: Case
    populations: tuple[int, ...]
    others: bool

    def __str__(self) -> str:
        cell, hidden, length = self.case
        return f"{cell}, {hidden} units, length {length}, populations {self.populations}"


def steps() -> Iterator[Step]:
    """Everything, the most useful first."""
    for cell in CELLS:
        first, *rest = (Case(cell, *size) for size in SIZES)
        yield Step(first, MAIN, others=True)
        yield Step(first, MORE, others=False)
        yield from (Step(case, MAIN, others=True) for case in rest)
        yield from (Step(case, MORE, others=False) for case in rest)


def rehearsed() -> Iterator[Step]:
    """The same, tiny."""
    case = Case("lstm", 4, 24)
    yield Step(case, (2,), others=True)
    yield Step(case, (1, 4), others=False)


def measure(record: Record) -> None:
    """Measure step after step; who fails is started anew for the next."""
    grid = replace(GRID, rounds=1, seconds=0.0) if record.rehearsal else GRID
    with_torch = peers_file.has_torch(record)
    results = Results(record, grid, with_torch)
    waiting = record.steps(rehearsed() if record.rehearsal else steps())
    more = True
    while more:
        with Staff() as staff:
            more = _measure(staff, gather(staff, with_torch), waiting, results)


def _measure(staff: Staff, field: Field, waiting: Iterator[Step], results: "Results") -> bool:
    """Measure until somebody fails; whether that was so."""
    for step in waiting:
        contestants: list[Contestant] = field.contestants(step.populations)
        if not step.others:
            contestants = [c for c in contestants if c.name == OURS]
        try:
            results.after(step, measure_case(staff, contestants, step.case, results.grid))
        except DeadWorker as error:
            results.record.fail(f"{step}: {error}")
            return True
    return False


class Results:
    """What was measured so far, by case.

    Attributes:
        record: The part's own file.
        grid: Rounds and seconds of each measurement.
    """

    def __init__(self, record: Record, grid: Grid, with_torch: bool) -> None:
        """Keep rows in `record`, and the section if there is PyTorch to compare with."""
        self.record, self.grid, self._compared = record, grid, with_torch
        self._cases: dict[Case, dict[str, Run]] = {}

    def after(self, step: Step, measured: dict[str, Any]) -> None:
        """Keep a step, beside what was measured of its case before."""
        runs = self._cases.setdefault(step.case, {})
        for run in measured["runs"]:
            key = f"{run['contestant']}, {run['members']:6}"  # in the order of the numbers
            runs[key] = run
            shown = {name: run[name] for name in ("members", "compile_seconds", "lanes")}
            rate = {"trial_epochs_per_second": median_rate(run)}
            self.record.add(**step.case._asdict(), contestant=run["contestant"], **shown, **rate)
        if self._compared:
            numerics = "float32 products; PyTorch as it comes, which lets cuDNN use TF32"
            more = {"rounds": self.grid.rounds, "numerics": numerics, "cases": self._ordered()}
            peers_file.keep(self.record, "throughput", **more)

    def _ordered(self) -> list[dict[str, Any]]:
        cases = sorted(self._cases, key=lambda case: (CELLS.index(case.cell), *case[1:]))
        found = ((case, [runs for _, runs in sorted(self._cases[case].items())]) for case in cases)
        return [
            {**case._asdict(), "runs": runs}
            for case, runs in found
            if {run["contestant"] for run in runs} >= {OURS, PROCESSES}
        ]
