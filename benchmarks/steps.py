"""What do the choices within a training step cost? Time them in turns, and their memory.

    python benchmarks/steps.py            all cases, about ten minutes on two CPU cores
    python benchmarks/steps.py 64x50      one of them: hidden units x time steps
    python benchmarks/steps.py --table    no measuring: the tables in docs/steps.md from the results

With `XLA_FLAGS` set, table and file are named after them. A step is one layer's outputs, its
gradients from the last one, and plain gradient descent. Within a case the variants take turns.
Prints milliseconds per step and lane (median of the rounds) and megabytes of temporary memory, and
writes `benchmarks/results/steps-<device>.json` with raw times.
On a CPU they are seconds of processor time: what is left when every core has its own work.
"""

import json
import os
import re
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from pages import RESULTS, ROOT, replace_between, write_results

import jaxrnn
from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.configuration.rules import complete
from jaxrnn.network import rnn_vjp
from jaxrnn.network.architecture import GATES, STATES, architecture_of
from jaxrnn.network.cells import Constants
from jaxrnn.population.devices import population_mesh
from jaxrnn.population.options import ALONE
from jaxrnn.tasks.spec import TaskSpec

PAGE = ROOT / "docs" / "steps.md"
FLAGS = os.environ.get("XLA_FLAGS", "")
BATCH, ROUNDS, SECONDS = 32, 5, 0.05
SIZES = ((16, 8), (32, 8), (64, 8), (128, 8), (16, 50), (32, 50), (64, 50), (128, 50), (64, 200))
MORE = ((16, 8, 300, 1), (64, 50, 300, 1), (64, 200, 8, 16))


class Case(NamedTuple):
    """Sizes of what is timed."""

    cell: str
    hidden_size: int
    time_steps: int
    features: int
    lanes: int


class Variant(NamedTuple):
    """One way to compute a step."""

    written_out: bool = False
    hoisted: bool = False
    unroll: int = 1
    checkpoint: bool = False
    split: bool = False
    precision: str = "highest"


VARIANTS = {
    "scan": Variant(),
    "scan, inputs mapped before it": Variant(hoisted=True),
    "scan, unrolled by 4": Variant(unroll=4),
    "scan, checkpoint": Variant(checkpoint=True),
    "own backward": Variant(written_out=True),
}
ON_CPU = {
    "scan, loops split among cores": Variant(split=True),
    "own backward, loops split among cores": Variant(written_out=True, split=True),
}
ON_OTHERS = {
    "scan, unrolled by 8": Variant(unroll=8),
    "scan, TF32": Variant(precision="tensorfloat32"),
    "own backward, TF32": Variant(written_out=True, precision="tensorfloat32"),
    "own backward, bfloat16": Variant(written_out=True, precision="bfloat16"),
}


def cases(on_cpu: bool) -> list[Case]:
    """All sizes for LSTM and GRU, then many features, then many lanes."""
    lanes = (1,) if on_cpu else (64, 512)
    grid = [
        Case(cell, width, steps, 8, count)
        for cell in ("lstm", "gru")
        for width, steps in SIZES
        for count in lanes
    ]
    return [*grid, Case("rnn", 32, 50, 8, lanes[0]), *(Case("lstm", *sizes) for sizes in MORE)]


