"""Checkpoints: a search as it was, on disk, whole and checked, or not there at all."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.records.atomic import naming, to_disk
from search.records.strict_json import decode, encode
from search.trial import Proposal, Trial, TrialStatus

STATE, RECORDS, MANIFEST = "state", "records.json", "manifest.json"
"""Parts of a checkpoint: what the caller saves, the records, checksums of both."""


class Checkpoints:
    """Folders `<number>/`, each complete; only one process may work here.

    Attributes:
        notes: Sentences for people about checkpoints that were damaged.
    """

    def __init__(self, folder: Path, keep: int = 2) -> None:
        """Make the folder, or tidy up what a kill has left of unfinished checkpoints.

        Args:
            folder: Folder of the checkpoints.
            keep: Number of checkpoints to keep, at least 1; older ones serve if the newest is
                damaged.
        """
        self.notes: list[str] = []
        self._folder, self._keep = Path(folder), keep
        self._damaged: set[int] = set()
        with naming(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._tidy()

    def write(self, number: int, records: Mapping[Any, Any], save: Callable[[Path], None]) -> None:
        """Write a checkpoint, if it is not there; only then are older ones deleted.

        Args:
            number: Number of the checkpoint, from 0, at least that of the last good one.
            records: Plain values that `encode` takes.
            save: Function that makes a file or folder at the path that it is called with.

        Raises:
            OSError: The disk is full, read-only or gone. The checkpoints before are still there.
        """
        partial, final = self._folder / f".{number}", self._folder / str(number)
        if number in self._numbers() and _damage(final) is None:
            return
        text = json.dumps(encode(records), allow_nan=False)
        with naming(final):
            try:
                _fill(partial, text, save)
                self._retire(number)
                partial.rename(final)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            to_disk(self._folder)
            self._damaged.discard(number)
            good = [number for number in self._numbers() if number not in self._damaged]
            for old in (*good[self._keep :], *self._damaged):
                self._retire(old)
            self._damaged.clear()
            self._tidy()

    def latest(self) -> tuple[int, dict[Any, Any], Path] | None:
        """Read the newest checkpoint that is not damaged.

        Returns:
            Its number, its records and the path given to `save`; None if there are no checkpoints.

        Raises:
            ValueError: All of them are damaged.
        """
        skipped: list[str] = []
        for number in self._numbers():
            folder = self._folder / str(number)
            reason = _damage(folder)
            if reason is None:
                self.notes += [f"{sentence}, went back to {number}" for sentence in skipped]
                records = json.loads((folder / RECORDS).read_text(encoding="utf-8"))
                return number, decode(records), folder / STATE
            self._damaged.add(number)
            skipped.append(f"checkpoint {number} is damaged ({reason})")
        if skipped:
            raise ValueError(
                f"`resume` can't go on from '{self._folder}': {', '.join(skipped)}; "
                "there is no other."
            )
        return None

    def _numbers(self) -> list[int]:
        """Return the numbers of all checkpoints, the newest first."""
        names = (path.name for path in self._folder.iterdir() if path.is_dir())
        return sorted((int(name) for name in names if name.isdecimal()), reverse=True)

    def _retire(self, number: int) -> None:
        """Take a checkpoint away in one step, so that a kill leaves no half of it."""
        path = self._folder / str(number)
        if path.exists():
            path.rename(self._folder / f".{number}.old")

    def _tidy(self) -> None:
        for left in self._folder.glob(".[0-9]*"):
            shutil.rmtree(left)


def records_of(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Return trials as plain values, fit for `encode`; they share what the trials hold."""
    return [
        {**vars(trial), "state": str(trial.state), "proposal": trial.proposal._asdict()}
        for trial in trials
    ]


def trials_of(records: Sequence[Mapping[str, Any]]) -> list[Trial]:
    """Return the trials that `records_of` was given."""
    trials = []
    for record in records:
        trial = Trial(**record)
        trial.state = TrialStatus(trial.state)
        trial.proposal = Proposal(**record["proposal"])
        trial.changes = [
            (epochs, id, configuration) for epochs, id, configuration in record["changes"]
        ]
        trials.append(trial)
    return trials


def _fill(folder: Path, records: str, save: Callable[[Path], None]) -> None:
    """Write all that a checkpoint holds, down to the disk."""
    folder.mkdir()
    save(folder / STATE)
    (folder / RECORDS).write_text(records, encoding="utf-8")
    (folder / MANIFEST).write_text(json.dumps(_checksums(folder)), encoding="utf-8")
    for path in (*folder.rglob("*"), folder):
        to_disk(path)


def _damage(folder: Path) -> str | None:
    """Return what is wrong with a checkpoint, None if nothing is."""
    try:
        expected = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        actual = _checksums(folder)
    except OSError as error:
        return f"{Path(error.filename or folder).name}: {error.strerror}"
    except ValueError:
        return MANIFEST
    if not isinstance(expected, dict):
        return MANIFEST
    wrong = [name for name in {**expected, **actual} if expected.get(name) != actual.get(name)]
    return wrong[0] if wrong else None


def _checksums(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file inside but the manifest, by its path."""
    sums = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != MANIFEST:
            with path.open("rb") as file:
                sums[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums
