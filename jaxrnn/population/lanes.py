"""The ladder of lane counts: few of them, so that there are few programs."""

from jaxrnn.population.devices import MOST_LANES

LADDER = tuple(1 << power for power in range(MOST_LANES.bit_length()))
"""Every power of two from 1 to the most."""


def ladder_at_most(lanes: int) -> tuple[int, ...]:
    """Steps of the ladder that are no wider than `lanes`, the widest first.

    Raises:
        ValueError: `lanes` below 1.
    """
    if lanes < 1:
        raise ValueError(f"`lanes` is {lanes}, but must be at least 1.")
    return tuple(step for step in reversed(LADDER) if step <= lanes)


def enough(members: int) -> int:
    """The narrowest step that holds so many members of a device, or the widest that there is."""
    return next((step for step in LADDER if step >= members), LADDER[-1])


def halved(lanes: int) -> int | None:
    """The next narrower step, whether or not `lanes` is one; None where there is none."""
    return max((step for step in LADDER if step < lanes), default=None)