def scan(variant: Variant, cell: str, parameters: Any, carry: Any, x: Any) -> Any:
    """The layer by `lax.scan` of the cells' arithmetic, as `jaxrnn.network.cells` defines it."""
    w, r = (
        parameters[name].reshape(len(parameters[name]), -1)
        for name in ("input_kernel", "recurrent_kernel")
    )
    bias = parameters["bias"].reshape(1, -1)

    def step(carry: Any, x: Any) -> Any:
        x, s = x if variant.hoisted else x @ w + bias, carry[0] @ r
        if cell == "rnn":
            carry = (jnp.tanh(x + s),)
        elif cell == "lstm":
            i, f, g, o = jnp.split(x + s, 4, axis=-1)
            c = jax.nn.sigmoid(f) * carry[1] + jax.nn.sigmoid(i) * jnp.tanh(g)
            carry = jax.nn.sigmoid(o) * jnp.tanh(c), c
        else:
            (x_r, x_z, x_n), (s_r, s_z, s_n) = jnp.split(x, 3, axis=-1), jnp.split(s, 3, axis=-1)
            z = jax.nn.sigmoid(x_z + s_z)
            n = jnp.tanh(
                x_n + jax.nn.sigmoid(x_r + s_r) * (s_n + parameters["candidate_bias"][None])
            )
            carry = ((1 - z) * n + z * carry[0],)
        return carry, carry[0]

    step = jax.checkpoint(step) if variant.checkpoint else step
    return jax.lax.scan(step, carry, x @ w + bias if variant.hoisted else x, unroll=variant.unroll)


def fixed(case: Case) -> tuple[rnn_vjp.StaticArguments, Constants]:
    """The arguments besides weights of the layer with its own backward pass."""
    entries = complete({"cell": case.cell, "hidden_size": case.hidden_size}, BATCH, 1)
    form = rnn_vjp.StaticArguments(
        architecture_of(entries, TaskSpec(case.features, 1, lengths_differ=False))
    )
    numbers = hyperparameters(entries, ("adamw",))
    return form, Constants(numbers, jnp.int32(case.hidden_size), None)


def program(case: Case, variant: Variant) -> tuple[Callable[[int], Any], float]:
    """A function that takes so many steps, and megabytes of its temporary memory."""
    rng, gates, units = np.random.default_rng(0), GATES[case.cell], case.hidden_size
    shapes = {
        "input_kernel": (case.features, gates, units),
        "recurrent_kernel": (units, gates, units),
        "bias": (gates, units),
    }
    shapes |= {"candidate_bias": (units,)} if case.cell == "gru" else {}
    parameters = {k: rng.normal(size=(case.lanes, *s), scale=0.1) for k, s in shapes.items()}
    batches = rng.normal(size=(8, BATCH, case.time_steps, case.features))
    parameters, batches = jax.device_put(jax.tree.map(np.float32, (parameters, batches)))

    form, constants = fixed(case)

    def loss(parameters: Any, x: Any) -> Any:
        carry = tuple(jnp.zeros((BATCH, units)) for _ in range(STATES[case.cell]))
        x = x.swapaxes(0, 1)
        if variant.written_out:
            answer: Any = rnn_vjp.run_layer(form, parameters, carry, x, None, constants)
        else:
            answer = scan(variant, case.cell, parameters, carry, x)
        return (answer[1].swapaxes(0, 1)[:, -1] ** 2).sum()

    def lane(parameters: Any, x: Any) -> Any:
        return jax.tree.map(lambda p, g: p - 1e-4 * g, parameters, jax.grad(loss)(parameters, x))

    def lanes(parameters: Any, x: Any) -> Any:
        if case.lanes > 1:
            return jax.vmap(lane, (0, None))(parameters, x)
        return jax.tree.map(lambda p: p[None], lane(jax.tree.map(lambda p: p[0], parameters), x))

    def run(parameters: Any, batches: Any, steps: Any) -> Any:
        return jax.lax.fori_loop(0, steps, lambda k, p: lanes(p, batches[k % 8]), parameters)

    apart = jax.default_backend() == "cpu" and not variant.split
    with jax.default_matmul_precision(variant.precision):
        lowered = jax.jit(run).lower(parameters, batches, jnp.int32(0))
    compiled: Any = lowered.compile(compiler_options=ALONE if apart else None)

    def steps(count: int) -> Any:
        return jax.block_until_ready(compiled(parameters, batches, jnp.int32(count)))

    return steps, compiled.memory_analysis().temp_size_in_bytes / 1e6


