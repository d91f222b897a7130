"""What schedulers can decide, and how they rank trials."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from search.trial import TrialView, rank


class NewTrial(NamedTuple):
    """A trial to begin.

    Attributes:
        bracket: Number of its bracket.
        target_epochs: Epochs to train until it is scored first.
    """

    bracket: int
    target_epochs: int


class Exploit(NamedTuple):
    """A trial takes over the weights of another one, and its hyperparameters with a change.

    Attributes:
        loser: Id of the trial that takes over.
        winner: Id of the trial that is copied.
    """

    loser: int
    winner: int


class Decision(NamedTuple):
    """What happens next, all of it at once; `exploit` comes before the training.

    Attributes:
        start: Trials to begin, at most as many as there are free slots.
        promote: Epochs (in all) to train until a trial is scored again, by id of waiting trials.
        prune: Ids of waiting trials that are pruned.
        exploit: Waiting trials that take over from others; none is a loser and a winner.
    """

    start: tuple[NewTrial, ...] = ()
    promote: Mapping[int, int] = {}
    prune: tuple[int, ...] = ()
    exploit: tuple[Exploit, ...] = ()


class Scheduler(Protocol):
    """Decides by the trials alone: no clock, no memory, no order of arrival.

    It decides whenever trials have reached their `target_epochs` and were scored there. The search
    is over when it decides nothing and no trial trains. A trial scored at `max_epochs` has ended.
    """

    @property
    def trials(self) -> int:
        """Number of trials that begin in all."""
        ...

    @property
    def max_epochs(self) -> int:
        """Epochs of the trials that are never pruned (R)."""
        ...

    @property
    def synchronous(self) -> bool:
        """Whether trials that train at the same time are equally far, unless some are added."""
        ...

    @property
    def total(self) -> int | None:
        """Trial-epochs of the whole search; None where they depend on the scores."""
        ...

    def decide(self, trials: Sequence[TrialView], free_slots: int) -> Decision:
        """Return what happens next.

        Args:
            trials: All trials so far, in any order.
            free_slots: Number of new trials that may begin now. Schedulers that keep a fixed number
                of trials training also let trials go on in these slots alone.
        """
        ...


def best_first(trials: Sequence[TrialView], epochs: int) -> list[TrialView]:
    """Return trials in order of the score at exactly `epochs`, which all of them have.

    Scores that are not finite come last; ties go to the lower id.
    """
    scores = [trial.scores[epochs] for trial in trials]
    return [trials[position] for position in rank(scores, [trial.id for trial in trials], "min")]


def healthy(trial: TrialView, epochs: int) -> bool:
    """Return whether it was scored at exactly `epochs`, and had not diverged by then."""
    return math.isfinite(trial.scores.get(epochs, math.inf))
