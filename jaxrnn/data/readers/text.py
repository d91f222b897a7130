"""`.txt`: one long text, whatever its bytes are encoded in."""

from pathlib import Path

from jaxrnn.data.options import ColumnRoles
from jaxrnn.data.records import LongText


def read(path: Path, roles: ColumnRoles) -> LongText:
    """Read the whole file.

    Raises:
        ValueError: The file is no UTF-8 or empty, or a column is named.
    """
    roles.refuse_columns(path)
    text = read_text(path)
    if not text.strip():
        raise ValueError(f"'{path}' is empty, but must hold text.")
    return LongText(path.stem, text)


def read_text(path: Path) -> str:
    """Read a UTF-8 file; lines end in line feeds alone.

    Raises:
        ValueError: Bytes are no UTF-8; the message has the line of the first.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"'{path}', line {line} holds bytes that are no text; save the file as UTF-8."
        ) from None
