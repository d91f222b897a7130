"""Bytes as text."""

from pathlib import Path


def read_text(path: Path) -> str:
    """All of a UTF-8 file, with line feeds alone at the ends of lines.

    Raises:
        ValueError: Other bytes, with the line of the first.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"'{path}', line {line} holds bytes that are no text; save the file as UTF-8."
        ) from None
