"""What a sampler is asked, and what it is told of the trials so far."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol


class Proposal(NamedTuple):
    """A configuration to try.

    Attributes:
        configuration: Entries by name, in plain Python types: those whose conditions hold, in the
            order of the space, fixed ones included.
        params: Values of the entries that vary by name: those in the configuration, and those that
            it lacks where the sampler drew them all.
        attrs: What the sampler wants back with the trial, strings and numbers by name, fit for
            JSON.
    """

    configuration: dict[str, Any]
    params: dict[str, Any]
    attrs: dict[str, Any]


class Seen(NamedTuple):
    """A trial so far.

    Attributes:
        proposal: What was proposed.
        scores: By epochs; lower is better, infinite where it diverged. Empty: it still trains.
    """

    proposal: Proposal
    scores: Mapping[int, float]


class Sampler(Protocol):
    """Proposes by the trials seen alone, so that a search can go on in another process."""

    @property
    def learns(self) -> bool:
        """Whether proposals depend on scores, so that small batches beat one of all trials."""
        ...

    @property
    def size(self) -> int | None:
        """How many configurations there are; None if there is no end."""
        ...

    def ask(self, count: int, seen: Sequence[Seen]) -> list[Proposal]:
        """The next `count` proposals, fewer only where there are no more.

        The same `seen` gives the same proposals, in any process. Samplers that do not learn give
        the same sequence however it is cut into batches.

        Args:
            count: How many.
            seen: All trials so far, by id.
        """
        ...
