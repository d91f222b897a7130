"""Workers, as the process sees them that asks: each started once, and ended with this one."""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent.parent
GRACE = 5.0
"""Seconds that a process may take to end."""


class DeadWorker(Exception):
    """A process ended that should have answered."""


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that imports these modules; the user's settings come first."""
    paths = [str(BENCHMARKS), os.environ.get("PYTHONPATH", "")]
    return {**more, **os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


class Worker:
    """A process that sleeps until it is asked."""

    def __init__(self, name: str, *arguments: str, **variables: str) -> None:
        """Start it.

        Args:
            name: For people.
            *arguments: Of `peers.worker`.
            **variables: Of its environment, where the user has not set them.
        """
        self.name = name
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "peers.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            env=environment(**variables),
            start_new_session=True,  # Ctrl-C is for the one who asks, who ends all workers
        )

    def send(self, **request: Any) -> None:
        """Ask for something; `answer` must be next."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._dead() from None

    def answer(self) -> dict[str, Any]:
        """Wait for what was asked.

        Raises:
            DeadWorker: The process ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise self._dead()
        return json.loads(line)

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send and wait."""
        self.send(**request)
        return self.answer()

    def _dead(self) -> DeadWorker:
        status = self._process.wait()
        self._complaints.seek(0)
        last = [line.strip() for line in self._complaints if line.strip()][-1:]
        why = f": {last[0]}" if last else ""
        return DeadWorker(f"the worker of '{self.name}' ended with status {status}{why}")

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            with suppress(OSError):  # what could not be sent any more
                if stream is not None:
                    stream.close()


class Staff:
    """All workers, ended together."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []

    def hire(self, name: str, *arguments: str, **variables: str) -> Worker:
        """Start a worker; arguments as for `Worker`."""
        self._workers.append(Worker(name, *arguments, **variables))
        return self._workers[-1]

    def ask_all(self, workers: list[Worker], **request: Any) -> list[dict[str, Any]]:
        """Ask them for the same at the same time."""
        for worker in workers:
            worker.send(**request)
        return [worker.answer() for worker in workers]

    def __enter__(self) -> "Staff":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.end()
