"""Where a search stands, and where its time went."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from search.trial import Trial


class Progress(NamedTuple):
    """Told about every second, and whenever trials were scored.

    Attributes:
        begun: Trials begun.
        trials: Trials that will begin in all.
        training: Trials under way, those just scored included.
        epochs: The most epochs that one of these has seen.
        max_epochs: Epochs of the trials that are never pruned.
        trained: Trial-epochs behind, a fraction in the middle of an epoch.
        total: Trial-epochs of the whole search; None where scores decide on them.
        before: Trial-epochs behind when this process began, before a kill perhaps.
        seconds: Training time of this process.
        best: That of the search; None before the first score, or if all at its rung diverged.
        scored: Whether trials have just been scored.
    """

    begun: int
    trials: int
    training: int
    epochs: int
    max_epochs: int
    trained: float
    total: int | None
    before: float
    seconds: float
    best: Trial | None
    scored: bool


@dataclass
class Clock:
    """Seconds by what they were spent on.

    Attributes:
        compiling: Seconds so far for which trainers waited for compilers, whatever else they did;
            they count as `compile`, and as nothing else.
    """

    compiling: Callable[[], float] = lambda: 0.0
    compile: float = 0.0
    start: float = 0.0
    train: float = 0.0
    evaluate: float = 0.0
    select: float = 0.0
    decide: float = 0.0
    keep: float = 0.0
    other: float = 0.0
    _last: float = field(default_factory=time.perf_counter, repr=False)

    def spent(self, what: str) -> None:
        """Count the time since the last call (or the making of the clock) as `what`."""
        now, waited = time.perf_counter(), self.compiling() - self.compile
        setattr(self, what, getattr(self, what) + now - self._last - waited)
        self.compile += waited
        self._last = now
