"""Where measurements go: result files, and the sections of pages that are made from them."""

import json
import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def slug(device: str) -> str:
    """A device in the name of a file, such as `2-x-cpu` for `2 x cpu`."""
    return device.replace(",", "").replace("/", "-").replace(" ", "-").lower()


def replace_between(page: str, marker: str, text: str) -> str:
    """A page with another text in its section `marker`.

    It begins after the line `<!-- marker ... -->` and ends before `<!-- end of marker -->`.

    Raises:
        ValueError: The page does not have exactly one such section.
    """
    marks = rf"(<!-- {marker}\b[^>]*-->\n).*?(<!-- end of {marker} -->)"
    section = re.compile(marks, re.DOTALL)
    result, count = section.subn(lambda match: f"{match[1]}\n{text.strip()}\n\n{match[2]}", page)
    if count != 1:
        raise ValueError(f"`marker` is {marker!r}, but the page has {count} such sections, not 1.")
    return result


def write_json(path: Path, content: Any, indent: int | None = 2) -> None:
    """Write a file of JSON in place of the one there; the file is whole at any time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".json.part")
    partial.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")
    os.replace(partial, path)


def write_results(name: str, results: dict[str, Any], indent: int | None = 2) -> Path:
    """Write `benchmarks/results/<name>.json`; returns its path."""
    path = RESULTS / f"{name}.json"
    write_json(path, results, indent)
    return path
