"""Schedulers by name."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from search.rungs import check_budgets, check_whole
from search.schedulers.asha import Asha
from search.schedulers.median_stopping import MedianStopping
from search.schedulers.no_pruning import NoPruning
from search.schedulers.pbt import Pbt
from search.schedulers.scheduler import Scheduler
from search.schedulers.successive_halving import halving, hyperband


class SchedulerSettings(NamedTuple):
    """Arguments of all schedulers.

    Attributes:
        totals: Number of trials, then each larger number to which the search was extended.
        min_epochs: Epochs before the first comparison (r).
        max_epochs: Epochs of the trials that are never pruned (R).
        eta: Reduction factor: one trial in `eta` goes on.
        seed: Seed of the search.
    """

    totals: tuple[int, ...]
    min_epochs: int
    max_epochs: int
    eta: int
    seed: int


SCHEDULERS: dict[str, Callable[[SchedulerSettings], Scheduler]] = {
    "none": lambda s: NoPruning(s.totals[-1], s.max_epochs),
    "halving": lambda s: halving(s.totals, s.min_epochs, s.max_epochs, s.eta),
    "hyperband": lambda s: hyperband(
        s.totals[-1] if s.totals else None, s.min_epochs, s.max_epochs, s.eta
    ),
    "asha": lambda s: Asha(s.totals[-1], s.min_epochs, s.max_epochs, s.eta),
    "median": lambda s: MedianStopping(s.totals[-1], s.min_epochs, s.max_epochs),
    "pbt": lambda s: Pbt(s.totals[-1], s.min_epochs, s.max_epochs, seed=s.seed),
}


def make_scheduler(
    name: str,
    trials: int | Sequence[int] | None,
    min_epochs: int,
    max_epochs: int,
    eta: int = 3,
    seed: int = 0,
) -> Scheduler:
    """Return the scheduler of this name.

    Args:
        name: A key of `SCHEDULERS`.
        trials: Number of trials. For a search that was extended, its totals one after the other,
            `(256, 356)`: halving gives the added trials another bracket, pbt can't have any. None,
            for hyperband alone: all its brackets once.
        min_epochs: Epochs before the first comparison, at least 1; also those between two of them
            where comparisons are regular (median, pbt). Without meaning for none.
        max_epochs: Epochs of the trials that are never pruned, at least `min_epochs`.
        eta: Reduction factor where there are rungs, at least 2: one trial in `eta` goes on.
        seed: Seed of what is drawn (pbt), at least 0.

    Raises:
        ValueError: An unknown name, an argument outside its range, or `trials` that this
            scheduler can't have.
    """
    if name not in SCHEDULERS:
        known = ", ".join(map(repr, SCHEDULERS))
        raise ValueError(f"`scheduler` is {name!r}, but must be one of {known}.")
    check_budgets(min_epochs, max_epochs, eta)
    check_whole("seed", seed, 0)
    return SCHEDULERS[name](
        SchedulerSettings(_totals(name, trials), min_epochs, max_epochs, eta, seed)
    )


def _totals(name: str, trials: int | Sequence[int] | None) -> tuple[int, ...]:
    """Return the totals, if they grow and the scheduler can have them."""
    if trials is None:
        if name != "hyperband":
            raise ValueError(f"`trials` is None, but {name} needs a number of trials.")
        return ()
    totals = tuple(trials) if isinstance(trials, Sequence) else (trials,)
    for total in totals:
        check_whole("trials", total)
    if not totals or any(after <= before for before, after in itertools.pairwise(totals)):
        raise ValueError(f"`trials` is {trials!r}, but must be one total, or several that grow.")
    if name == "pbt" and len(totals) > 1:
        raise ValueError(
            f"`trials` is {totals[-1]}, but must stay {totals[0]}: "
            "pbt trains one population from the start to the end."
        )
    return totals
