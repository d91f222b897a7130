"""One call in Python that does the same as the command line."""

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
"""Value of `data` if it is not passed."""


def search(data: Any = NOT_GIVEN, *, progress: bool = True, **settings: Any) -> Result:
    """Search hyperparameters: all trials train side by side, and the better ones go on.

        result = jaxrnn.tuner.search("digits", trials=27, max_epochs=9)
        result.best, result.test, result.model, result.trials

    Every flag of the command `population-search` is an argument of the same name, with the same
    values, checks and results. Ctrl-C ends the search after the current epoch, and
    `search(resume=folder)` continues it.

    Args:
        data: Name or path as `--data` takes it, a `jaxrnn.Data`, a pandas frame, the result of
            `jaxrnn.read_data`, or arrays (inputs, targets) or (inputs, targets, lengths). Data
            that is no name or path must be passed again to `resume`.
        progress: Whether to show the search, in a notebook as on a terminal.
        **settings: Settings, as listed below. `space` may also be a `search.Space` or a mapping,
            `target` a list of columns, `enqueue` a list of configurations.

    Returns:
        The result, read from the run folder.

    Raises:
        ValueError: A setting can't be used; the sentence is that of the command line.
        KeyboardInterrupt: Ctrl-C was pressed; the run folder can be resumed.
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
            raise KeyboardInterrupt(f"continue with jaxrnn.tuner.search({again})") from error
        except BaseException as error:
            leave(job, error)
            raise
    return Result(job.folder.path)


def _command(settings: dict[str, Any]) -> str:
    """The call, for the records."""
    arguments = (f"{name}={_shown(value)}" for name, value in settings.items())
    return f"jaxrnn.tuner.search({', '.join(arguments)})"


def _shown(value: Any) -> str:
    """A plain value or a path in Python's notation; any other by the name of its type."""
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
    """The docstring with the meaning of each setting, for notebooks and `help`."""
    lines = [f"    {name}: {setting.metadata['help']}." for name, setting in FIELDS.items()]
    return "\n".join([inspect.getdoc(search) or "", "", "Settings:", *lines])


search.__signature__ = _signature()  # type: ignore[attr-defined]
search.__doc__ = _documentation()
