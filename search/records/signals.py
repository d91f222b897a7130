"""Ctrl-C and SIGTERM: what they do, and when they wait."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def answered(answer: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM call `answer` until the block is left; they reach the main thread."""
    with _handled(lambda *_: answer()):
        yield


@contextmanager
def deferred() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait until the block is left; they reach the main thread alone."""
    caught: list[int] = []
    with _handled(lambda number, _: caught.append(number)):
        yield
    if caught:
        signal.raise_signal(caught[0])


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let `handler` have both signals until the block is left.

    Nothing happens in other threads, which get no signals, nor to signals that something else than
    Python handles, since these handlers could not be put back.
    """
    main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in ENDING if main and signal.getsignal(number) is not None]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
