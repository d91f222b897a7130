"""The first rung in parts: some trials come to their first scores before the others begin.

Nothing is decided before all of them are there, so that the parts change no result.
"""

from collections.abc import Callable, Sequence

from search.trial import Trial

Choose = Callable[[Sequence[Trial]], Sequence[Trial]]
"""Function that chooses some of several trials, at least one."""


def behind(trials: Sequence[Trial], most: int) -> list[Trial]:
    """Return the trials below the first rung; none once one went on or ended, or later ones began.

    Args:
        trials: All trials so far.
        most: Number of trials that train at once; if there are more, later ones have begun.
    """
    if not trials or len(trials) > most or any(_decided(trial) for trial in trials):
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


def _decided(trial: Trial) -> bool:
    """Return whether a trial has ended or gone on since it began."""
    promoted = bool(trial.metrics) and trial.target_epochs > min(trial.metrics)
    return promoted or trial.ended
