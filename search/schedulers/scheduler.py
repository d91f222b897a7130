"""What a scheduler sees of the trials, and what it can decide."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from search.trial import TrialView, rank


class NewTrial(NamedTuple):
    """A trial to begin: its bracket, and the epochs to train until it is scored first."""

    bracket: int
    target_epochs: int


class Exploit(NamedTuple):
    """One trial takes over the weights of another, and its hyperparameters with a change.

    Attributes:
        loser: Id of the trial that gives up its own.
        winner: Id of the trial that is copied.
    """

    loser: int
    winner: int


class Decision(NamedTuple):
    """What happens next, all of it at once; copies before the training that `promote` asks for.

    Attributes:
        start: Trials to begin, at most as many as there is room for.
        promote: By id of a waiting trial, the epochs (in all) to train until it is scored again.
        prune: Ids of waiting trials that are pruned.
        exploit: Who takes over from whom.
    """

    start: tuple[NewTrial, ...] = ()
    promote: Mapping[int, int] = {}
    prune: tuple[int, ...] = ()
    exploit: tuple[Exploit, ...] = ()


class Scheduler(Protocol):
    """Decides by the table alone: no clock, no memory, no order of arrival.

    It is asked whenever trials have reached their `target_epochs` and were scored there. The search
    is over when it decides nothing and no trial trains. A trial scored at `max_epochs` has ended.
    """

    @property
    def trials(self) -> int:
        """How many it begins in all."""
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
        """What to do next.

        Args:
            trials: All trials so far, in any order.
            free_slots: How many new trials may begin now. Trials that go on are not counted, but by
                schedulers that keep a fixed number of trials training.
        """
        ...


def best_first(trials: Sequence[TrialView], epochs: int) -> list[TrialView]:
    """Trials by the score at exactly `epochs`, which all of them have, whatever came later.

    Scores that are not finite come last; ties go to the lower id.
    """
    scores = [trial.scores[epochs] for trial in trials]
    return [trials[position] for position in rank(scores, [trial.id for trial in trials], "min")]


def healthy(trial: TrialView, epochs: int) -> bool:
    """Whether it was scored at exactly `epochs`, and had not diverged by then."""
    return math.isfinite(trial.scores.get(epochs, math.inf))
