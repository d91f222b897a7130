"""The command line of `population_search.py`: its arguments, and what is wrong with them."""

import argparse
import difflib
import json
import re
from typing import Any, NoReturn

from jaxrnn import PRECISIONS
from search.samplers.kinds import SAMPLERS
from search.schedulers.kinds import SCHEDULERS


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, as the rest of the program does."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise ValueError(re.sub(r"^argument (\S+): ", r"`\1` ", message) + " (see --help).")


def whole_number(text: str) -> int:
    """An integer from the command line."""
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"is '{text}', but must be a whole number") from error


def minutes(text: str) -> float:
    """A time from the command line, at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"is '{text}', but must be a number of at least 0")
    return value


def gibibytes(text: str) -> float:
    """A size from the command line, above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"is '{text}', but must be a number above 0, in GiB")
    return value


def three_numbers(text: str) -> tuple[float, ...]:
    """Sizes of train, validation and test: shares, or whole numbers of rows."""
    try:
        parts = tuple(float(part) if "." in part else int(part) for part in text.split("/"))
    except ValueError:
        parts = ()
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"is '{text}', but must be such as 0.7/0.15/0.15")
    return parts


KINDS = {"N": whole_number, "MIN": minutes, "GIB": gibibytes, "A/B/C": three_numbers}
"""How to read an argument, by what stands for it in the help."""

ARGUMENTS: dict[str, list[tuple[str, str, Any, str]]] = {
    "data (see docs/data.md)": [
        ("--data", "NAME", "digits", "a file, or digits, adding, copy, temporal-order"),
        ("--task", "NAME", None, "classification, regression, labelling (default: by the targets)"),
        ("--target", "COLUMN", None, "of a table: what to learn, names separated by commas"),
        ("--group", "COLUMN", None, "of a table: what its rows belong to"),
        ("--time", "COLUMN", None, "of a table: in the order of which rows are read"),
        ("--look-back", "N", None, "forecasting: rows that a network sees"),
        ("--horizon", "N", None, "forecasting: rows that it predicts"),
        ("--split", "A/B/C", None, "shares or rows of train, validation, test: 0.8/0.1/0.1"),
        ("--folds", "N", 1, "folds of the data; trials are ranked by the mean over them"),
        ("--block", "N", 64, "language models: steps of a block of text"),
        ("--unit", "NAME", "character", "language models: what a step is, character or word"),
    ],
    "search (see docs/search.md)": [
        ("--space", "NAME", "default", "what to search: default, full, or a .toml file"),
        ("--metric", "NAME", None, "what to search by (default: the validation loss)"),
        ("--search", "NAME", "random", f"who proposes: {', '.join(SAMPLERS)}"),
        ("--scheduler", "NAME", "halving", f"who prunes: {', '.join(SCHEDULERS)}"),
        (
            "--trials",
            "N",
            None,
            "configurations in all, also after a resume (default: 256, or less)",
        ),
        ("--min-epochs", "N", 1, "passes over the data before the first pruning, or between two"),
        ("--max-epochs", "N", 27, "passes over the data for the trials never pruned"),
        ("--eta", "N", 3, "of ETA trials, the best one goes on at each pruning"),
        ("--repeats", "N", 1, "seeds per configuration; trials are ranked by the mean over them"),
        ("--at-once", "N", None, "trials begin while fewer than N train (default: docs/search.md)"),
        ("--grid-points", "N", 3, "grid: values of a continuous range"),
        ("--enqueue", "SOURCE", None, "configurations to begin with: JSON, a .json or .toml file"),
        ("--warm-start", "SOURCE", None, "begin with the best of a run folder, or of URL#STUDY"),
        ("--seed", "N", 0, "of all that is random: same seed, same results"),
    ],
    "run": [
        ("--out", "FOLDER", None, "a new folder for results (default: runs/<date>-<data>-<seed>)"),
        ("--resume", "FOLDER", None, "go on with a run; --trials may be raised"),
        ("--checkpoint-minutes", "MIN", 5.0, "the longest time between two checkpoints"),
        ("--storage", "URL", None, "Optuna storage of the study (default: study.log in the run)"),
        ("--microbatch", "N", None, "sequences per step (default: 32, less for few data)"),
        (
            "--lanes",
            "N",
            None,
            "most trials side by side per device (default: CPU 1, TPU 128, GPU 256)",
        ),
        ("--memory-limit", "GIB", None, "memory to take: of each accelerator, or of the machine"),
        ("--precision", "NAME", "highest", f"of matrix products: {', '.join(PRECISIONS)}"),
        ("--devices", "N", None, "devices to use, on CPU one per core (default: all)"),
    ],
}
FLAGS = {
    "--reach-back": "forecasting: the first windows of a part may look back into the part before",
    "--no-autotune": "compile programs as usual, without timing other ways on an accelerator",
    "--no-compile-cache": "compile every program anew, and keep none for later runs",
    "--audit": "also train what was pruned, and tell what pruning cost and saved",
}
MAY_CHANGE = ("resume", "trials", "checkpoint_minutes", "no_compile_cache", "memory_limit")
"""Settings that a resumed run takes from its own command line."""


def parser(with_defaults: bool = True) -> Parser:
    """The command line; without defaults, what was not given is not there."""
    parser = Parser(
        description="Search the hyperparameters of a recurrent network. All trials train side by "
        "side in compiled programs, on the GPU or TPU where there is one; the better ones go on.",
        allow_abbrev=False,
        argument_default=None if with_defaults else argparse.SUPPRESS,
    )
    for title, arguments in ARGUMENTS.items():
        group = parser.add_argument_group(title)
        for name, metavar, default, text in arguments:
            shown = "" if default is None else f" (default: {default})"
            preset: dict[str, Any] = {"default": default} if with_defaults else {}
            kind = KINDS.get(metavar, str)
            group.add_argument(name, metavar=metavar, type=kind, help=text + shown, **preset)
    for name, text in FLAGS.items():
        default = False if with_defaults else argparse.SUPPRESS
        parser.add_argument(name, action="store_true", help=text, default=default)
    return parser


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The settings of a command line; `given` are those that are on it.

    Raises:
        ValueError: An argument that is unknown, or no whole number where one is due.
    """
    settings, unknown = parser().parse_known_args(arguments)
    if unknown:
        names = ["--" + name.replace("_", "-") for name in vars(settings)]
        near = difflib.get_close_matches(unknown[0], names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "see --help."
        raise ValueError(f"`{unknown[0]}` is no argument; {hint}")
    settings.given = vars(parser(with_defaults=False).parse_args(arguments))
    return settings


def resumed(settings: argparse.Namespace, saved: dict[str, Any]) -> argparse.Namespace:
    """The settings of a run that goes on: as saved, but for those that may change.

    Raises:
        ValueError: Another setting was given.
    """
    given: dict[str, Any] = settings.given
    for name in sorted(given.keys() - set(MAY_CHANGE)):
        if json.loads(json.dumps(given[name])) != saved.get(name):
            raise ValueError(
                f"`{name}` is {given[name]!r}, but this run began with {saved.get(name)!r}, and a "
                "run goes on as it began."
            )
    changed = {name: value for name, value in given.items() if name in MAY_CHANGE}
    return argparse.Namespace(**{**vars(settings), **saved, **changed, "given": given})
