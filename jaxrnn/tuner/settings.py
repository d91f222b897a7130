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
IN_PYTHON = "given in Python, so no file holds it: give the same again to go on"
"""What settings.json says of data that is no path or name."""
IN_SPACE_FILE = "given in Python; space.toml holds it"
"""What settings.json says of a space that is no path or name."""
OBJECTS = {"data": IN_PYTHON, "space": IN_SPACE_FILE}
"""Settings that may be objects, which JSON can't hold, with what stands for these."""


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
        default: Value where nobody gives one.
        help: What it means, for people.
        metavar: What stands for a value in the help; empty for a switch.
        kind: How a value is read, a function of `values`.
        may_change: Whether a run that goes on takes it anew.
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
    """All that a search is told; the text of each field says what it means.

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
        DATA, None, "classification, regression, labelling (default: by the targets)"
    )
    target: str | None = _setting(
        DATA, None, "of a table: what to learn, names separated by commas", "COLUMN", values.columns
    )
    group: str | None = _setting(DATA, None, "of a table: what its rows belong to", "COLUMN")
    time: str | None = _setting(
        DATA, None, "of a table: in the order of which rows are read", "COLUMN"
    )
    look_back: int | None = _count(DATA, None, "forecasting: rows that a network sees")
    horizon: int | None = _count(DATA, None, "forecasting: rows that it predicts")
    reach_back: bool = _switch(
        DATA, "forecasting: the first windows of a part may look back into the part before"
    )
    split: tuple[float, ...] | None = _setting(
        DATA,
        None,
        "shares or rows of train, validation, test: 0.8/0.1/0.1",
        "A/B/C",
        values.three_numbers,
    )
    folds: int = _count(DATA, 1, "folds of the data; trials are ranked by the mean over them")
    block: int = _count(DATA, 64, "language models: steps of a block of text")
    unit: str = _setting(DATA, "character", "language models: what a step is, character or word")
    space: object = _setting(
        SEARCH,
        "default",
        "what to search: default, full, or a .toml file",
        kind=values.path_or_object,
    )
    metric: str | None = _setting(SEARCH, None, "what to search by (default: the validation loss)")
    sampler: str = _setting(SEARCH, "random", f"who proposes: {', '.join(SAMPLERS)}")
    scheduler: str = _setting(SEARCH, "halving", f"who prunes: {', '.join(SCHEDULERS)}")
    trials: int | None = _count(
        SEARCH,
        None,
        "configurations in all, also after a resume (default: 256, or less)",
        may_change=True,
    )
    min_epochs: int = _count(
        SEARCH, 1, "passes over the data before the first pruning, or between two"
    )
    max_epochs: int = _count(SEARCH, 27, "passes over the data for the trials never pruned")
    eta: int = _count(SEARCH, 3, "of ETA trials, the best one goes on at each pruning")
    repeats: int = _count(
        SEARCH, 1, "seeds per configuration; trials are ranked by the mean over them"
    )
    max_concurrent: int | None = _count(
        SEARCH, None, "trials begin while fewer than N train (default: docs/search.md)"
    )
    grid_points: int = _count(SEARCH, 3, "grid: values of a continuous range")
    enqueue: str | None = _setting(
        SEARCH,
        None,
        "configurations to begin with: JSON, a .json or .toml file",
        "SOURCE",
        values.starting_points,
    )
    warm_start: str | None = _setting(
        SEARCH, None, "begin with the best of a run folder, or of URL#STUDY", "SOURCE"
    )
    seed: int = _count(SEARCH, 0, "of all that is random: same seed, same results")
    audit: bool = _switch(
        SEARCH, "also train what was pruned, and tell what pruning cost and saved"
    )
    out: str | None = _setting(
        RUN, None, "a new folder for results (default: runs/<date>-<data>-<seed>)", "FOLDER"
    )
    resume: str | None = _setting(
        RUN,
        None,
        "go on with a run; --trials may be raised",
        "FOLDER",
        may_change=True,
        saved=False,
    )
    checkpoint_minutes: float = _setting(
        RUN, 5.0, "the longest time between two checkpoints", "MIN", values.minutes, may_change=True
    )
    storage: str | None = _setting(
        RUN, None, "Optuna storage of the study (default: study.log in the run)", "URL"
    )
    microbatch: int | None = _count(
        RUN, None, "sequences per step (default: 32, less for few data)"
    )
    lanes: int | None = _count(
        RUN, None, "most trials side by side per device (default: CPU 1, TPU 128, GPU 256)"
    )
    memory_limit: float | None = _setting(
        RUN,
        None,
        "memory to take: of each accelerator, or of the machine",
        "GIB",
        values.gibibytes,
        may_change=True,
    )
    precision: str = _setting(RUN, "highest", f"of matrix products: {', '.join(PRECISIONS)}")
    devices: int | None = _count(RUN, None, "devices to use, on CPU one per core (default: all)")
    no_autotune: bool = _switch(
        RUN, "compile programs as usual, without timing other ways on an accelerator"
    )
    no_compile_cache: bool = _switch(
        RUN,
        "compile every program anew, and keep none for later runs",
        may_change=True,
        saved=False,
    )

    def saved(self) -> dict[str, Any]:
        """What settings.json holds: all that a run that goes on needs, as JSON has it."""
        kept = [name for name, setting in FIELDS.items() if setting.metadata["saved"]]
        return {name: _plain(name, getattr(self, name)) for name in kept}

    def is_object(self, name: str) -> bool:
        """Whether a setting was given as an object, which settings.json does not hold."""
        return name in OBJECTS and not isinstance(getattr(self, name), str)


FIELDS: dict[str, Field[Any]] = {setting.name: setting for setting in fields(Settings)}
"""Fields of `Settings` by name."""


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings given by name, as the program works with them; None counts as not given.

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
    """The settings of a run that goes on: as saved, but for those that may change.

    Args:
        overrides: Settings of this start, as `checked` gives them.
        saved: What `Settings.saved` gave when the run began.

    Raises:
        ValueError: Another setting was given, or `saved` holds no settings.
    """
    for name in sorted(overrides):
        value = _plain(name, overrides[name])
        if not FIELDS[name].metadata["may_change"] and value != saved.get(name):
            raise ValueError(
                f"`{name}` is {value!r}, but this run began with {saved.get(name)!r}, and a "
                "run goes on as it began."
            )
    return Settings(**{**checked(saved), **overrides})


def _plain(name: str, value: Any) -> Any:
    """A value as JSON has it."""
    if name in OBJECTS and not isinstance(value, str):
        return OBJECTS[name]
    return json.loads(json.dumps(value))
