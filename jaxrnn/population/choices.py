"""How programs were compiled: what an autotuner chose, by cohort, in files that outlive a process.

Other lanes and other compiler options may change the last bits. A run therefore keeps its choices
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
from jaxrnn.population.devices import MOST_LANES
from jaxrnn.population.options import Options


class Choice(NamedTuple):
    """How a cohort is compiled.

    Attributes:
        lanes: Members side by side on each device.
        options: Of its programs.
        seconds: Of a member's microbatch, for every candidate that was timed, by its description.
    """

    lanes: int
    options: Options
    seconds: dict[str, float] = {}  # noqa: RUF012, never changed

    def describe(self) -> str:
        """Lanes and options for people, and as a name in files."""
        graphs = ", graphs around loops" if self.options.graphs else ""
        return f"{self.lanes} lanes, {self.options.unroll} time steps a turn{graphs}"


class Choices:
    """Remembers choices, and keeps them in files.

    Attributes:
        cache: A folder for later runs on this machine; None to keep nothing there.
    """

    def __init__(self, context: str, cache: Path | None = None) -> None:
        """Remember nothing yet.

        Args:
            context: Whatever else choices depend on: devices, shapes of the data, versions.
            cache: See the attributes.
        """
        self._context, self.cache = context, cache
        self._known: dict[str, Choice] = {}
        self._record: Path | None = None

    def keep_in(self, record: Path) -> None:
        """Keep choices in this file from now on, and take over those that are in it.

        Raises:
            ValueError: It is damaged.
        """
        if record.is_file():
            self._known |= _read(record)
        self._record = record

    def get(self, architecture: Architecture, lanes: int) -> Choice | None:
        """What was chosen for a cohort that would have so many `lanes` without a choice."""
        key = self._key(architecture, lanes)
        if key not in self._known:
            self._known |= {name: one for name, one in self._kept(key).items() if name == key}
        return self._known.get(key)

    def put(self, architecture: Architecture, lanes: int, choice: Choice, keep: bool) -> None:
        """Remember a choice; later runs need not time it again if `keep`."""
        # With the lanes that were chosen it is to be found too.
        keys = {self._key(architecture, count) for count in (lanes, choice.lanes)}
        new = dict.fromkeys(keys, choice)
        self._known |= new
        if self._record is not None:
            _try_to_write(self._record, self._recorded() | new)
        if keep and self.cache is not None:
            for key in keys:
                _try_to_write(self.cache / f"{key}.json", {key: choice})

    def _recorded(self) -> dict[str, Choice]:
        """What the run's file has, which other trainers may have written."""
        if self._record is None or not self._record.is_file():
            return {}
        return _read_or_warn(self._record)

    def _kept(self, key: str) -> dict[str, Choice]:
        """What files have: that of the run, or the cache."""
        if key in (recorded := self._recorded()):
            return recorded
        path = None if self.cache is None else self.cache / f"{key}.json"
        return {} if path is None or not path.is_file() else _read_or_warn(path)

    def _key(self, architecture: Architecture, lanes: int) -> str:
        # A set has no order that another process would have too.
        problem = architecture.spec._replace(excluded=frozenset())
        about = repr((replace(architecture, spec=problem), lanes, self._context))
        return hashlib.sha256(about.encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Choice]:
    """The choices in a file.

    Raises:
        ValueError: It is damaged.
    """
    try:
        return {str(key): _parsed(one) for key, one in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        text = f"'{path}' is damaged: it must hold the choices of an autotuner."
        raise ValueError(text) from error


def _read_or_warn(path: Path) -> dict[str, Choice]:
    try:
        return _read(path)
    except ValueError as error:
        warnings.warn(f"{error} It is written anew.", RuntimeWarning, stacklevel=2)
        return {}


def _parsed(given: dict[str, Any]) -> Choice:
    lanes, unroll, graphs = given["lanes"], given["unroll"], given["graphs"]
    whole = type(lanes) is int and type(unroll) is int and type(graphs) is bool
    if not (whole and 1 <= lanes <= MOST_LANES and unroll >= 1):
        raise ValueError(f"no such choice: {given}")
    seconds = {str(name): float(value) for name, value in given["seconds"].items()}
    return Choice(lanes, Options(unroll, graphs), seconds)


def _write(path: Path, choices: dict[str, Choice]) -> None:
    rows = {
        key: {"lanes": one.lanes, **one.options._asdict(), "seconds": one.seconds}
        for key, one in sorted(choices.items())
    }
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(rows, indent=2) + "\n")
    fresh.replace(path)


def _try_to_write(path: Path, choices: dict[str, Choice]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(path, choices)
    except OSError as error:
        text = f"'{path}' can't be written ({error.strerror}), so what was timed is not kept there."
        warnings.warn(text, RuntimeWarning, stacklevel=2)
