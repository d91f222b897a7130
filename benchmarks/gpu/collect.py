"""Put results that came back in several folders where tables are made of them.

    python -m benchmarks.gpu.collect FOLDER [FOLDER ...]

copies result files into `benchmarks/results`; of files about the same device, sections are joined.
"""

import json
import sys
from pathlib import Path

from pages import RESULTS
from peers.results import keep


def collect(folder: Path, results: Path) -> list[Path]:
    """Copy the results in `folder`; returns where they are now.

    Raises:
        ValueError: The folder holds no results, or those of a rehearsal.
    """
    paths = sorted([*folder.glob("gpu-*.json"), *folder.glob("peers-*.json")])
    if not paths:
        raise ValueError(f"'{folder}' holds no results")
    contents = {path: json.loads(path.read_text()) for path in paths}
    if any(content.get("rehearsal") for content in contents.values()):
        raise ValueError(f"'{folder}' holds results of a rehearsal")
    for path, content in contents.items():
        if path.name.startswith("gpu-"):
            (results / path.name).write_text(path.read_text())
            continue
        for section in content.keys() - {"device"}:
            keep(results / path.name, content["device"], section, content[section])
    return [results / path.name for path in paths]


def main(folders: list[str], results: Path = RESULTS) -> int:
    """Collect all folders; returns the exit status."""
    if not folders:
        print("error: name the folders that came back.", file=sys.stderr)
        return 2
    try:
        for folder in folders:
            for path in collect(Path(folder), results):
                print(path)
    except ValueError as error:
        print(f"error: {error}.", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
