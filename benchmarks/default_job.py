"""Time the main job as a user runs it, and score its winners.

    python benchmarks/default_job.py --seeds 0 1 2 3 4

Each seed is a fresh process without a compile cache. Prints a line a seed and writes
`benchmarks/results/default-job-<device>.json`: command, versions, device, and the raw figures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pages import ROOT, slug, write_results

SCRIPT = Path("scripts") / "population_search.py"


def measure(seed: int, folder: Path) -> dict[str, object]:
    """Wall seconds and summary of one run of the main job."""
    out = folder / str(seed)
    command = [sys.executable, str(SCRIPT), "--seed", str(seed), "--out", str(out)]
    command.append("--no-compile-cache")
    begin = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - begin
    summary = json.loads((out / "summary.json").read_text())
    kept = ("test", "seconds", "programs", "rungs", "devices", "lanes", "versions")
    return {"seed": seed, "wall_seconds": wall, **{key: summary[key] for key in kept}}


def main() -> None:
    """Run every seed, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    seeds = parser.parse_args().seeds
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            runs.append(run := measure(seed, Path(folder)))
            print(f"seed {seed}: {run['wall_seconds']:.1f} s, test {run['test']}", flush=True)
    walls = [run["wall_seconds"] for run in runs]
    accuracies = [run["test"]["accuracy"] for run in runs]
    results = {
        "command": f"python benchmarks/default_job.py --seeds {' '.join(map(str, seeds))}",
        "cores": os.cpu_count(),
        "median_wall_seconds": statistics.median(walls),
        "max_wall_seconds": max(walls),
        "mean_test_accuracy": statistics.mean(accuracies),
        "runs": runs,
    }
    path = write_results(f"default-job-{slug(runs[0]['devices'])}", results)
    print(f"mean test accuracy {results['mean_test_accuracy']:.4f}; written to {path}")


if __name__ == "__main__":
    main()
