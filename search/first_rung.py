"""The first rung in parts: some trials come to their first scores before the others begin.

Nothing is decided before all of them are there, so that the parts change no result.
"""

from collections.abc import Callable, Sequence

from search.trial import Trial

Choose = Callable[[Sequence[Trial]], Sequence[Trial]]
"""Function that chooses some of several trials, at least one."""


def behind(trials: Sequence[Trial], max_epochs: int, most: int) -> list[Trial]:
    """Return the trials on their way to the first rung of a search, while it decides on none.

    The trials that began first are meant, and the fewest epochs after which any is scored. Once
    all of them are there, or the scheduler has decided on one, there are none.

    Args:
        trials: All trials so far.
        max_epochs: Epochs of the trials that are never pruned.
        most: Number of trials that train at once; if there are more, later ones have begun.
    """
    if not trials or len(trials) > most or any(_decided(trial, max_epochs) for trial in trials):
        return []
    rung = min(trial.target_epochs for trial in trials)
    return [trial for trial in trials if trial.epochs < rung]


def next_part(trials: Sequence[Trial], choose: Choose) -> Sequence[Trial]:
    """Return which of the trials that `behind` gives train next: those that are on their way.

    Args:
        trials: Trials to choose from.
        choose: Chooses some where none is on its way.
    """
    return [trial for trial in trials if trial.epochs] or choose(trials)


def _decided(trial: Trial, max_epochs: int) -> bool:
    """Return whether the scheduler has decided on a trial since it began."""
    promoted = bool(trial.metrics) and trial.target_epochs > min(trial.metrics)
    return promoted or (trial.ended and trial.epochs < max_epochs)
