"""Files that are there whole or not at all, also after a kill or a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a file, in place of the one before if there is one.

    Raises:
        OSError: The disk is full, the folder is read-only or gone; names `path`. What was there
            before still is, and nothing else.
    """
    partial = path.with_name(f".{path.name}.partial")
    with naming(path):
        try:
            partial.write_text(text, encoding="utf-8", newline="")
            to_disk(partial)
            partial.replace(path)
        except BaseException:
            # Where the folder itself is at fault there is nothing to delete, and no way to.
            if os.path.lexists(partial):
                partial.unlink()
            raise


def to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would outlive a power cut."""
    if path.is_dir() and os.name == "nt":
        return  # Windows opens no folders, and needs no such thing
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError from inside name `path`; that of a full disk names nothing by itself."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno, reason, str(path)) from error
