"""What more trials cost: time per trial-epoch by population, and a search of many, by kind of work.

    python benchmarks/scaling.py

Populations of one configuration take turns, so that a busy moment hits all of them; then searches
run as users run them, each in a fresh process. Prints a line for each and writes
`benchmarks/results/scaling-<device>.json` with all raw times; `--table` measures nothing and writes
the tables in docs/scaling.md from these files.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pages import RESULTS, ROOT, replace_between, slug, write_results

import jaxrnn

PAGE = ROOT / "docs" / "scaling.md"
POPULATIONS = (1, 4, 16, 64, 256, 1024)
CONFIGURATION = {"cell": "lstm", "hidden_size": 32, "dropout": 0.2}
SAMPLES, TIME, FEATURES, CLASSES, ROUNDS = 320, 8, 8, 10, 5
LEAST = 64
"""Trial-epochs of a measurement; small populations train several epochs for it."""
SCHEDULERS = ("halving", "asha")
BESIDE = ("select", "decide", "keep")
"""What rungs cost besides training and scoring: gathering members, decisions, records."""


def sequences(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise of the size of the digits: the speed of a step does not depend on its values."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, TIME, FEATURES)), np.arange(samples) % CLASSES


def populations(rounds: int) -> list[dict[str, Any]]:
    """Seconds of every population size, a round after the other."""
    data = jaxrnn.from_splits(sequences(SAMPLES), sequences(20), sequences(20))
    epochs = {size: max(1, LEAST // size) for size in POPULATIONS}
    trainers = {size: jaxrnn.Trainer(data) for size in POPULATIONS}
    most = max(epochs.values()) * (rounds + 1)
    running = {n: trainers[n].start([CONFIGURATION] * n, range(n), most) for n in POPULATIONS}
    seconds: dict[int, list[float]] = {size: [] for size in POPULATIONS}
    for number in range(1, rounds + 2):
        for size in POPULATIONS:
            begin = time.perf_counter()
            running[size] = trainers[size].train(running[size], number * epochs[size])
            seconds[size].append(time.perf_counter() - begin)
    return [
        {
            "population": size,
            "epochs": epochs[size],
            "seconds": seconds[size][1:],  # the first round compiles and warms up
            "ms_per_trial_epoch": 1e3 * statistics.median(seconds[size][1:]) / epochs[size] / size,
        }
        for size in POPULATIONS
    ]


def search(scheduler: str, trials: int) -> dict[str, Any]:
    """Seconds of a search by kind, from its summary."""
    arguments = ["--trials", str(trials), "--scheduler", scheduler]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        script = "scripts/population_search.py"
        command = [sys.executable, script, *arguments, "--out", str(out)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        summary = json.loads((out / "summary.json").read_text())
    kept = ("trial_epochs", "programs", "rungs", "seconds")
    beside = sum(summary["seconds"][kind] for kind in BESIDE)
    return {
        "command": f"python {script} {' '.join(arguments)}",
        "scheduler": scheduler,
        "trials": trials,
        **{key: summary[key] for key in kept},
        "share_beside": beside / summary["seconds"]["total"],
    }


def tables(results: dict[str, Any]) -> list[str]:
    """Both tables of a result file, in lines of Markdown."""
    lines = [f"**{results['devices']}**, `{results['command']}`", ""]
    lines += ["| trials that train together | ms per trial-epoch | to one alone |", "|---|---|---|"]
    alone = results["populations"][0]["ms_per_trial_epoch"]
    for row in results["populations"]:
        each = row["ms_per_trial_epoch"]
        lines.append(f"| {row['population']:,} | {each:.2f} | {each / alone:.2f} |")
    kinds = [kind for kind in results["searches"][0]["seconds"] if kind != "total"]
    lines += ["", f"| search, seconds of | total | {' | '.join(kinds)} | beside |"]
    lines.append("|---" * (len(kinds) + 3) + "|")
    for run in results["searches"]:
        seconds = [f"{run['seconds'][kind]:.2f}" for kind in ("total", *kinds)]
        name = f"{run['trials']:,} trials, {run['scheduler']}"
        lines.append(f"| {name} | {' | '.join(seconds)} | {run['share_beside']:.1%} |")
    return lines


def page() -> str:
    """docs/scaling.md with the tables of the result files."""
    files = [json.loads(path.read_text()) for path in sorted(RESULTS.glob("scaling-*.json"))]
    parts = ["\n".join(tables(results)) for results in files]
    text = "\n\n".join(parts) or "Nothing was measured yet."
    return replace_between(PAGE.read_text(encoding="utf-8"), "scaling", text)


def main() -> None:
    """Measure, print and write, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=1024, help="trials of every search")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of every population")
    parser.add_argument("--table", action="store_true", help="write docs/scaling.md instead")
    settings = parser.parse_args()
    if settings.table:
        PAGE.write_text(page(), encoding="utf-8")
        return
    runs = []
    for scheduler in SCHEDULERS:  # before JAX starts here, and takes an accelerator's memory
        runs.append(run := search(scheduler, settings.trials))
        print(f"{scheduler}: {run['seconds']}, beside {run['share_beside']:.2%}", flush=True)
    rows = populations(settings.rounds)
    for row in rows:
        print(f"{row['population']} trials: {row['ms_per_trial_epoch']:.3f} ms per trial-epoch")
    devices = jaxrnn.describe(jaxrnn.Trainer(jaxrnn.digits()).mesh)
    results = {
        "command": shlex.join(["python", "benchmarks/scaling.py", *sys.argv[1:]]),
        "devices": devices,
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax")},
        "configuration": CONFIGURATION,
        "data": {"samples": SAMPLES, "time": TIME, "features": FEATURES},
        "populations": rows,
        "searches": runs,
    }
    print(f"written to {write_results(f'scaling-{slug(devices)}', results)}")


if __name__ == "__main__":
    main()
