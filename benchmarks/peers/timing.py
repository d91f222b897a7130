"""Training for about so many seconds, on any clock."""

import time
from collections.abc import Callable
from typing import Any, Protocol


class Runner(Protocol):
    """Trains the same thing again and again.

    Attributes:
        members: Trials that train together.
        epochs: Epochs of each trial.
    """

    members: int
    epochs: int

    def start(self) -> Any:
        """First weights and optimizers, ready to train."""

    def train(self, started: Any) -> None:
        """Train to the last epoch, and wait for the device."""


def measure(
    runner: Runner,
    seconds: float,
    least: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Run whole trials until `seconds` have passed.

    Args:
        runner: Runner to measure.
        seconds: Least time that setting up and training take together.
        least: Fewest trials.
        clock: Function that returns seconds since some moment.

    Returns:
        `trials` that were trained, `epochs` of each, `seconds` of training, and `setup_seconds`.
    """
    trials, setup, training = 0, 0.0, 0.0
    while trials < least or setup + training < seconds:
        begin = clock()
        started = runner.start()
        ready = clock()
        runner.train(started)
        end = clock()
        trials += runner.members
        setup, training = setup + ready - begin, training + end - ready
    return {
        "trials": trials,
        "epochs": runner.epochs,
        "seconds": training,
        "setup_seconds": setup,
    }
