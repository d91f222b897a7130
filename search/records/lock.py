"""One process at a time in a run folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from search.records.atomic import write_whole


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a run folder; the system lets them in if this one is killed.

    Raises:
        ValueError: Another process is in it, or it can't be written to.
    """
    lock, pid = FileLock(folder / ".lock", blocking=False), folder / ".pid"
    try:
        lock.acquire()
        write_whole(pid, f"{os.getpid()}\n")
    except Timeout as error:
        raise ValueError(
            f"`resume` is '{folder}', but {_holder(pid)} is working in it; "
            "wait until it ends, or stop it."
        ) from error
    except OSError as error:
        lock.release()
        raise ValueError(
            f"`resume` is '{folder}', but can't be worked in: {error.strerror}."
        ) from error
    try:
        yield
    finally:
        pid.unlink(missing_ok=True)
        lock.release()


def _holder(pid: Path) -> str:
    try:
        return f"process {int(pid.read_text())}"
    except (OSError, ValueError):
        return "another process"
