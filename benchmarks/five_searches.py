"""Five searches, every scheduler once: whether a change of the code has changed a bit.

    python benchmarks/five_searches.py FOLDER
    python benchmarks/five_searches.py FOLDER --write

runs the searches in a new FOLDER, or takes those that are there, and compares digests of what they
found with `benchmarks/results/five-searches.json`. Bits depend on the processor and on the versions
of packages, so both are in that file; `--write` makes it anew.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np

from jaxrnn.compile_cache import processor

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "population_search.py"
RESULTS = Path(__file__).resolve().parent / "results" / "five-searches.json"
SEARCHES = {
    "halving": "--trials 12 --max-epochs 9",
    "hyperband": "--scheduler hyperband --sampler tpe --trials 14 --max-epochs 9 --seed 1",
    "asha": "--scheduler asha --trials 10 --max-epochs 6 --max-concurrent 4 --data adding"
    " --repeats 2",
    "median": "--scheduler median --sampler sobol --trials 8 --max-epochs 6 --max-concurrent 4"
    " --folds 2",
    "pbt": "--scheduler pbt --trials 6 --max-epochs 6 --seed 3",
}
"""Arguments by name; both cells, several samplers, seeds and folds."""


def run(folder: Path) -> None:
    """Run the searches that `folder` lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in SEARCHES.items():
        if not (folder / name).exists():
            command = [sys.executable, str(SCRIPT), *arguments.split(), "--out", str(folder / name)]
            subprocess.run(command, check=True)


def digests(run: Path) -> dict[str, str]:
    """Return digests of the rows of both tables, and of the winner's parameters."""
    tables = {
        name: _sha256((run / name).read_bytes().partition(b"\n")[2])  # columns may be renamed
        for name in ("trials.csv", "history.csv")
    }
    with np.load(run / "best" / "parameters.npz") as arrays:
        content = b"".join(arrays[name].tobytes() for name in sorted(arrays.files))
    return {**tables, "best": _sha256(content)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def main() -> int:
    """Run, and compare or write; returns the exit status."""
    parser = argparse.ArgumentParser(description="Compare the bits of five searches.")
    parser.add_argument("folder", type=Path, help="where the searches are, or will be")
    parser.add_argument("--write", action="store_true", help="write the digests, compare nothing")
    settings = parser.parse_args()
    run(settings.folder)
    packages = {name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "numpy")}
    found = {
        "machine": {"processor": processor(), **packages},
        "searches": {name: digests(settings.folder / name) for name in SEARCHES},
    }
    if settings.write:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        return 0
    expected = json.loads(RESULTS.read_text(encoding="utf-8"))
    if expected["machine"] != found["machine"]:
        print(f"not comparable: {RESULTS.name} is of {expected['machine']}", file=sys.stderr)
        return 2
    for name in SEARCHES:
        same = expected["searches"][name] == found["searches"][name]
        print(f"{name}: {'the same bits' if same else 'other bits'}")
    return int(expected != found)


if __name__ == "__main__":
    sys.exit(main())
