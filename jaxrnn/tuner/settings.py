"""Settings of a search: one field each, for the command line, the Python call and the records."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from jaxrnn import PRECISIONS
from jaxrnn.tuner import values
from search.samplers.registry import SAMPLERS
from search.schedulers.registry import SCHEDULERS
from search.space.suggestions import nearest

DATA, SEARCH, RUN = "data (see docs/data.md)", "search (see docs/search.md)", "run"
"""Groups of settings, as the help shows them."""
IN_PYTHON = "passed in Python, so no file holds it: pass the same again to resume"
"""Text that stands for data in settings.json if it is no path or name."""
IN_SPACE_FILE = "passed in Python; space.toml holds it"
"""Text that stands for a space in settings.json if it is no path or name."""
OBJECTS = {"data": IN_PYTHON, "space": IN_SPACE_FILE}
"""Settings that may be objects, which JSON can't hold, with the text that stands for them."""


def _setting(
    group: str,
    default: Any,
    help: str,
    metavar: str = "NAME",
    kind: Callable[[Any], Any] = values.text,
    *,
    may_change: bool = False,
    saved: bool = True,
) -> Any:
    """A field of `Settings`.

    Args:
        group: Heading under which the help shows it.
        default: Value if none is passed.
        help: Meaning, for people.
        metavar: Placeholder for a value in the help; empty for a switch.
        kind: Function of `values` that reads a value.
        may_change: Whether a resumed run may change it.
        saved: Whether settings.json holds it.
    """
    about = {"group": group, "help": help, "metavar": metavar, "kind": kind}
    return field(default=default, metadata=about | {"may_change": may_change, "saved": saved})


def _count(group: str, default: int | None, help: str, **more: bool) -> Any:
    """A field of `Settings` that is a whole number."""
    return _setting(group, default, help, "N", values.whole_number, **more)


def _switch(group: str, help: str, **more: bool) -> Any:
    """A field of `Settings` that is off, or on."""
    return _setting(group, False, help, "", values.switch, **more)


