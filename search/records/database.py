"""Databases that Optuna keeps studies in, by SQLAlchemy, which takes long to import."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from search.trial import Trial


class Writer:
    """Writes trials into a database in another thread, since every operation takes long."""

    def __init__(
        self, where: str, storage: BaseStorage, write: Callable[[Sequence[Trial]], None]
    ) -> None:
        """Start the thread.

        Args:
            where: Place of the database, for people.
            storage: The database; connections of the thread are let go at its end.
            write: Function that writes trials into it.
        """
        self._where, self._storage, self._write = where, storage, write
        self._trials: Sequence[Trial] = ()
        self._closing = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="database", daemon=True)
        self._thread.start()

    def submit(self, trials: Sequence[Trial]) -> None:
        """Have trials written as soon as the thread is free; returns at once.

        Args:
            trials: All that are not written yet; they take the place of those that still wait.

        Raises:
            Exception: What an earlier call asked for could not be written.
        """
        with self._changed:
            if self._failure:
                raise self._failure
            self._trials = trials
            self._changed.notify()

    def close(self, seconds: float | None) -> None:
        """Wait until all is written, but no longer than `seconds`; closing twice is fine.

        Raises:
            Exception: It could not be written.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    @property
    def alive(self) -> bool:
        """Whether the thread is still at work, or may be."""
        return self._thread.is_alive()

    def _work(self) -> None:
        try:
            while trials := self._next():
                self._write(trials)
        except StorageInternalError as error:
            self._failure = OSError(
                f"the study in '{self._where}' can't be written: {reason(error.__cause__)}"
            )
        except Exception as error:
            self._failure = error
        finally:
            self._storage.remove_session()

    def _next(self) -> Sequence[Trial]:
        """Return the trials that wait, once there are some; none if there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._trials or self._closing)
            trials, self._trials = self._trials, ()
            return trials


def open_database(url: str) -> RDBStorage:
    """Open the database at a URL.

    Raises:
        ValueError: It can't be opened.
    """
    try:
        return RDBStorage(url)
    except (SQLAlchemyError, ImportError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"`storage` is '{shown(url)}', but can't be opened: {reason(error)}"
        ) from error


def check_file(url: str) -> None:
    """Accept a database that is no file, or one that exists; SQLite would make a new one.

    Raises:
        ValueError: There is none.
    """
    path = url.partition("sqlite:///")[2]
    if path and not Path(path).is_file():
        raise ValueError(f"`warm_start` is '{shown(url)}', but there is no such file.")


def let_go(database: RDBStorage) -> None:
    """Close the connections of a database: that of this thread, then those that wait for users."""
    database.remove_session()
    database.engine.dispose()


def shown(url: str) -> str:
    """Return a URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def reason(error: BaseException | None) -> str:
    """Return what a database did not like, in a line."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().splitlines()[0].rstrip(".") + "."
