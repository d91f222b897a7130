"""The autotuner's choices by cohort, in files that outlive a process.

Other lanes and other compiler options may change the last bits. A run therefore keeps the choices
in its folder, and goes on with them.
"""

import hashlib
import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from jaxrnn.network.architecture import Architecture
from jaxrnn.population.devices import MAX_LANES
from jaxrnn.population.options import Options


class Candidate(NamedTuple):
    """A way to compile a cohort.

    Attributes:
        lanes: Members side by side on each device.
        options: Options of the programs.
        seconds: Seconds of a member's microbatch by every candidate that was timed, by its
            description.
    """

    lanes: int
    options: Options
    seconds: dict[str, float] = {}  # noqa: RUF012, never changed

    def describe(self) -> str:
        """Return lanes and options in words, also as a name in files."""
        graphs = ", graphs around loops" if self.options.graphs else ""
        return f"{self.lanes} lanes, {self.options.unroll} time steps a turn{graphs}"


class TuningCache:
    """The best candidate of each cohort, in memory and in files.

    Attributes:
        cache: Folder for later runs on this machine; None to keep nothing there.
    """

    def __init__(self, context: str, cache: Path | None = None) -> None:
        """Start empty.

        Args:
            context: Everything else that the best depends on: devices, shapes, versions.
            cache: See the attributes.
        """
        self._context, self.cache = context, cache
        self._known: dict[str, Candidate] = {}
        self._run_file: Path | None = None

    def keep_in(self, file: Path) -> None:
        """Write to this file from now on, and take over what is in it.

        Raises:
            ValueError: It is damaged.
        """
        if file.is_file():
            self._known |= _read(file)
        self._run_file = file

    def get(self, architecture: Architecture, lanes: int) -> Candidate | None:
        """Return the best for a cohort that would have so many `lanes` by default."""
        key = self._key(architecture, lanes)
        if key not in self._known:
            self._known |= {name: best for name, best in self._stored(key).items() if name == key}
        return self._known.get(key)

    def put(self, architecture: Architecture, lanes: int, best: Candidate, keep: bool) -> None:
        """Remember the best; later runs need not time it again if `keep`."""
        # A cohort that has the lanes of the best already finds it, too.
        keys = {self._key(architecture, count) for count in (lanes, best.lanes)}
        new = dict.fromkeys(keys, best)
        self._known |= new
        if self._run_file is not None:
            _try_to_write(self._run_file, self._in_run_file() | new)
        if keep and self.cache is not None:
            for key in keys:
                _try_to_write(self.cache / f"{key}.json", {key: best})

    def _in_run_file(self) -> dict[str, Candidate]:
        """Return what the run's file has, which other trainers may have written."""
        if self._run_file is None or not self._run_file.is_file():
            return {}
        return _read_or_warn(self._run_file)

    def _stored(self, key: str) -> dict[str, Candidate]:
        """Return what the run's file has of a cohort, or else the cache."""
        if key in (recorded := self._in_run_file()):
            return recorded
        path = None if self.cache is None else self.cache / f"{key}.json"
        return {} if path is None or not path.is_file() else _read_or_warn(path)

    def _key(self, architecture: Architecture, lanes: int) -> str:
        # A set has no order that another process would have too.
        spec = architecture.spec._replace(excluded=frozenset())
        text = repr((replace(architecture, spec=spec), lanes, self._context))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Candidate]:
    """Return the candidates in a file by key.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return {str(key): _parsed(row) for key, row in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        text = f"'{path}' is damaged: it must hold the choices of an autotuner."
        raise ValueError(text) from error


def _read_or_warn(path: Path) -> dict[str, Candidate]:
    try:
        return _read(path)
    except ValueError as error:
        warnings.warn(f"{error} It is written anew.", RuntimeWarning, stacklevel=2)
        return {}


def _parsed(row: dict[str, Any]) -> Candidate:
    lanes, unroll, graphs = row["lanes"], row["unroll"], row["graphs"]
    whole = type(lanes) is int and type(unroll) is int and type(graphs) is bool
    if not (whole and 1 <= lanes <= MAX_LANES and unroll >= 1):
        raise ValueError(f"no such choice: {row}")
    seconds = {str(name): float(value) for name, value in row["seconds"].items()}
    return Candidate(lanes, Options(unroll, graphs), seconds)


def _write(path: Path, candidates: dict[str, Candidate]) -> None:
    rows = {
        key: {"lanes": best.lanes, **best.options._asdict(), "seconds": best.seconds}
        for key, best in sorted(candidates.items())
    }
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(rows, indent=2) + "\n")
    temporary.replace(path)


def _try_to_write(path: Path, candidates: dict[str, Candidate]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(path, candidates)
    except OSError as error:
        text = f"'{path}' can't be written ({error.strerror}), so what was timed is not kept there."
        warnings.warn(text, RuntimeWarning, stacklevel=2)
