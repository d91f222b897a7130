"""The protocol of samplers."""

from collections.abc import Sequence
from typing import Protocol

from search.trial import Proposal, TrialView


class Sampler(Protocol):
    """Proposes by the trials so far alone, so that a search can go on in another process."""

    @property
    def learns(self) -> bool:
        """Whether proposals depend on scores, so that small batches beat one of all trials."""
        ...

    @property
    def size(self) -> int | None:
        """Number of configurations that there are; None if there is no end."""
        ...

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        """Return the next `count` proposals, fewer only where there are no more.

        The same `trials` give the same proposals, in any process. Samplers that do not learn give
        the same sequence however it is cut into batches.

        Args:
            count: Number of proposals.
            trials: All trials so far, by id.
        """
        ...
