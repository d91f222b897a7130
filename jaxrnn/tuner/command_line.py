"""The command `population-search`: its arguments, their errors, its exit status."""

import argparse
import os
import re
import shlex
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from jaxrnn.population.memory import is_out_of_memory
from jaxrnn.tuner.console import show_interruption
from jaxrnn.tuner.job import Job, prepare
from jaxrnn.tuner.run import interrupt, leave, run
from jaxrnn.tuner.settings import FIELDS, unknown
from search.records.signals import answered


class Parser(argparse.ArgumentParser):
    """Reports an error in one sentence, as the rest of the program does."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ValueError(re.sub(r"^argument (\S+): ", r"`\1` ", message) + " (see --help).")


def parser() -> Parser:
    """The parser; arguments that are not passed are not in its result."""
    parser = Parser(
        description="Search the hyperparameters of a recurrent network. All trials train side by "
        "side in compiled programs, on the GPU or TPU if there is one, and the better ones go on.",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
    )
    groups: dict[str, Any] = {}
    for name, setting in FIELDS.items():
        about, flag = setting.metadata, "--" + name.replace("_", "-")
        if about["group"] not in groups:
            groups[about["group"]] = parser.add_argument_group(about["group"])
        group, help = groups[about["group"]], about["help"]
        if not about["metavar"]:
            group.add_argument(flag, action="store_true", help=help)
            continue
        default = "" if setting.default is None else f" (default: {setting.default})"
        kind = _reader(about["kind"])
        group.add_argument(flag, metavar=about["metavar"], type=kind, help=help + default)
    return parser


def _reader(kind: Callable[[Any], Any]) -> Callable[[str], Any]:
    """A reader of values whose errors argparse shows in the words of `kind`."""

    def read(text: str) -> Any:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def parse(arguments: list[str] | None) -> dict[str, Any]:
    """The settings on a command line, by name.

    Raises:
        ValueError: An argument is unknown, or its value can't be read.
    """
    namespace, others = parser().parse_known_args(arguments)
    if others:
        flags = ["--" + name.replace("_", "-") for name in FIELDS]
        raise ValueError(unknown(others[0], flags, "see --help."))
    return vars(namespace)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    console = Console(markup=False, highlight=False)
    warnings.showwarning = lambda message, *_: print(f"note: {message}", file=sys.stderr)
    sys.path.append(os.getcwd())  # where a user's own optimizers are
    try:
        with answered(interrupt):
            job = prepare(parse(arguments), _command())
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    with job.open, answered(job.recorder.stop):
        try:
            return 0 if run(job, console) else 1
        except BaseException as error:
            return _stop(job, error, console)


def _stop(job: Job, error: BaseException, console: Console) -> int:
    """Leave the tables of a search that ends early; returns the exit status.

    Raises:
        BaseException: The same, unless the user, the disk or the memory ended the search.
    """
    leave(job, error)
    if isinstance(error, OSError):
        path = error.filename or job.folder.path
        reason = (error.strerror or str(error)).rstrip(".")
        print(f"error: '{path}' can't be written: {reason}.", file=sys.stderr)
        return 1
    if is_out_of_memory(error):
        reason = (isinstance(error, MemoryError) and str(error).rstrip(".")) or "memory ran out"
        print(f"error: {reason}; continue with --resume {job.folder.path}.", file=sys.stderr)
        return 1
    if not isinstance(error, KeyboardInterrupt):
        raise error
    show_interruption(job, console)
    return 130


def _command() -> str:
    """The command as typed, for the records."""
    program, *arguments = sys.argv
    installed = Path(program).stem == "population-search"
    return shlex.join([*(["population-search"] if installed else ["python", program]), *arguments])


def run_and_exit() -> NoReturn:
    """Run the command line of this process, and end it."""
    status = main()
    sys.stdout.flush()
    # After Ctrl-C, Python would wait for a compiler at work, which nothing can stop.
    os._exit(status) if status == 130 else sys.exit(status)
