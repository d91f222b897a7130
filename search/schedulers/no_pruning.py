"""No pruning: every trial trains to the end."""

from collections.abc import Sequence
from dataclasses import dataclass

from search.rungs import check_whole
from search.schedulers.scheduler import Decision, NewTrial
from search.trial import TrialView


@dataclass(frozen=True)
class NoPruning:
    """Begins trials in free slots, and lets them all train to the end.

    Attributes:
        trials: Number of trials, at least 1.
        max_epochs: Epochs of each trial, at least 1.
    """

    trials: int
    max_epochs: int

    def __post_init__(self) -> None:
        check_whole("trials", self.trials)
        check_whole("max_epochs", self.max_epochs)

    @property
    def synchronous(self) -> bool:
        """True, since trials that begin together end together."""
        return True

    @property
    def total(self) -> int:
        """Trial-epochs of the whole search."""
        return self.trials * self.max_epochs

    def decide(self, trials: Sequence[TrialView], free_slots: int) -> Decision:
        """Begin new trials in free slots; see `Scheduler`."""
        return Decision(
            start=(NewTrial(0, self.max_epochs),) * min(free_slots, self.trials - len(trials))
        )
