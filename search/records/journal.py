"""Optuna's journal file with few writes: operations wait in memory until they are flushed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileOpenLock

CHUNK = 1 << 16
"""Bytes to read at once when looking for the end of the last whole line."""


class Buffered(BaseJournalBackend):
    """Shows the operations of a backend and those that wait; one process and thread may write.

    By itself a journal takes a lock and waits for the disk at every operation.
    """

    def __init__(self, backend: BaseJournalBackend) -> None:
        """Begin with what the backend holds."""
        self._backend = backend
        self._logs = list(backend.read_logs(0))
        self._flushed = len(self._logs)

    def read_logs(self, log_number_from: int) -> Sequence[dict[str, Any]]:
        """All from this number on, those that wait included."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Let them wait."""
        self._logs += logs

    def flush(self) -> None:
        """Hand those that wait over, all at once."""
        waiting = self._logs[self._flushed :]
        if waiting:
            self._backend.append_logs(waiting)
            self._flushed = len(self._logs)


def open_journal(path: Path) -> Buffered:
    """The journal in a file, new or not, mended if a kill tore it.

    Nobody else may write to it now, but anybody may read it, with Optuna's own backend.
    """
    lock = JournalFileOpenLock(str(path))
    # A kill in the middle of a write leaves a lock, on which Optuna would wait for half a minute,
    # and half a line, which it would skip now, but choke on once there is a line behind it.
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    if path.exists():
        _cut_torn_line(path)
    return Buffered(JournalFileBackend(str(path), lock))


def _cut_torn_line(path: Path) -> None:
    with path.open("r+b") as file:
        begin = end = file.seek(0, 2)
        while begin:
            begin = max(0, begin - CHUNK)
            file.seek(begin)
            newline = file.read(CHUNK).rfind(b"\n")
            if newline >= 0:
                begin += newline + 1
                break
        if begin < end:
            file.truncate(begin)
