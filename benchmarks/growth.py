"""Does a process that runs one search after another grow? Many tiny searches, each with a trainer.

    python benchmarks/growth.py NAME [--searches 200] [--only CASE ...]

Each case is a fresh process: the same space each time, so that JAX has seen every shape before, or
a random one of a few layers, widths, optimizers and time steps; every program compiled anew, or
kept on disk. Prints the resident set and what Python holds every 20 searches, and writes
`benchmarks/results/growth-NAME.json`, where cases that were left out stay. Programs are compiled
without optimisations, which takes a third of the time.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
import psutil
from pages import RESULTS, write_results

import jaxrnn
import search
from jaxrnn.population.programs import compiled

CASES = ("same", "same-kept", "random", "random-kept")
EVERY = 20
QUICK = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}


def noise(rng: np.random.Generator, time: int) -> jaxrnn.Data:
    """Noise of three classes."""
    train, validation, test = (
        (rng.normal(size=(n, time, 3)), np.arange(n) % 3) for n in (32, 16, 16)
    )
    return jaxrnn.from_splits(train, validation, test)


def same(rng: np.random.Generator) -> tuple[jaxrnn.Data, dict[str, Any]]:
    """Two cohorts, always alike."""
    return noise(rng, 4), {"cell": ["lstm", "gru"], "hidden_size": 4}


def random(rng: np.random.Generator) -> tuple[jaxrnn.Data, dict[str, Any]]:
    """One cohort or two of few that are alike."""
    some = rng.permutation(["sgd", "momentum", "rmsprop", "adam", "adamw"])[: rng.integers(1, 4)]
    space = {
        "cell": [["lstm", "gru"], ["lstm"], ["gru"]][rng.integers(3)],
        "hidden_size": int(rng.integers(2, 20)),
        "layers": int(rng.integers(1, 3)),
        "layer_norm": bool(rng.integers(2)),
        "optimizer": sorted(map(str, some)),
    }
    return noise(rng, int(rng.integers(3, 7))), space


def search_once(case: str, number: int) -> None:
    """A search from its data to its end, with no program of those before it in memory."""
    compiled.cache_clear()
    rng = np.random.default_rng(number)
    data, choices = (same if case.startswith("same") else random)(rng)
    rate = {"learning_rate": dict(low=0.001, high=0.03, log=True)}
    space = search.Space(choices | rate, jaxrnn.conditions())
    trainer = jaxrnn.Trainer(data)
    result = search.optimize(trainer, space, trials=4, max_epochs=2, eta=2, seed=number)
    assert result.best is not None


def measure(case: str, searches: int) -> dict[str, Any]:
    """Memory of this process, in MiB, before the first search and after each twentieth."""
    with tempfile.TemporaryDirectory() as folder:
        if case.endswith("kept"):
            jaxrnn.keep_programs(folder)
        else:
            jaxrnn.forget_programs()
        begin, rows = time.perf_counter(), [_now(0)]
        for number in range(searches):
            search_once(case, number)
            if (number + 1) % EVERY == 0:
                rows.append(_now(number + 1))
                print(f"{case}: {rows[-1]}", file=sys.stderr, flush=True)
        seconds = (time.perf_counter() - begin) / searches
    later = [row["rss"] for row in rows[1:]]
    return {
        "case": case,
        "searches": searches,
        "seconds": seconds,
        "first": later[0],
        "growth": later[-1] - later[0],
        "most": max((after - before for before, after in pairwise(later)), default=0.0),
        "rows": rows,
    }


def _now(searches: int) -> dict[str, float]:
    gc.collect()
    rss = psutil.Process().memory_info().rss / 2**20
    return {"searches": searches, "rss": round(rss, 1), "objects": len(gc.get_objects())}


def main() -> None:
    """Run every case in a process of its own; one case in this process with `--here`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", help="name of the results, such as before or after")
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--here", action="store_true", help="one case, in this process")
    settings = parser.parse_args()
    if settings.here:
        return print(json.dumps(measure(settings.only[0], settings.searches)))
    path = RESULTS / f"growth-{settings.name}.json"
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    rows = {row["case"]: row for row in before}
    for case in settings.only:
        command = [sys.executable, __file__, settings.name, "--here", "--only", case]
        command += ["--searches", str(settings.searches)]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env=QUICK | os.environ
        )
        rows[case] = row = json.loads(done.stdout)
        print(f"{case}: {row['growth']:+.1f} MiB after the first {EVERY} searches", flush=True)
        results = {
            "command": "python benchmarks/growth.py",
            "devices": f"{os.cpu_count()} x cpu",
            "versions": {name: version(name) for name in ("jax", "jaxlib", "numpy", "optuna")},
            "rows": [rows[name] for name in CASES if name in rows],
        }
        write_results(path.stem, results)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
