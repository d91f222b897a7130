"""How much to hand to the devices at once: about a second of work.

Shorter than a whole epoch of a large population, so that people see progress and Ctrl-C is heard;
long enough that handing it over costs nothing. Results do not depend on it.
"""

import time
from collections.abc import Iterator

SECONDS = 1.0


class Slices:
    """Cuts waves into slices, by the speed of the slices before."""

    def __init__(self) -> None:
        self._waves = 0.0
        self._seconds = 0.0

    def __call__(self, waves: int) -> Iterator[tuple[int, int]]:
        """First and last wave of one slice after another, the last one excluded.

        The body of the loop over them is what is timed; it must wait for the devices.

        Args:
            waves: How many there are.
        """
        first = 0
        while first < waves:
            speed = self._waves / self._seconds if self._seconds else 0.0  # waves per second
            last = min(first + max(1, int(SECONDS * speed)), waves)
            begin = time.perf_counter()
            yield first, last
            self._seconds += time.perf_counter() - begin
            self._waves += last - first
            first = last
