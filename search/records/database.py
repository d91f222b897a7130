"""Databases that Optuna keeps studies in, by SQLAlchemy, which takes long to import."""

from pathlib import Path

from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError


def open_database(url: str) -> RDBStorage:
    """The database at a URL.

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
    """A URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return url


def reason(error: BaseException | None) -> str:
    """What a database did not like, in a line."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return str(cause).strip().splitlines()[0].rstrip(".") + "."
