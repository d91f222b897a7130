"""How many trials should a device train side by side? Time several lane counts in turn.

    python benchmarks/lanes.py

For each width and sequence length the lane counts take turns, so that a busy moment hits all of
them. Prints trial-epochs per second (median of the rounds) and writes
`benchmarks/results/lanes-<device>.json` with all raw times.
"""

import statistics
import time
from importlib.metadata import version

import numpy as np
from pages import slug, write_results

import jaxrnn

LANES = (1, 2, 4, 8, 16)
CASES = ((64, 8), (64, 50), (128, 50))  # hidden size, time steps
TRIALS, SAMPLES, ROUNDS = 64, 320, 5


def sequences(samples: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with 8 features and 10 classes: the speed of a step does not depend on its values."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, steps, 8)), np.arange(samples) % 10


def measure(hidden_size: int, steps: int) -> list[dict[str, object]]:
    """Seconds per epoch of the whole population for every lane count, in turns."""
    data = jaxrnn.from_splits(sequences(SAMPLES, steps), sequences(20, steps), sequences(20, steps))
    configurations = [{"cell": "lstm", "hidden_size": hidden_size, "dropout": 0.2}] * TRIALS
    trainers = {lanes: jaxrnn.Trainer(data, lanes=lanes) for lanes in LANES}
    populations = {k: trainers[k].start(configurations, range(TRIALS)) for k in LANES}
    seconds: dict[int, list[float]] = {lanes: [] for lanes in LANES}
    for epoch in range(ROUNDS + 1):
        for lanes in LANES:
            begin = time.perf_counter()
            populations[lanes] = trainers[lanes].train(populations[lanes], epoch + 1)
            seconds[lanes].append(time.perf_counter() - begin)
    return [
        {
            "hidden_size": hidden_size,
            "time_steps": steps,
            "lanes": lanes,
            "compile_seconds": trainers[lanes].compiler.seconds,
            "epoch_seconds": seconds[lanes][1:],  # the first round warms up
            "trial_epochs_per_second": TRIALS / statistics.median(seconds[lanes][1:]),
        }
        for lanes in LANES
    ]


def main() -> None:
    """Measure every case, print a line each, write the file."""
    rows = []
    for case in CASES:
        for row in measure(*case):
            rows.append(row)
            shown = (row[k] for k in ("hidden_size", "time_steps", "lanes"))
            print("hidden {} time {} lanes {}:".format(*shown), end=" ")
            print(f"{row['trial_epochs_per_second']:.1f} trial-epochs/s", flush=True)
    devices = jaxrnn.describe(jaxrnn.Trainer(jaxrnn.digits()).mesh)
    results = {
        "command": "python benchmarks/lanes.py",
        "devices": devices,
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax")},
        "trials": TRIALS,
        "samples": SAMPLES,
        "rows": rows,
    }
    print(f"written to {write_results(f'lanes-{slug(devices)}', results)}")


if __name__ == "__main__":
    main()
