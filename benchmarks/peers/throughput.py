"""Trial-epochs per second of all contestants, in turns."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from peers.cases import Case, Grid
from peers.contestants import Contestant, Field
from peers.processes import Staff

T = TypeVar("T")
R = TypeVar("R")


def alternate(
    contestants: list[T],
    rounds: int,
    measure: Callable[[T], R],
    rests: Callable[[list[R]], bool] = lambda measured: False,
) -> list[list[R]]:
    """Every contestant once, then every contestant again: what slows a machine slows them all.

    Args:
        contestants: Contestants, in the order in which they are measured.
        rounds: Number of rounds.
        measure: Function that measures a contestant.
        rests: Function that says whether a contestant with these results sits out the other rounds.

    Returns:
        Results of each contestant, round after round.
    """
    measured: list[list[R]] = [[] for _ in contestants]
    for _ in range(rounds):
        for contestant, results in zip(contestants, measured, strict=True):
            if not rests(results):
                results.append(measure(contestant))
    return measured


def spent(rounds: list[list[dict[str, float]]]) -> float:
    """Seconds that measurements took so far; processes side by side count once."""
    return sum(max(p["seconds"] + p["setup_seconds"] for p in processes) for processes in rounds)


def measure_case(
    staff: Staff, contestants: list[Contestant], case: Case, grid: Grid
) -> dict[str, Any]:
    """All raw times of a case."""
    prepared = [
        staff.ask_all(
            contestant.workers,
            do="prepare",
            key=contestant.key,
            case=list(case),
            members=contestant.members,
            **contestant.limits,
        )
        for contestant in contestants
    ]

    def measure(contestant: Contestant) -> list[dict[str, Any]]:
        request = {"key": contestant.key, "seconds": grid.seconds, "least": contestant.least}
        return staff.ask_all(contestant.workers, do="measure", **request)

    measured = alternate(
        contestants, grid.rounds, measure, lambda rounds: spent(rounds) > grid.patience
    )
    for contestant in contestants:
        staff.ask_all(contestant.workers, do="forget")
    runs = [
        {"contestant": contestant.name, "members": contestant.members, **first[0], "rounds": rounds}
        for contestant, first, rounds in zip(contestants, prepared, measured, strict=True)
    ]
    return {**case._asdict(), "runs": runs}


def measure_cases(
    staff: Staff, field: Field, grid: Grid, on_progress: Callable[[str], None]
) -> Iterator[dict[str, Any]]:
    """The raw times of case after case."""
    contestants = field.contestants(grid.on(field.about["platform"]))
    for number, case in enumerate(grid.cases, 1):
        name = f"{case.cell}, {case.hidden} units, length {case.length}"
        on_progress(f"{name}: {number} of {len(grid.cases)}")
        yield measure_case(staff, contestants, case, grid)
