"""Where Optuna keeps a study: the journal in the run folder, or a database."""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection

from search.records.atomic import naming, write_whole
from search.samplers.optuna_trials import quiet

JOURNAL, OWNER = "study.log", "study.id"
"""Files of a run folder: the study, and what it is known by in a storage that others use too."""
DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}


class Store(NamedTuple):
    """An open storage.

    Attributes:
        storage: Storage as Optuna knows it.
        where: Its place, for people.
        flush: Function that brings all operations to the disk.
        close: Function that lets connections go.
    """

    storage: BaseStorage
    where: str
    flush: Callable[[], None]
    close: Callable[[], None]


class Journal(BaseJournalBackend):
    """Optuna's journal file with few writes: operations wait in memory until they are flushed.

    By itself it takes a lock and waits for the disk at every operation. Lines are only ever added,
    since readers, such as a dashboard, keep their place in the file; they may add lines too.
    """

    def __init__(self, path: Path) -> None:
        """Open a journal, or make it, and mend what a kill has torn.

        Args:
            path: The file; only one `Journal` at a time may be open there.

        Raises:
            ValueError: A line in it is no JSON.
        """
        self._path = path
        # A kill in the middle of a write leaves a lock, on which Optuna would wait for half a
        # minute, and half a line, which it skips now, but chokes on once there is a line behind.
        path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(path, len(whole))
        self._logs = [json.loads(line) for line in whole.splitlines()]
        self._file = JournalFileBackend(str(path), JournalFileOpenLock(str(path)))
        self._flushed = len(self._logs)

    def read_logs(self, log_number_from: int) -> Sequence[dict[str, Any]]:
        """Return all operations from this number on, those that wait included."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Let operations wait."""
        self._logs += logs

    def flush(self) -> None:
        """Write the operations that wait, all at once."""
        waiting = self._logs[self._flushed :]
        if waiting:
            with naming(self._path):
                self._file.append_logs(waiting)
            self._flushed = len(self._logs)


def open_store(url: str | None, folder: Path) -> Store:
    """Open the storage at a URL; the journal of the run folder if there is none.

    A damaged journal begins anew.

    Raises:
        ValueError: The storage can't be opened.
    """
    with quiet():
        if url is None:
            return _open_journal(folder / JOURNAL)
        from search.records import database  # here, for searches without one begin sooner

        storage = database.open_database(url)
        close = partial(database.let_go, storage)
        return Store(storage, database.shown(url), lambda: None, close)


def forget_journal(folder: Path) -> None:
    """Delete the journal of a run folder, so that the study is written anew."""
    (folder / JOURNAL).unlink(missing_ok=True)


def _open_journal(path: Path) -> Store:
    try:
        journal = Journal(path)
        storage = JournalStorage(journal)
    except OSError:
        raise
    except Exception:  # whatever Optuna makes of a damaged line
        path.unlink()
        journal = Journal(path)
        storage = JournalStorage(journal)
    return Store(storage, str(path.parent), journal.flush, lambda: None)


def open_study(store: Store, mode: str, folder: Path, attributes: Mapping[str, Any]) -> int:
    """Return the id of the study of a run folder, which is made if there is none.

    It has the name that the folder had when it was made.

    Args:
        store: Storage of the study.
        mode: `min` or `max`.
        folder: The run folder.
        attributes: Attributes of the study, by name.

    Raises:
        ValueError: The study of this name belongs to another run.
    """
    storage, (owner, name) = store.storage, _owner(folder)
    try:
        study = storage.get_study_id_from_name(name)
    except KeyError:
        with quiet():
            study = storage.create_new_study([DIRECTIONS[mode]], name)
    run = storage.get_study_user_attrs(study).get("run")
    # A kill may come between the study and its attributes, of which `run` is the last.
    if run is None and not storage.get_all_trials(study, deepcopy=False):
        for key, value in {**attributes, "run": owner}.items():
            storage.set_study_user_attr(study, key, value)
        store.flush()
    elif run != owner:
        raise ValueError(
            f"`storage` has a study '{name}' of another run already; "
            "choose another name for the run folder."
        )
    if storage.get_study_directions(study) != [DIRECTIONS[mode]]:
        raise ValueError(f"`storage` has a study '{name}', but it does not go for the {mode}imum.")
    return study


@contextmanager
def reading(source: str) -> Iterator[optuna.Study]:
    """Open a study to read: that of a run folder, or at `URL#name`, or `URL` of the only one there.

    Raises:
        ValueError: There is no such study.
    """
    where, _, name = source.partition("#")
    journal = Path(source) / JOURNAL
    if journal.is_file():
        yield _named("", JournalStorage(JournalFileBackend(str(journal))), source)
    elif "://" in where:
        from search.records import database

        database.check_file(where)
        with quiet():
            storage = database.open_database(where)
        try:
            yield _named(name, storage, database.shown(where))
        finally:
            database.let_go(storage)
    else:
        raise ValueError(
            f"`warm_start` is '{source}', but must be a run folder with a '{JOURNAL}', or the URL "
            "of a storage with the name of a study, such as sqlite:///studies.db#name."
        )


def _named(name: str, storage: BaseStorage, where: str) -> optuna.Study:
    """Load the study of this name; the only one there if the name is empty."""
    names = optuna.get_all_study_names(storage)
    if name not in names and (name or len(names) != 1):
        known = ", ".join(f"'{known}'" for known in names) or "none"
        raise ValueError(f"`warm_start` must name one of the studies in {where}: {known}.")
    return optuna.load_study(study_name=name or names[0], storage=storage)


def _owner(folder: Path) -> tuple[str, str]:
    """Return a token of the run, and the name of its study."""
    path = folder / OWNER
    if not path.exists():
        write_whole(path, f"{uuid.uuid4().hex} {folder.resolve().name}\n")
    token, _, name = path.read_text(encoding="utf-8").strip().partition(" ")
    return token, name
