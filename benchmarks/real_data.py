"""Search on real data, as a user would, and write what came out.

    python benchmarks/real_data.py FOLDER japanese_vowels trec
    python benchmarks/real_data.py --table

FOLDER holds a folder for each data set, with the files as their sources publish them; pendigits and
trec, which are in formats of their own, are converted first. Each search is one run of
`scripts/population_search.py`. Its command, versions, device, wall time and scores go into
`benchmarks/results/real-data-<name>-<seed>-<device>.json`; `--table` writes docs/results.md from
them.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pages import RESULTS, ROOT, replace_between, slug, write_results

PAGE = ROOT / "docs" / "results.md"


def pendigits(folder: Path, out: Path) -> None:
    """Rows of 8 points (x, y) and a digit, other writers in the test part, as .npz."""
    parts = {}
    for part, ending in (("train", "tra"), ("test", "tes")):
        rows = np.loadtxt(folder / f"pendigits.{ending}", delimiter=",", dtype=int)
        parts[f"X_{part}"], parts[f"y_{part}"] = rows[:, :16].reshape(-1, 8, 2), rows[:, 16]
    np.savez(out / "pendigits.npz", **parts)


def trec(folder: Path, out: Path) -> None:
    """Lines of a label and a question, as a table with a column that names the split."""
    with (out / "trec.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["question", "label", "split"])
        for part in ("train", "test"):
            lines = (folder / f"TREC.{part}.all").read_text(encoding="latin-1").splitlines()
            table.writerows([text, label, part] for label, text in (s.split(" ", 1) for s in lines))


@dataclass(frozen=True)
class Case:
    """A data set and how to search on it.

    Attributes:
        data: File, in the folder of the data set or among the converted ones.
        arguments: Arguments of the search, besides data and seed.
        metric: Test score that people quote.
        goal: Test score to reach, as in `>= 0.95`.
        convert: Function that writes the file, where the source is in a format of its own.
    """

    data: str
    arguments: str
    metric: str
    goal: str
    convert: Callable[[Path, Path], None] | None = None


FEW = "--space benchmarks/spaces/few.toml --trials 81 --min-epochs 3 --max-epochs 81"
"""Arguments for a few dozen series, of which an epoch has few steps."""

CASES = {
    "pendigits": Case("pendigits.npz", "--trials 81", "accuracy", ">= 0.975", pendigits),
    "japanese_vowels": Case("JapaneseVowels_TRAIN.ts", "--trials 81", "accuracy", ">= 0.97"),
    "gun_point": Case("GunPoint_TRAIN.ts", FEW, "accuracy", ">= 0.95"),
    "italy_power_demand": Case("ItalyPowerDemand_TRAIN.ts", FEW, "accuracy", ">= 0.95"),
    "jsb_chorales": Case(
        "jsb_chorales.npz",
        "--space benchmarks/spaces/rolls.toml --trials 18 --min-epochs 27 --max-epochs 243",
        "loss",
        "<= 8.45",
    ),
    "etth1": Case(
        "ETTh1.csv",
        "--time date --look-back 96 --horizon 24 --split 8640/2880/2880 --reach-back --trials 27 "
        "--max-epochs 9",
        "mse",
        "< 0.60",
    ),
    "tinyshakespeare": Case(
        "input.txt",
        "--split 0.88/0.02/0.1 --space benchmarks/spaces/text.toml --trials 2 "
        "--min-epochs 10 --max-epochs 10",
        "loss",
        "<= 1.60",
    ),
    "trec": Case(
        "trec.csv",
        "--target label --space benchmarks/spaces/questions.toml --trials 27 --max-epochs 9",
        "accuracy",
        ">= 0.86",
        trec,
    ),
}


def measure(name: str, folder: Path, work: Path, seed: int) -> dict[str, Any]:
    """One search: its command, how long it took, what its winner scored."""
    case, source = CASES[name], folder / name
    if case.convert:
        case.convert(source, work)
        source = work
    arguments = [*case.arguments.split(), "--seed", str(seed)]
    command = ["scripts/population_search.py", "--data", str(source / case.data), *arguments]
    out = work / f"{name}-{seed}"
    anew = ["--no-compile-cache", "--out", out]
    begin = time.perf_counter()
    subprocess.run([sys.executable, *command, *anew], cwd=ROOT, check=True)
    wall = time.perf_counter() - begin
    summary = json.loads((out / "summary.json").read_text())
    kept = ("winner", "test", "data", "seconds", "programs", "rungs", "devices", "lanes")
    shown = " ".join(["python scripts/population_search.py", "--data", case.data, *arguments])
    about = {"name": name, "metric": case.metric, "goal": case.goal, "command": shown}
    about |= {"seed": seed, "cores": os.cpu_count(), "wall_seconds": wall}
    return about | {key: summary[key] for key in (*kept, "versions")}


def write_table() -> None:
    """Rewrite the table in docs/results.md from the result files."""
    runs = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("real-data-*.json"))]
    lines = [
        "| data | test score | goal | wall time | device | command |",
        "|---|---|---|---|---|---|",
    ]
    for run in runs:
        score = f"{run['metric']} {run['test'][run['metric']]:.4f}"
        wall = f"{run['wall_seconds']:.0f} s"
        cells = run["name"], score, run["goal"], wall, run["devices"], f"`{run['command']}`"
        lines.append(f"| {' | '.join(cells)} |")
    page = replace_between(PAGE.read_text(encoding="utf-8"), "results", "\n".join(lines))
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Search on every data set that was named, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="write docs/results.md instead")
    settings = parser.parse_args()
    if settings.table:
        return write_table()
    if settings.folder is None:
        parser.error("a folder is needed")
    for name in settings.names or CASES:
        with tempfile.TemporaryDirectory() as work:
            run = measure(name, settings.folder.resolve(), Path(work), settings.seed)
        path = write_results(f"real-data-{name}-{settings.seed}-{slug(run['devices'])}", run)
        print(f"{name}: {run['test']}; written to {path}", flush=True)


if __name__ == "__main__":
    main()
