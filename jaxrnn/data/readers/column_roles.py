"""What people say about the columns of a file."""

from pathlib import Path
from typing import NamedTuple


class ColumnRoles(NamedTuple):
    """Which column means what, for formats whose columns have names.

    Attributes:
        target: What to learn or to forecast.
        group: Which sequence a row belongs to; or whom it comes from, where rows are sequences.
        time: The order of rows within a sequence.
        forecast: Whether rows are points in time of which later ones are to be forecast.
    """

    target: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    forecast: bool = False

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Columns by the option that names them."""
        single = {"group": self.group, "time": self.time}
        return {"target": self.target} | {key: (name,) for key, name in single.items() if name}

    def refuse_columns(self, path: Path) -> None:
        """For formats that have none.

        Raises:
            ValueError: Some column is named.
        """
        for key, names in self.columns.items():
            if names:
                raise ValueError(
                    f"`{key}` is {names[0]!r}, but names a column, of which '{path}' has none."
                )
