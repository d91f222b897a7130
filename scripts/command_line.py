"""The command line of `population_search.py`: its arguments, and what is wrong with them."""

import argparse
import difflib
import re
from typing import Any, NoReturn


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


def three_numbers(text: str) -> tuple[float, ...]:
    """Sizes of train, validation and test: shares, or whole numbers of rows."""
    try:
        parts = tuple(float(part) if "." in part else int(part) for part in text.split("/"))
    except ValueError:
        parts = ()
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"is '{text}', but must be such as 0.7/0.15/0.15")
    return parts


def parser() -> Parser:
    """The command line."""
    parser = Parser(
        description="Search the hyperparameters of a recurrent network. All trials train side by "
        "side in compiled programs, on the GPU or TPU where there is one; again and again the "
        "better 1 in ETA goes on for ETA times as long.",
        allow_abbrev=False,
    )

    def add(name: str, metavar: str, default: Any, text: str) -> None:
        kind = KINDS.get(metavar, str)
        shown = "" if default is None else f" (default: {default})"
        parser.add_argument(name, metavar=metavar, type=kind, default=default, help=text + shown)

    add("--data", "NAME", "digits", "a file, or digits, adding, copy, temporal-order: docs/data.md")
    add("--task", "NAME", None, "classification, regression or labelling (default: by the targets)")
    add("--target", "COLUMN", None, "of a table: what to learn, names separated by commas")
    add("--group", "COLUMN", None, "of a table: what its rows belong to (docs/data.md says how)")
    add("--time", "COLUMN", None, "of a table: in the order of which rows are read")
    add("--look-back", "N", None, "forecasting: rows that a network sees")
    add("--horizon", "N", None, "forecasting: rows that it predicts")
    add("--split", "A/B/C", None, "shares or rows of train, validation, test, such as 0.8/0.1/0.1")
    add("--block", "N", 64, "language models: steps of a block of text")
    add("--unit", "NAME", "character", "language models: what a step is, character or word")
    add("--metric", "NAME", None, "what to search by (default: the validation loss)")
    add("--trials", "N", None, "random configurations (default: 256, 128 of the full space)")
    add("--min-epochs", "N", 1, "passes over the data before the first pruning")
    add("--max-epochs", "N", 27, "passes over the data for the trials never pruned")
    add("--eta", "N", 3, "of ETA trials, the best one goes on at each pruning")
    add("--microbatch", "N", None, "sequences per training step (default: 32, less for few data)")
    add("--seed", "N", 0, "of all that is random: same seed, same results")
    add("--space", "NAME", "default", "what to search: default, full, or a .toml file")
    add("--out", "FOLDER", None, "a new folder for results (default: runs/<date>-<data>-<seed>)")
    add("--lanes", "N", None, "trials side by side per device (default: 1 on CPU, 64 elsewhere)")
    add("--devices", "N", None, "devices to use, on CPU one per core (default: all)")
    text = "forecasting: the first windows of a part may look back into the part before"
    parser.add_argument("--reach-back", action="store_true", help=text)
    return parser


KINDS = {"N": whole_number, "A/B/C": three_numbers}
"""How to read an argument, by what stands for it in the help."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The settings of a command line.

    Raises:
        ValueError: An argument that is unknown, or no whole number where one is due.
    """
    settings, unknown = parser().parse_known_args(arguments)
    if unknown:
        names = ["--" + name.replace("_", "-") for name in vars(settings)]
        near = difflib.get_close_matches(unknown[0], names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "see --help."
        raise ValueError(f"`{unknown[0]}` is no argument; {hint}")
    return settings
