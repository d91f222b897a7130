"""Options of data: which column plays which role, and what is to be learned."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from jaxrnn.data.vocabulary import CHARACTER


@dataclass(frozen=True)
class ColumnRoles:
    """Which column of a table plays which role.

    Attributes:
        target: Columns to learn or to forecast.
        group: Column that says which sequence a row belongs to; or, where rows are sequences, whom
            they come from.
        time: Column that orders the rows of a sequence.
        forecast: True if rows are points in time, of which later ones are to be forecast.
    """

    target: tuple[str, ...] = ()
    group: str | None = None
    time: str | None = None
    forecast: bool = False

    @classmethod
    def of(
        cls,
        target: str | Sequence[str] | None,
        group: str | None,
        time: str | None,
        forecast: bool = False,
    ) -> "ColumnRoles":
        """Make roles from arguments as users write them: one target, several, or None.

        Raises:
            ValueError: A name is no text.
        """
        if isinstance(target, str) or not isinstance(target, Iterable):
            targets = () if target is None else (target,)
        else:
            targets = tuple(target)
        for key, names in {"target": targets, "group": (group,), "time": (time,)}.items():
            for name in names:
                if not isinstance(name, str | None):
                    raise ValueError(
                        f"`{key}` is {name!r}, but must be the name of a column, as text."
                    )
        return cls(targets, group, time, forecast)

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """Names of columns by the option that gives them, where there are some."""
        single = {"group": self.group, "time": self.time}
        roles = {"target": self.target} | {key: (name,) for key, name in single.items() if name}
        return {key: names for key, names in roles.items() if names}

    def refuse_columns(self, path: Path) -> None:
        """Refuse names of columns for a file whose format has none.

        Raises:
            ValueError: A column is named.
        """
        for key, names in self.columns.items():
            raise ValueError(
                f"`{key}` is {names[0]!r}, but names a column, of which '{path}' has none."
            )


@dataclass(frozen=True)
class TaskOptions:
    """What is to be learned, and from how many steps at a time.

    Attributes:
        task: Name of the task, or None to let the targets decide.
        look_back: Rows of a series that a forecast sees, at least 1.
        horizon: Rows of a series that it predicts, at least 1.
        reach_back: True if the rows that a forecast sees may lie in the part before its own.
        block: Steps of one block of a long text, at least 1.
        unit: Name of what a step of a long text is, `character` or `word`.
    """

    task: str | None = None
    look_back: int | None = None
    horizon: int | None = None
    reach_back: bool = False
    block: int = 64
    unit: str = CHARACTER

    @classmethod
    def of_folds(cls, options: Mapping[str, Any]) -> "TaskOptions":
        """Make options of the keyword arguments of `folds`.

        Raises:
            ValueError: `split` is among them.
            TypeError: An option is unknown.
        """
        if "split" in options:
            raise ValueError("`split` is given, but folds divide by themselves; `test` can be set.")
        names = [option.name for option in fields(cls)]
        for name in options:
            if name not in names:
                raise TypeError(f"`{name}` is no option of folds; these are {', '.join(names)}.")
        return cls(**options)

    @property
    def changed(self) -> dict[str, Any]:
        """Options by name that differ from their defaults."""
        values = {option.name: getattr(self, option.name) for option in fields(self)}
        return {
            option.name: values[option.name]
            for option in fields(self)
            if values[option.name] != option.default
        }
