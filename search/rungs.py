"""Plans of successive halving and Hyperband: tables of integers, known before anything runs."""

from typing import NamedTuple, TypeAlias


class Rung(NamedTuple):
    """Row of a plan: so many trials train until they have seen so many epochs."""

    epochs: int
    trials: int


Bracket: TypeAlias = tuple[Rung, ...]


def rungs(trials: int, min_epochs: int, max_epochs: int, eta: int) -> Bracket:
    """Return the rungs of successive halving (Jamieson and Talwalkar 2016).

    Rung k holds floor(trials / eta**k) trials, at least one, at min_epochs * eta**k epochs (n, r
    and eta of the paper). The last rung is at `max_epochs` (R) exactly, also where that is no
    power of `eta` times `min_epochs`: its budget is then stretched to R.

    Args:
        trials: Number of trials at the start, at least 1.
        min_epochs: Epochs before the first comparison, at least 1.
        max_epochs: Epochs of the trials that are never pruned, at least `min_epochs`.
        eta: Reduction factor, at least 2: one trial in `eta` goes on.

    Raises:
        ValueError: An argument outside its range.
    """
    check_whole("trials", trials)
    check_budgets(min_epochs, max_epochs, eta)
    plan = []
    epochs, left = min_epochs, trials
    while epochs * eta <= max_epochs:
        plan.append(Rung(epochs, max(left, 1)))
        epochs, left = epochs * eta, left // eta
    return (*plan, Rung(max_epochs, max(left, 1)))


def hyperband_brackets(min_epochs: int, max_epochs: int, eta: int) -> tuple[Bracket, ...]:
    """Return the brackets of Hyperband (Li et al. 2018, Algorithm 1), the most pruning one first.

    For s from s_max = floor(log_eta(R / r_min)) down to 0, a bracket starts with
    n = ceil((s_max + 1) * eta**s / (s + 1)) trials; its rung i holds floor(n / eta**i) of them at
    floor(R / eta**(s - i)) epochs. Where R is no power of `eta`, the budgets are thus rounded down;
    they stay at least r_min, all brackets share them, and every bracket ends at R exactly.

    Args:
        min_epochs: Least epochs before a comparison (r_min), at least 1.
        max_epochs: Epochs of the trials that are never pruned (R), at least `min_epochs`.
        eta: Reduction factor, at least 2: one trial in `eta` goes on.

    Raises:
        ValueError: An argument outside its range.
    """
    check_budgets(min_epochs, max_epochs, eta)
    # Logarithms in floats are wrong for R = 243 and eta = 3, among others.
    most = 0
    while min_epochs * eta ** (most + 1) <= max_epochs:
        most += 1
    return tuple(_bracket(s, most, max_epochs, eta) for s in range(most, -1, -1))


def _bracket(s: int, most: int, max_epochs: int, eta: int) -> Bracket:
    trials = -(-(most + 1) * eta**s // (s + 1))
    return tuple(Rung(max_epochs // eta ** (s - i), trials // eta**i) for i in range(s + 1))


def trial_epochs(plan: Bracket) -> int:
    """Return the epochs that the plan trains in all; survivors go on, they do not start again."""
    budgets = [0, *(rung.epochs for rung in plan)]
    return sum(
        rung.trials * (rung.epochs - before)
        for rung, before in zip(plan, budgets[:-1], strict=True)
    )


def check_budgets(min_epochs: int, max_epochs: int, eta: int = 2) -> None:
    """Accept whole numbers of epochs in order, and a reduction factor of at least 2."""
    check_whole("min_epochs", min_epochs)
    check_whole("max_epochs", max_epochs)
    check_whole("eta", eta, 2)
    if min_epochs > max_epochs:
        raise ValueError(
            f"`min_epochs` is {min_epochs}, but must be at most `max_epochs`, {max_epochs}."
        )


def check_whole(name: str, value: int, least: int = 1) -> None:
    """Accept a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"`{name}` is {value!r}, but must be a whole number of at least {least}.")
