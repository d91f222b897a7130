"""Where Optuna keeps a study: the journal in the run folder, or a database."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection

from search.records.atomic import write_whole
from search.records.journal import open_journal

JOURNAL, OWNER = "study.log", "study.id"
"""Files of a run folder: the study, and what it is known by in a storage that others use too."""
DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}


class Store(NamedTuple):
    """An open storage.

    Attributes:
        storage: Optuna's.
        where: It is, for people.
        prompt: Whether operations cost next to nothing before they are flushed.
        flush: Brings all operations to the disk.
        close: Lets connections go.
    """

    storage: BaseStorage
    where: str
    prompt: bool
    flush: Callable[[], None]
    close: Callable[[], None]


def open_store(url: str | None, folder: Path) -> Store:
    """The storage at a URL; the journal of the run folder if there is none.

    Raises:
        ValueError: The storage can't be opened.
    """
    with quiet():
        if url is None:
            return _open_journal(folder)
        from search.records import database  # here, for searches without one begin sooner

        opened = database.open_database(url)
        close = partial(database.let_go, opened)
        return Store(opened, database.shown(url), False, lambda: None, close)


def forget_journal(folder: Path) -> None:
    """Delete the journal of a run folder, so that the study is written anew."""
    (folder / JOURNAL).unlink(missing_ok=True)


def _open_journal(folder: Path) -> Store:
    path = folder / JOURNAL
    try:
        journal = open_journal(path)
        return Store(JournalStorage(journal), str(folder), True, journal.flush, lambda: None)
    except OSError:
        raise
    except Exception as error:  # whatever Optuna makes of a damaged line
        raise ValueError(
            f"'{path}' is damaged; move it away, and the study is written anew."
        ) from error


def open_study(store: Store, mode: str, folder: Path, attributes: Mapping[str, Any]) -> int:
    """Id of the study of a run folder, which is made if there is none.

    It has the name that the folder had when it was made.

    Args:
        store: Where.
        mode: `min` or `max`.
        folder: Of the run.
        attributes: What the study says of itself, by name.

    Raises:
        ValueError: The study of this name belongs to another run.
    """
    storage, (owner, name) = store.storage, _owner(folder)
    try:
        study = storage.get_study_id_from_name(name)
    except KeyError:
        with quiet():
            study = storage.create_new_study([DIRECTIONS[mode]], name)
    found = storage.get_study_user_attrs(study).get("run")
    # A kill may come between the study and its attributes, of which `run` is the last.
    if found is None and not storage.get_all_trials(study, deepcopy=False):
        for key, value in {**attributes, "run": owner}.items():
            storage.set_study_user_attr(study, key, value)
        store.flush()
    elif found != owner:
        raise ValueError(
            f"`storage` has a study '{name}' of another run already; "
            "choose another name for the run folder."
        )
    if storage.get_study_directions(study) != [DIRECTIONS[mode]]:
        raise ValueError(f"`storage` has a study '{name}', but it does not go for the {mode}imum.")
    return study


@contextmanager
def reading(source: str) -> Iterator[optuna.Study]:
    """A study to read: of a run folder, or at `URL#name`, where one that is alone needs no name.

    Raises:
        ValueError: There is no such study.
    """
    where, _, name = source.partition("#")
    journal = Path(source) / JOURNAL
    if journal.is_file():
        yield _find("", JournalStorage(JournalFileBackend(str(journal))), source)
    elif "://" in where:
        from search.records import database

        database.check_file(where)
        with quiet():
            opened = database.open_database(where)
        try:
            yield _find(name, opened, database.shown(where))
        finally:
            database.let_go(opened)
    else:
        raise ValueError(
            f"`warm_start` is '{source}', but must be a run folder with a '{JOURNAL}', or the URL "
            "of a storage with the name of a study, such as sqlite:///studies.db#name."
        )


def _find(name: str, storage: BaseStorage, where: str) -> optuna.Study:
    """The study of this name; the only one there if the name is empty."""
    names = optuna.get_all_study_names(storage)
    if name not in names and (name or len(names) != 1):
        known = ", ".join(f"'{known}'" for known in names) or "none"
        raise ValueError(f"`warm_start` must name one of the studies in {where}: {known}.")
    return optuna.load_study(study_name=name or names[0], storage=storage)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from telling of new studies."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _owner(folder: Path) -> tuple[str, str]:
    """A token of the run, and the name of its study."""
    path = folder / OWNER
    if not path.exists():
        write_whole(path, f"{uuid.uuid4().hex} {folder.resolve().name}\n")
    token, _, name = path.read_text(encoding="utf-8").strip().partition(" ")
    return token, name