@dataclass(frozen=True)
class Settings:
    """Settings of a search; the help of each field says what it means.

    The flags of the command line, the arguments of `jaxrnn.tuner.search` and the content of
    settings.json are made from these fields.
    """

    data: object = _setting(
        DATA,
        "digits",
        "a file, or digits, adding, copy, temporal-order",
        kind=values.path_or_object,
    )
    task: str | None = _setting(
        DATA, None, "classification, regression or labelling (default: by the targets)"
    )
    target: str | None = _setting(
        DATA,
        None,
        "column of a table to learn; several are separated by commas",
        "COLUMN",
        values.columns,
    )
    group: str | None = _setting(
        DATA, None, "column of a table that names the group of each row", "COLUMN"
    )
    time: str | None = _setting(DATA, None, "column of a table that orders its rows", "COLUMN")
    look_back: int | None = _count(DATA, None, "rows that a forecast looks back on")
    horizon: int | None = _count(DATA, None, "rows that a forecast predicts")
    reach_back: bool = _switch(
        DATA, "let the first forecasts of a part look back into the part before"
    )
    split: tuple[float, ...] | None = _setting(
        DATA,
        None,
        "shares or rows of train, validation and test, such as 0.8/0.1/0.1",
        "A/B/C",
        values.three_numbers,
    )
    folds: int = _count(DATA, 1, "number of folds; trials are ranked by the mean over them")
    block: int = _count(DATA, 64, "time steps of a block, for language models")
    unit: str = _setting(
        DATA, "character", "step of a text, character or word, for language models"
    )
    space: object = _setting(
        SEARCH,
        "default",
        "space to search: default, full, or a .toml file",
        kind=values.path_or_object,
    )
    metric: str | None = _setting(
        SEARCH, None, "validation metric to search by (default: the loss)"
    )
    sampler: str = _setting(SEARCH, "random", f"proposes configurations: {', '.join(SAMPLERS)}")
    scheduler: str = _setting(SEARCH, "halving", f"prunes trials: {', '.join(SCHEDULERS)}")
    trials: int | None = _count(
        SEARCH,
        None,
        "total number of trials, also of a resumed run (default: 256, or less)",
        may_change=True,
    )
    min_epochs: int = _count(
        SEARCH, 1, "epochs before the first pruning, or between two (median, pbt)"
    )
    max_epochs: int = _count(SEARCH, 27, "epochs of a trial that is never pruned")
    eta: int = _count(SEARCH, 3, "at each pruning, one in ETA trials goes on")
    repeats: int = _count(SEARCH, 1, "seeds per trial; trials are ranked by the mean over them")
    max_concurrent: int | None = _count(
        SEARCH, None, "start new trials while fewer than N train (default: see docs/search.md)"
    )
    grid_points: int = _count(SEARCH, 3, "values of each continuous range in a grid")
    enqueue: str | None = _setting(
        SEARCH,
        None,
        "configurations to try first: JSON, or a .json or .toml file",
        "SOURCE",
        values.starting_points,
    )
    warm_start: str | None = _setting(
        SEARCH,
        None,
        "try the best configurations of a run folder, or of URL#STUDY, first",
        "SOURCE",
    )
    seed: int = _count(SEARCH, 0, "seed of everything random: same seed, same results")
    audit: bool = _switch(
        SEARCH, "also train the pruned trials, and report what pruning cost and saved"
    )
    out: str | None = _setting(
        RUN, None, "new folder for results (default: runs/<date>-<data>-<seed>)", "FOLDER"
    )
    resume: str | None = _setting(
        RUN,
        None,
        "continue the run in this folder; --trials may be raised",
        "FOLDER",
        may_change=True,
        saved=False,
    )
    checkpoint_minutes: float = _setting(
        RUN, 5.0, "longest time between two checkpoints", "MIN", values.minutes, may_change=True
    )
    storage: str | None = _setting(
        RUN, None, "Optuna storage of the study (default: study.log in the run folder)", "URL"
    )
    microbatch: int | None = _count(
        RUN, None, "sequences per training step (default: 32, or fewer for small data)"
    )
    lanes: int | None = _count(
        RUN, None, "most members side by side on a device (default: CPU 1, TPU 128, GPU 256)"
    )
    memory_limit: float | None = _setting(
        RUN,
        None,
        "memory to use, of each accelerator or of the machine",
        "GIB",
        values.gibibytes,
        may_change=True,
    )
    precision: str = _setting(
        RUN, "highest", f"precision of matrix products: {', '.join(PRECISIONS)}"
    )
    devices: int | None = _count(
        RUN, None, "number of devices to use; a CPU has one per core (default: all)"
    )
    no_autotune: bool = _switch(RUN, "do not time other ways to compile programs on an accelerator")
    no_compile_cache: bool = _switch(
        RUN,
        "compile every program anew, and keep none for later runs",
        may_change=True,
        saved=False,
    )

    def saved(self) -> dict[str, Any]:
        """Content of settings.json: all that a resumed run needs, as plain values."""
        names = [name for name, setting in FIELDS.items() if setting.metadata["saved"]]
        return {name: _plain(name, getattr(self, name)) for name in names}

    def is_object(self, name: str) -> bool:
        """Whether a setting is an object, which settings.json does not hold."""
        return name in OBJECTS and not isinstance(getattr(self, name), str)


FIELDS: dict[str, Field[Any]] = {setting.name: setting for setting in fields(Settings)}
"""Fields of `Settings` by name."""


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Read settings by name; None counts as not passed where it is the default.

    Raises:
        ValueError: A name that is no setting, or a value that a setting can't have.
    """
    for name in settings:
        if name not in FIELDS:
            raise ValueError(unknown(name, FIELDS, "see jaxrnn.tuner.Settings."))
    result = {}
    for name, value in settings.items():
        if value is None and FIELDS[name].default is None:
            continue
        try:
            result[name] = FIELDS[name].metadata["kind"](value)
        except ValueError as error:
            raise ValueError(f"`{name}` {error}.") from error
    return result


def unknown(name: str, known: Iterable[str], otherwise: str) -> str:
    """The sentence about a name that is no setting."""
    suggestion = nearest(name, known)
    hint = f"did you mean `{suggestion}`?" if suggestion else otherwise
    return f"`{name}` is no argument; {hint}"


def resumed(overrides: Mapping[str, Any], saved: Mapping[str, Any]) -> Settings:
    """Settings of a resumed run: the saved ones, except those that may change.

    Args:
        overrides: Settings passed now, as `checked` returns them.
        saved: Settings of the run, as `Settings.saved` returned them.

    Raises:
        ValueError: A setting that may not change differs, or `saved` holds no settings.
    """
    for name in sorted(overrides):
        value = _plain(name, overrides[name])
        if not FIELDS[name].metadata["may_change"] and value != saved.get(name):
            raise ValueError(
                f"`{name}` is {value!r}, but this run began with {saved.get(name)!r}, and a "
                "resumed run keeps its settings."
            )
    return Settings(**{**checked(saved), **overrides})


def _plain(name: str, value: Any) -> Any:
    """A value as JSON holds it."""
    if name in OBJECTS and not isinstance(value, str):
        return OBJECTS[name]
    return json.loads(json.dumps(value))
