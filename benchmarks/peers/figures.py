"""Medians and ratios of raw times."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from peers.contestants import ALONE, OURS, PROCESSES, THREAD, THREADS


def rate(processes: Sequence[dict[str, float]]) -> float:
    """Trial-epochs per second of processes that were measured side by side."""
    return sum(process["trials"] * process["epochs"] / process["seconds"] for process in processes)


def median_rate(run: dict[str, Any]) -> float:
    """Trial-epochs per second, the median of the rounds."""
    return statistics.median(map(rate, run["rounds"]))


def share(population: int, processes: int) -> float:
    """How much of their time processes work that train a population one trial after the other.

    In the last turn some may find no trial left.
    """
    return population / (processes * math.ceil(population / processes))


class Row(NamedTuple):
    """Trial-epochs per second of a population, and of the same trials by others.

    Attributes:
        cell: Cell of the case.
        hidden: Hidden units of the case.
        length: Time steps of the case.
        population: Members that train together.
        compile_seconds: Seconds to compile the population's programs.
        ours: Rate of the population.
        alone: Rate of the same trainer, one member at a time.
        torch: Rate of one process of PyTorch with its best number of threads.
        best: Number of threads at that rate, `THREAD` or `THREADS`.
        processes: Rate of processes of PyTorch side by side.
    """

    cell: str
    hidden: int
    length: int
    population: int
    compile_seconds: float
    ours: float
    alone: float
    torch: float
    best: str
    processes: float

    @property
    def ratios(self) -> tuple[float, float, float]:
        """How many times as fast as PyTorch, processes of it, and one at a time."""
        return self.ours / self.torch, self.ours / self.processes, self.ours / self.alone


def rows(case: dict[str, Any]) -> list[Row]:
    """A row for each population of a case.

    What trains one trial after the other takes as long for each: its rate holds for any population
    of at least as many trials as it has processes.
    """
    others = {run["contestant"]: run for run in case["runs"] if run["contestant"] != OURS}
    rates = {name: median_rate(run) for name, run in others.items()}
    best = max((rates[name], name) for name in (THREAD, THREADS) if name in rates)
    count = len(others[PROCESSES]["rounds"][0])
    return [
        Row(
            case["cell"],
            case["hidden"],
            case["length"],
            run["members"],
            run["compile_seconds"],
            median_rate(run),
            rates[ALONE],
            *best,
            rates[PROCESSES] * share(run["members"], count),
        )
        for run in case["runs"]
        if run["contestant"] == OURS
    ]


def best_row(case: dict[str, Any]) -> Row:
    """The population that trains the most trial-epochs per second."""
    return max(rows(case), key=lambda row: row.ours)


class Job(NamedTuple):
    """Medians of the whole job, by who does it.

    Attributes:
        seconds: Wall time of the process.
        trial_epochs: Trial-epochs that were trained.
        loss: Validation loss of the best trial.
        accuracy: Validation accuracy of the best trial.
    """

    seconds: float
    trial_epochs: float
    loss: float
    accuracy: float


def job(runs: Sequence[dict[str, Any]], who: str) -> Job:
    """Medians over the seeds."""
    return Job(*(statistics.median(run[who][name] for run in runs) for name in Job._fields))
