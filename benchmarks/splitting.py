"""Should XLA split elementwise loops among the cores of a CPU whose cores are devices? In turns.

    python benchmarks/splitting.py

Trains the same population by programs compiled without XLA's pass that splits loops and with it.
Prints milliseconds per step and member (median of the rounds) and writes
`benchmarks/results/splitting-<device>.json` with all raw times.
"""

import statistics
import time
from importlib.metadata import version
from typing import Any

from lanes import sequences
from pages import slug, write_results

import jaxrnn
from jaxrnn.population.options import ALONE

CASES = ((32, 8), (64, 8), (128, 8), (128, 50))  # hidden size, time steps
TRIALS, SAMPLES, ROUNDS = 16, 320, 7
WHOLE, SPLIT = dict(ALONE), {}


def trained(data: jaxrnn.Data, hidden_size: int, options: dict[str, Any]) -> Any:
    """A trainer whose programs have these options, and its population after an epoch."""
    ALONE.clear()
    ALONE.update(options)
    trainer = jaxrnn.Trainer(data)
    configurations = [{"cell": "lstm", "hidden_size": hidden_size, "dropout": 0.2}] * TRIALS
    return trainer, trainer.train(trainer.start(configurations, range(TRIALS)), 1)


def measure(hidden_size: int, steps: int) -> dict[str, Any]:
    """Seconds per epoch of the whole population for both, in turns."""
    train, few = sequences(SAMPLES, steps), sequences(20, steps)
    data = jaxrnn.from_splits(train, few, few)
    both = {
        "whole": trained(data, hidden_size, WHOLE),
        "split": trained(data, hidden_size, SPLIT),
    }
    seconds: dict[str, list[float]] = {name: [] for name in both}
    for epoch in range(1, ROUNDS + 1):
        for name, (trainer, population) in both.items():
            begin = time.perf_counter()
            both[name] = trainer, trainer.train(population, epoch + 1)
            seconds[name].append(time.perf_counter() - begin)
    count = SAMPLES // both["whole"][0].microbatch * TRIALS
    each = {name: 1e3 * statistics.median(raw) / count for name, raw in seconds.items()}
    row = {"hidden_size": hidden_size, "time_steps": steps, "milliseconds": each}
    return {**row, "epoch_seconds": seconds}


def main() -> None:
    """Measure every case, print a line each, write the file."""
    rows = []
    for case in CASES:
        rows.append(row := measure(*case))
        shown = ", ".join(f"{name} {each:.3f} ms" for name, each in row["milliseconds"].items())
        print(f"hidden {case[0]} time {case[1]}: {shown}", flush=True)
    devices = jaxrnn.describe(jaxrnn.Trainer(jaxrnn.digits()).mesh)
    results = {
        "command": "python benchmarks/splitting.py",
        "devices": devices,
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax")},
        "trials": TRIALS,
        "samples": SAMPLES,
        "rows": rows,
    }
    print(f"written to {write_results(f'splitting-{slug(devices)}', results)}")


if __name__ == "__main__":
    main()
