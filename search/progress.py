"""Where a search stands, and where its time went."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from search.trial import Trial


class Progress(NamedTuple):
    """Where a search stands, as it is reported about every second and after every epoch.

    Attributes:
        begun: Trials begun.
        trials: Trials that will begin in all.
        training: Trials under way, those just scored included.
        epochs: Most epochs that one of these has trained.
        max_epochs: Epochs of the trials that are never pruned.
        trained: Trial-epochs trained, a fraction in the middle of an epoch.
        total: Trial-epochs of the whole search; None where scores decide on them.
        before: Trial-epochs trained when this process began, before a kill perhaps.
        seconds: Training time of this process.
        best: Best trial; None before the first score, or if all at its rung diverged.
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
    """Seconds by what they were spent on; what is spent on nothing else counts as `other`.

        with clock("train"):
            ...

    Attributes:
        compiling: Function that gives the seconds so far for which trainers waited for compilers,
            whatever else they did; they count as `compile`, and as nothing else.
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
    _activity: str = field(default="other", repr=False)
    _last: float = field(default_factory=time.perf_counter, repr=False)

    @contextmanager
    def __call__(self, activity: str) -> Iterator[None]:
        """Count the time inside the block as `activity`, but for blocks inside it."""
        self._count()
        outer, self._activity = self._activity, activity
        try:
            yield
        finally:
            self._count()
            self._activity = outer

    def _count(self) -> None:
        now, waited = time.perf_counter(), self.compiling() - self.compile
        spent = now - self._last - waited
        setattr(self, self._activity, getattr(self, self._activity) + spent)
        self.compile += waited
        self._last = now
