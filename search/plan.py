"""What a search is to do."""

from dataclasses import dataclass

from search.samplers.sampler import Sampler
from search.schedulers.scheduler import Scheduler
from search.space import Space


@dataclass(frozen=True)
class Plan:
    """What a search does; with the same plan, the same results.

    Attributes:
        space: Where to search.
        sampler: Proposes configurations.
        scheduler: Decides who goes on.
        metric: The score, a name that the trainer's `evaluate` gives.
        mode: `min` or `max`: which scores are better.
        seed: Of all that is random.
        at_once: The most trials that new ones may fill up.
    """

    space: Space
    sampler: Sampler
    scheduler: Scheduler
    metric: str = "loss"
    mode: str = "min"
    seed: int = 0
    at_once: int = 1 << 30

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown mode, or room for nobody."""
        if self.mode not in ("min", "max"):
            raise ValueError(f"`mode` is {self.mode!r}, but must be 'min' or 'max'.")
        if self.at_once < 1:
            raise ValueError(f"`at_once` is {self.at_once}, but must be at least 1.")
