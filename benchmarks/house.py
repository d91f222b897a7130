"""Count the pieces of the code: files, types of records, small files, long argument lists.

    python benchmarks/house.py [RESULTS.json]

Prints the counts over `jaxrnn/`, `search/` and `scripts/`, and with a name writes them into
`benchmarks/results/`, with the commit:

- *files*: all `.py` files.
- *record types*: classes whose purpose is to carry named fields. A class counts if it derives from
  `NamedTuple` or `TypedDict`, or is decorated with `dataclass`, with methods or without, public or
  not. Protocols, enumerations, exceptions and other classes don't count.
- *small files*: files under 40 lines, `__init__.py` left aside.
- *long argument lists*: functions and methods with more than 8 arguments. Those by name alone
  count, and so do `*args` and `**kwargs`, each as one; `self` and `cls` don't.
- *lines*: of all files together, and the median and the most of one file.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from import_graph import ROOT, python_files

FOLDERS = ("jaxrnn", "search", "scripts")
SMALL, ARGUMENTS = 40, 8
RESULTS = ROOT / "benchmarks" / "results"


def counts() -> dict[str, Any]:
    """The counts of the code as it lies here, with the names behind them."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in python_files(*FOLDERS)}
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in trees}
    small = [p for p, n in lines.items() if n < SMALL and p.name != "__init__.py"]
    records = [name for path, tree in trees.items() for name in _records(path, tree)]
    long = {name: n for path, tree in trees.items() for name, n in _long_lists(path, tree)}
    return {
        "files": len(trees),
        "files_by_folder": {
            folder: len([path for path in trees if _place(path).startswith(f"{folder}/")])
            for folder in FOLDERS
        },
        "record_types": len(records),
        "small_files": len(small),
        "long_argument_lists": len(long),
        "lines": sum(lines.values()),
        "median_lines": median(lines.values()),
        "most_lines": max(lines.values()),
        "names": {
            "record_types": records,
            "small_files": [_place(path) for path in small],
            "long_argument_lists": long,
        },
    }


def _place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _records(path: Path, tree: ast.Module) -> Iterator[str]:
    """File and name of every type of records."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            bases = {_last_name(base) for base in node.bases}
            decorators = {_last_name(decorator) for decorator in node.decorator_list}
            if bases & {"NamedTuple", "TypedDict"} or "dataclass" in decorators:
                yield f"{_place(path)} {node.name}"


def _last_name(node: ast.expr) -> str:
    """`dataclass` of `@dataclasses.dataclass(frozen=True)`, for example."""
    if isinstance(node, ast.Call):
        node = node.func
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _long_lists(path: Path, tree: ast.Module) -> Iterator[tuple[str, int]]:
    """File and name of every function with many arguments, and how many these are."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            of = node.args
            arguments = [*of.posonlyargs, *of.args, *of.kwonlyargs, of.vararg, of.kwarg]
            names = [argument.arg for argument in arguments if argument is not None]
            number = len([name for name in names if name not in ("self", "cls")])
            if number > ARGUMENTS:
                yield f"{_place(path)} {node.name}", number


def main(arguments: list[str]) -> None:
    """Print the counts, and write them where a name is given."""
    counted = counts()
    for name, value in counted.items():
        if name != "names":
            print(f"{name}: {value}")
    if arguments:
        git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
        text = json.dumps({"commit": commit, **counted}, indent=1) + "\n"
        (RESULTS / Path(arguments[0]).name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
