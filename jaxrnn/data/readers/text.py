"""`.txt`: one long text."""

from pathlib import Path

from jaxrnn.data.raw import Text
from jaxrnn.data.readers.encoded import read_text
from jaxrnn.data.readers.options import Options


def read(path: Path, options: Options) -> Text:
    """The whole file.

    Raises:
        ValueError: No UTF-8, nothing in it, or a named column.
    """
    options.refuse_columns(path)
    text = read_text(path)
    if not text.strip():
        raise ValueError(f"'{path}' is empty, but must hold text.")
    return Text(path.stem, text)
