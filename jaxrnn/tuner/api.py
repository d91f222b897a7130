"""One call in Python that does what the command line does."""

import inspect
import json
import os
from typing import Any

from rich.console import Console

from jaxrnn.tuner.job import prepare
from jaxrnn.tuner.result import Result
from jaxrnn.tuner.run import interrupt, leave, run
from jaxrnn.tuner.settings import FIELDS
from search.records.signals import answered

NOT_GIVEN: Any = object()
"""Stands for data that is not given."""


def search(data: Any = NOT_GIVEN, *, progress: bool = True, **settings: Any) -> Result:
    """Search hyperparameters: all trials train at once, and the better ones go on.

        result = jaxrnn.tuner.search("digits", trials=27, max_epochs=9)
        result.best, result.test, result.model, result.trials

    Every flag of the command `population-search` is an argument of the same name, with the same
    values, checks and results. Ctrl-C ends the search after the epoch under way, and
    `search(resume=folder)` goes on.

    Args:
        data: A name or path as `--data` takes it, a `jaxrnn.Data`, a pandas frame, what
            `jaxrnn.read_data` gives, or arrays (inputs, targets) or (inputs, targets, lengths).
            Data that is no name or path must be given again to `resume`.
        progress: Whether to show the search, in a notebook as on a terminal.
        **settings: As listed below. `space` may also be a `search.Space` or a mapping, `target` a
            list of columns, `enqueue` a list of configurations.

    Returns:
        What the run folder holds.

    Raises:
        ValueError: A setting that can't be used, in the sentence that the command line gives.
        KeyboardInterrupt: After Ctrl-C; the run folder can be resumed.
    """
    if data is not NOT_GIVEN:
        settings = {"data": data, **settings}
    console = Console(markup=False, highlight=False, quiet=not progress)
    with answered(interrupt):
        job = prepare(settings, _command(settings))
    with job.open, answered(job.recorder.stop):
        try:
            run(job, console)
        except KeyboardInterrupt as error:
            leave(job, error)
            again = "data, " * job.settings.is_object("data") + f"resume={str(job.folder.path)!r}"
            raise KeyboardInterrupt(f"go on with jaxrnn.tuner.search({again})") from error
        except BaseException as error:
            leave(job, error)
            raise
    return Result(job.folder.path)


def _command(settings: dict[str, Any]) -> str:
    """The call, for the records."""
    arguments = (f"{name}={_shown(value)}" for name, value in settings.items())
    return f"jaxrnn.tuner.search({', '.join(arguments)})"


def _shown(value: Any) -> str:
    """A plain value or a path as Python reads it; any other by the name of its type."""
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return type(value).__name__
    return repr(value)


def _signature() -> inspect.Signature:
    """All settings as arguments, for notebooks and `help`."""
    kind = inspect.Parameter.KEYWORD_ONLY
    first, progress, _ = inspect.signature(search).parameters.values()
    rest = [
        inspect.Parameter(name, kind, default=setting.default, annotation=setting.type)
        for name, setting in FIELDS.items()
    ]
    return inspect.Signature(
        [first.replace(default=FIELDS["data"].default), progress, *rest[1:]],
        return_annotation=Result,
    )


def _documentation() -> str:
    """What each setting means, for notebooks and `help`."""
    lines = [f"    {name}: {setting.metadata['help']}." for name, setting in FIELDS.items()]
    return "\n".join([inspect.getdoc(search) or "", "", "Settings:", *lines])


search.__signature__ = _signature()  # type: ignore[attr-defined]
search.__doc__ = _documentation()
