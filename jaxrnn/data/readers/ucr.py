"""`.ts` and `.arff`: labelled sequences as the UCR and UEA archives publish them."""

from pathlib import Path

from jaxrnn.data.options import ColumnRoles
from jaxrnn.data.readers.arff import read_arff
from jaxrnn.data.readers.labelled import to_sequences
from jaxrnn.data.readers.ts import read_ts
from jaxrnn.data.records import Sequences

ENDINGS = {"_TRAIN": "_TEST", "_train": "_test"}


def read(path: Path, roles: ColumnRoles) -> Sequences:
    """The sequences of a file, or of two.

    Args:
        path: A `.ts` or `.arff` file. Where its name ends in `_TRAIN` and the same with `_TEST`
            is beside it, they are the train and test parts.
        roles: Roles that name no column.

    Raises:
        ValueError: As `read_ts` and `read_arff`, or sequences that don't fit each other.
    """
    roles.refuse_columns(path)
    cases = read_arff if path.suffix.lower() == ".arff" else read_ts
    for train, test in ENDINGS.items():
        name = path.stem.removesuffix(train)
        other = path.with_name(f"{name}{test}{path.suffix}")
        if path.stem.endswith(train) and other.is_file():
            return to_sequences(name, {"train": cases(path), "test": cases(other)})
    return to_sequences(path.stem, {"": cases(path)})
