"""One part of the kit, in a process of its own.

    python -m benchmarks.gpu PART --device NAME --out FOLDER --budget SECONDS [--rehearse]

`benchmarks/gpu_kit.sh` runs it so, from the root of the repository.
"""

import argparse
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path
from types import FrameType

from benchmarks.gpu.record import Budget, Record, sentence

PARTS = ("parity", "jobs", "throughput", "options", "profile")


class Stopped(BaseException):
    """Somebody sent SIGTERM."""


def stop(number: int, frame: FrameType | None) -> None:
    """End as with Ctrl-C, so that processes that a part began end too."""
    del number, frame
    raise Stopped("it was stopped, since it took much longer than its budget")


def main() -> int:
    """Run a part; returns 0 if it came to its end without an error."""
    parser = argparse.ArgumentParser(description="One part of the kit.")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--device", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", type=float, required=True)
    parser.add_argument("--rehearse", action="store_true")
    settings = parser.parse_args()
    signal.signal(signal.SIGTERM, stop)
    record = Record(
        settings.part, settings.device, settings.out, Budget(settings.budget), settings.rehearse
    )
    try:
        import_module(f"benchmarks.gpu.{settings.part}").measure(record)
    except (Exception, KeyboardInterrupt, Stopped) as error:
        traceback.print_exc()
        record.fail(sentence(error))
        if not isinstance(error, Exception):
            sys.stdout.flush()
            os._exit(130)  # Python would wait for a compiler at work, which nothing can stop
    return 0 if record.close() else 1


if __name__ == "__main__":
    sys.exit(main())
