"""How much memory does a large population take? Move many members to the devices and back.

    python benchmarks/memory.py

Each case is a fresh process: many small members with little data, and members of the default space
for the digits. What is noted is the most memory that the process ever had (its peak resident set).
Prints a line for each and writes `benchmarks/results/memory-<device>.json`.
"""

import json
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
from pages import slug, write_results

import jaxrnn
import search

CASES = {"small": 10_000, "default": 2_000, "default-large": 10_000}
UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of what `getrusage` counts in."""


def small(members: int) -> tuple[jaxrnn.Data, list[dict[str, Any]]]:
    """LSTMs of 4 to 8 units, noise of 8 steps."""
    rng = np.random.default_rng(0)
    train, other = ((rng.normal(size=(n, 8, 4)), np.arange(n) % 3) for n in (64, 32))
    configurations = [{"cell": "lstm", "hidden_size": 4 + k % 5} for k in range(members)]
    return jaxrnn.from_splits(train, other, other), configurations


def default(members: int) -> tuple[jaxrnn.Data, list[dict[str, Any]]]:
    """The default space for the digits."""
    data = jaxrnn.digits()
    space = search.Space(jaxrnn.Trainer(data).space("default", 27), jaxrnn.conditions())
    plan = search.make_plan(space, members)
    return data, [proposal.configuration for proposal in plan.sampler.ask(members, [])]


def measure(case: str) -> dict[str, Any]:
    """Peaks of this process: before, and after an epoch and a rung that a third survives."""
    data, configurations = (small if case == "small" else default)(CASES[case])
    trainer = jaxrnn.Trainer(data)
    trainer.plan_for(configurations, 27)
    begin, before = time.perf_counter(), _peak()
    initial = trainer.init(configurations, range(len(configurations)), 27)
    each = sum(sum(leaf.nbytes for leaf in jax.tree.leaves(snapshot.state)) for snapshot in initial)
    population = trainer.train(trainer.to_device(initial), 1)
    snapshots = trainer.to_host(population)
    del initial
    trainer.train(trainer.to_device(snapshots[::3]), 2)
    return {
        "case": case,
        "members": len(configurations),
        "member_bytes": each,
        "bytes_before": before,
        "bytes_peak": _peak(),
        "copies": (_peak() - before) / each,
        "seconds": time.perf_counter() - begin,
        "devices": jaxrnn.describe(trainer.mesh),
    }


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def main() -> None:
    """Run every case in a process of its own; one case where its name is given."""
    if len(sys.argv) > 1:
        return print(json.dumps(measure(sys.argv[1])))
    rows = []
    for case in CASES:
        command = [sys.executable, __file__, case]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rows.append(row := json.loads(done.stdout))
        peak, state = row["bytes_peak"] / 2**30, row["member_bytes"] / 2**30
        print(
            f"{case}: {row['members']} members of {state:.2f} GiB, peak {peak:.2f} GiB", flush=True
        )
    devices = rows[0]["devices"]
    results = {
        "command": "python benchmarks/memory.py",
        "devices": devices,
        "versions": {name: version(name) for name in ("jax", "jaxlib", "numpy")},
        "rows": rows,
    }
    print(f"written to {write_results(f'memory-{slug(devices)}', results)}")


if __name__ == "__main__":
    main()
