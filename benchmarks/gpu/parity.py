"""Do populations on this device compute what they must?

Each case runs with several numbers of lanes, and is compared with its members one by one (one
lane), with itself again, with its members in other places beside others, with another process and
with the CPU. Between programs the losses of an epoch may differ by rounding; where the program is
the same, every bit of weights, optimizer and random state must be the same.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import jaxrnn
from benchmarks.gpu.curves import Process, Run, distance, make_trainer, run, started
from benchmarks.gpu.members import CASES, Case, members
from benchmarks.gpu.record import Record

FIRST, ALL = 1e-5, 1e-4
"""How far the loss may be off, relative: in the first epoch, and in any."""
LEAST = 0.5
"""Seconds that another process is waited for at least, for each comparison."""
TUNED = ("cells", "optimizers")
"""Cases that are also compiled with other options."""


class Size(NamedTuple):
    """How much is compared.

    Attributes:
        lanes: Members side by side, one first.
        members: Of a population.
        alone: Of these, who trains one by one and on the CPU.
        cases: How many, of `CASES`.
    """

    lanes: tuple[int, ...] = (1, 64, 256)
    members: int = 256
    alone: int = 32
    cases: int = len(CASES)


REHEARSED = Size(lanes=(1, 2, 4), members=4, alone=3, cases=1)


class Comparison:
    """Compares the runs of a part, and keeps a row for each."""

    def __init__(self, record: Record, size: Size) -> None:
        """Keep rows in `record`."""
        self._record, self._size = record, size
        self.runs: dict[tuple[str, int, str], Run] = {}

    def case(self, case: Case) -> None:
        """All that takes no other process."""
        first, *more = self._size.lanes
        trainers = {lanes: make_trainer(case, lanes) for lanes in self._size.lanes}
        waiting = {n: started(trainer, *self._first(case, n)) for n, trainer in trainers.items()}
        for lanes, trainer in trainers.items():  # while the others are compiled
            self.runs[case.name, lanes, "plain"] = run(trainer, waiting[lanes])
        for lanes in more:
            self.close(case.name, lanes, "one lane", self.runs[case.name, first, "plain"].losses)
        for lanes, trainer in trainers.items():
            self._again(case, lanes, trainer)
            self._elsewhere(case, lanes, trainer)

    def options(self, case: Case, name: str, options: Any) -> None:
        """The same compiled otherwise, against one lane."""
        lanes = self._size.lanes[-1]
        trainer = make_trainer(case, lanes, options)
        first = run(trainer, started(trainer, *self._first(case, lanes)))
        self.runs[case.name, lanes, name] = first
        alone = self.runs[case.name, self._size.lanes[0], "plain"].losses
        self.close(case.name, lanes, "one lane", alone, name)
        self._again(case, lanes, trainer, name)

    def close(
        self, case: str, lanes: int, other: str, theirs: np.ndarray, options: str = "plain"
    ) -> None:
        """Losses against those of `other`, as many members as that has."""
        ours = self.runs[case, lanes, options].losses
        both = min(ours.shape[1], theirs.shape[1])
        off = distance(ours[:, :both], theirs[:, :both])
        fine = bool(off[0].max() <= FIRST and off.max() <= ALL)
        distances = {"first_epoch": float(off[0].max()), "worst": float(off.max())}
        self._row(fine, case, lanes, options, other, members=both, **distances)

    def same(self, case: str, lanes: int, options: str, other: str, equal: Sequence[bool]) -> None:
        """Bits of members, one by one."""
        different = len(equal) - sum(equal)
        self._row(
            not different,
            case,
            lanes,
            options,
            other,
            members=len(equal),
            members_that_differ=different,
        )

    def _row(
        self, fine: bool, case: str, lanes: int, options: str, other: str, **distances: Any
    ) -> None:
        name = {"case": case, "lanes": lanes, "options": options, "against": other}
        self._record.add(**name, fine=fine, **distances)
        if not fine:
            self._record.fail(f"{case}, {lanes} lanes, {options}: not as {other}: {distances}")

    def _first(self, case: Case, lanes: int) -> tuple[list[dict[str, Any]], range]:
        count = self._size.alone if lanes == 1 else self._size.members
        return members(case, self._size.members)[:count], range(count)

    def _again(
        self, case: Case, lanes: int, trainer: jaxrnn.Trainer, options: str = "plain"
    ) -> None:
        first = self.runs[case.name, lanes, options].states
        again = run(trainer, started(trainer, *self._first(case, lanes))).states
        equal = [before == after for before, after in zip(first, again, strict=True)]
        self.same(case.name, lanes, options, "the same again", equal)

    def _elsewhere(self, case: Case, lanes: int, trainer: jaxrnn.Trainer) -> None:
        """Every second member, a third of the population further on, the others changed."""
        configurations, seeds = self._first(case, lanes)
        crowd = [
            (configuration, seed)
            if seed % 2 == 0
            else (
                {**configuration, "learning_rate": 100 * configuration["learning_rate"]},
                seed + 1000,
            )
            for configuration, seed in zip(configurations, seeds, strict=True)
        ]
        moved = np.roll(np.arange(len(crowd)), len(crowd) // 3 + 1)
        others = [crowd[k] for k in moved]
        found = run(
            trainer, started(trainer, [c for c, _ in others], [s for _, s in others])
        ).states
        first = self.runs[case.name, lanes, "plain"].states
        equal = [found[p] == first[k] for p, k in enumerate(moved.tolist()) if k % 2 == 0]
        self.same(case.name, lanes, "plain", "elsewhere beside others", equal)


def measure(record: Record) -> None:
    """Compare everything, the CPU and another process at the same time."""
    size = REHEARSED if record.rehearsal else Size()
    cases, comparison = CASES[: size.cases], Comparison(record, size)
    names = [case.name for case in cases]
    with tempfile.TemporaryDirectory() as folder:
        cpu = Process(Path(folder, "cpu"), 1, size.alone, names, JAX_PLATFORMS="cpu")
        other = Process(Path(folder, "other"), size.lanes[-1], size.members, names[:1])
        try:
            for case in record.steps(cases, lambda case: case.name):
                with record.guard(case.name):
                    comparison.case(case)
            _options(record, comparison, [case for case in cases if case.name in TUNED])
            # Others have had all this time; whoever is not done yet is waited for no longer.
            _on_the_cpu(record, comparison, cpu)
            _in_another_process(record, comparison, (names[0], size.lanes[-1], "plain"), other)
        finally:
            cpu.end()
            other.end()


def _on_the_cpu(record: Record, comparison: Comparison, cpu: Process) -> None:
    for case, lanes, options in [*comparison.runs]:
        with record.guard(f"{case}, {lanes} lanes, on the CPU"):
            theirs = cpu.losses(case, max(LEAST, record.budget.left))
            comparison.close(case, lanes, "the CPU", theirs, options)


def _in_another_process(
    record: Record, comparison: Comparison, key: tuple[str, int, str], other: Process
) -> None:
    """Programs are compiled and tuned anew there, as for `--resume`."""
    with record.guard("another process"):
        theirs = other.losses(key[0], max(LEAST, record.budget.left))
        pairs = zip(comparison.runs[key].losses.T, theirs.T, strict=True)
        equal = [ours.tobytes() == trainer.tobytes() for ours, trainer in pairs]
        comparison.same(*key, "another process", equal)


def _options(record: Record, comparison: Comparison, cases: Sequence[Case]) -> None:
    """Unrolled loops, CUDA graphs, and what the clock chooses."""
    wanted = {
        "tuned": True,
        "unroll 4": jaxrnn.Options(unroll=4, graphs=False),
        "graphs": jaxrnn.Options(unroll=1, graphs=True),
    }
    steps = [(case, name) for name in wanted for case in cases]
    for case, name in record.steps(steps, lambda step: f"{step[0].name}, {step[1]}"):
        with record.guard(f"{case.name}, {name}"):
            comparison.options(case, name, wanted[name])
