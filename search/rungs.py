"""The plan of successive halving: a table of integers, known before anything runs."""

from typing import NamedTuple


class Rung(NamedTuple):
    """One row of the plan: so many trials train until they have seen so many epochs."""

    epochs: int
    trials: int


def rungs(trials: int, min_epochs: int, max_epochs: int, eta: int) -> tuple[Rung, ...]:
    """The rungs of successive halving (Jamieson and Talwalkar 2016).

    Rung k holds floor(trials / eta**k) trials, at least one, at min_epochs * eta**k epochs (n, r
    and eta of the paper). The last rung is at `max_epochs` (R) exactly, also where that is no
    power of `eta` times `min_epochs`: its budget is then stretched to R.

    Args:
        trials: Configurations at the start, at least 1.
        min_epochs: Epochs before the first comparison, at least 1.
        max_epochs: Epochs of the trials that are never pruned, at least `min_epochs`.
        eta: One in `eta` goes on, at least 2.

    Raises:
        ValueError: An argument outside its range.
    """
    for name, value, least in (
        ("trials", trials, 1),
        ("min_epochs", min_epochs, 1),
        ("max_epochs", max_epochs, 1),
        ("eta", eta, 2),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(
                f"`{name}` is {value!r}, but must be a whole number of at least {least}."
            )
    if min_epochs > max_epochs:
        raise ValueError(
            f"`min_epochs` is {min_epochs}, but must be at most `max_epochs`, {max_epochs}."
        )
    plan = []
    epochs, left = min_epochs, trials
    while epochs * eta <= max_epochs:
        plan.append(Rung(epochs, max(left, 1)))
        epochs, left = epochs * eta, left // eta
    return (*plan, Rung(max_epochs, max(left, 1)))


def trial_epochs(plan: tuple[Rung, ...]) -> int:
    """Epochs that the plan trains in all; survivors go on, they do not start again."""
    budgets = [0, *(rung.epochs for rung in plan)]
    return sum(
        rung.trials * (rung.epochs - before)
        for rung, before in zip(plan, budgets[:-1], strict=True)
    )
