"""What a plan weighs: seconds to compile a cohort's programs, and multiplications per second.

    python benchmarks/compile.py

For cohorts of some depths and directions, with the code of the default space and with that of the
full one, prints and writes `benchmarks/results/compile-<device>.json`.
`jaxrnn.population.planner.CPU` rounds it.
"""

import time
from importlib.metadata import version
from typing import Any

import numpy as np
from pages import slug, write_results

import jaxrnn
import search
from jaxrnn.population.planner import FORWARDS_AND_BACKWARDS

KINDS = ((1, False), (2, False), (4, False), (1, True), (4, True))
WIDTHS = (16, 32, 64, 128, 256)
MEMBERS, EPOCHS = 4, 3


def compiling(name: str, cell: str, layers: int, bidirectional: bool) -> dict[str, Any]:
    """Wall seconds to compile one cohort, nothing else at work."""
    data = jaxrnn.digits()
    trainer = jaxrnn.Trainer(data)
    space = search.Space(trainer.space(name, 27), jaxrnn.conditions())
    proposals = search.make_sampler("random", space, seed=0).ask(2000, [])
    configurations = [proposal.configuration for proposal in proposals]
    kind = {"cell": cell, "layers": layers, "bidirectional": bidirectional}
    plain = {"layers": 1, "bidirectional": False}
    alike = [c for c in configurations if {**plain, **c}.items() >= kind.items()]
    if name == "default":  # it has one layer and one direction
        alike = [{**c, **kind} for c in configurations if c["cell"] == cell]
    members = alike[:12]
    begin = time.perf_counter()
    cohorts = trainer.start(members, range(len(members)), 27).cohorts
    assert all(cohort.programs.train and cohort.programs.evaluate for cohort in cohorts)
    seconds = (time.perf_counter() - begin) / len(cohorts)
    return {"space": name, **kind, "programs": trainer.compiler.programs, "seconds": seconds}


def multiplying(width: int) -> dict[str, Any]:
    """Multiplications per second while LSTMs of one width train, all devices together."""
    rng = np.random.default_rng(0)
    train, validation, test = (
        (rng.normal(size=(samples, 20, 8)), np.arange(samples) % 10) for samples in (640, 20, 20)
    )
    data = jaxrnn.from_splits(train, validation, test)
    trainer = jaxrnn.Trainer(data)
    configurations = [{"cell": "lstm", "hidden_size": width}] * MEMBERS
    population = trainer.train(trainer.start(configurations, range(MEMBERS)), 1)
    begin = time.perf_counter()
    population = trainer.train(population, 1 + EPOCHS)
    seconds = time.perf_counter() - begin
    (cohort,) = population.cohorts
    steps = 640 * 20 * EPOCHS * MEMBERS * FORWARDS_AND_BACKWARDS
    rate = cohort.architecture.arithmetic() * steps / seconds
    return {"width": width, "seconds": seconds, "multiplications_per_second": rate}


def main() -> None:
    """Measure, print, write the file."""
    compiled, multiplied = [], []
    for name in ("default", "full"):
        for cell, kinds in (("lstm", KINDS), ("gru", KINDS[:1])):
            for kind in kinds:
                compiled.append(row := compiling(name, cell, *kind))
                print(f"{name} {cell} {kind}: {row['seconds']:.1f} s", flush=True)
    for width in WIDTHS:
        multiplied.append(row := multiplying(width))
        print(f"width {width}: {row['multiplications_per_second']:.2g} per second", flush=True)
    devices = jaxrnn.describe(jaxrnn.Trainer(jaxrnn.digits()).mesh)
    results = {
        "command": "python benchmarks/compile.py",
        "devices": devices,
        "versions": {name: version(name) for name in ("jax", "jaxlib", "flax", "optax")},
        "compiling": compiled,
        "multiplying": multiplied,
    }
    print(f"written to {write_results(f'compile-{slug(devices)}', results)}")


if __name__ == "__main__":
    main()