def measure(case: Case, variants: dict[str, Variant]) -> list[dict[str, Any]]:
    """A row for each variant, timed in turns."""
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    programs = {name: program(case, variant) for name, variant in variants.items()}
    steps, seconds = {}, {name: [] for name in variants}
    for name, (run, _) in programs.items():
        run(1)
        begin = clock()
        run(2)
        steps[name] = max(2, int(2 * SECONDS / max(clock() - begin, 1e-6)))
    for _ in range(ROUNDS):
        for name, (run, _) in programs.items():
            begin = clock()
            run(steps[name])
            seconds[name].append((clock() - begin) / steps[name])
    return [
        {
            **case._asdict(),
            "variant": name,
            "milliseconds": 1e3 * statistics.median(seconds[name]) / case.lanes,
            "temporary_megabytes": programs[name][1],
            "step_seconds": seconds[name],
        }
        for name in variants
    ]


def table(rows: list[dict[str, Any]], what: str) -> list[str]:
    """A line of Markdown for each case, a column for each variant."""
    variants = list(dict.fromkeys(row["variant"] for row in rows))
    cases: dict[Case, dict[str, str]] = {}
    for row in rows:
        case = Case(*(row[name] for name in Case._fields))
        cases.setdefault(case, {})[row["variant"]] = f"{row[what]:.3g}"
    lines = [f"| | {' | '.join(variants)} |", "|---" + "|---:" * len(variants) + "|"]
    for case, cells in cases.items():
        features = f", {case.features} features" if case.features != 8 else ""
        lanes = f", {case.lanes} lanes" if case.lanes > 1 else ""
        name = f"{case.cell} {case.hidden_size} x {case.time_steps}{features}{lanes}"
        lines.append(f"| {name} | {' | '.join(cells.get(variant, '') for variant in variants)} |")
    return lines


def page() -> str:
    """docs/steps.md with the tables of the result files."""
    lines: list[str] = []
    for path in sorted(RESULTS.glob("steps-*.json")):
        results = json.loads(path.read_text())
        large = [row for row in results["rows"] if row["time_steps"] == 200]
        flags = f", `XLA_FLAGS={results['flags']}`" if results.get("flags") else ""
        lines += [f"**{results['devices']}**{flags}, milliseconds per step and lane:", ""]
        lines += [*table(results["rows"], "milliseconds"), ""]
        lines += ["Megabytes of temporary memory, all lanes together:", ""]
        lines += [*table(large, "temporary_megabytes"), ""]
    return replace_between(PAGE.read_text(encoding="utf-8"), "steps", "\n".join(lines))


def main(wanted: list[str]) -> None:
    """Measure every case, print a line for each variant, write the file."""
    devices = jaxrnn.describe(population_mesh())  # before anything else starts JAX
    on_cpu, rows = jax.default_backend() == "cpu", []
    variants = VARIANTS | (ON_CPU if on_cpu else ON_OTHERS)
    for case in cases(on_cpu):
        if wanted and f"{case.hidden_size}x{case.time_steps}" not in wanted:
            continue
        print("{} hidden {} time {} features {} lanes {}".format(*case))
        rows += (measured := measure(case, variants))
        for row in measured:
            shown = row["variant"], row["milliseconds"], row["temporary_megabytes"]
            print("    {:<38} {:9.3f} ms {:8.1f} MB".format(*shown), flush=True)
    results = {
        "command": " ".join(["python benchmarks/steps.py", *wanted]),
        "devices": devices,
        "flags": FLAGS,
        "versions": {name: version(name) for name in ("jax", "jaxlib")},
        "batch": BATCH,
        "rows": rows,
    }
    name = re.sub(r"[^a-z0-9.]+", "-", f"steps {devices} {FLAGS}".lower()).strip("-")
    print(f"written to {write_results(name, results)}")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8") if sys.argv[1:] == ["--table"] else main(sys.argv[1:])
