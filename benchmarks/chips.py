"""What would programs cost on accelerators? Ask the compilers of chips that are not here.

    python benchmarks/chips.py                    all cases, about fifteen minutes on two cores
    python benchmarks/chips.py --only "dropout"   cases with this in their names
    python benchmarks/chips.py --table            no compiling: the tables in docs/accelerators.md

Nothing runs on a chip: these are the compilers' own figures for the training program, one TPU v5e
core and one NVIDIA H100. For the TPU, time is the compiler's estimate of cycles at 1.5 GHz. For the
H100 it is a roofline: a kernel takes what it must read and write at 3.35 TB/s, or what starting one
takes, 1.5 to 3 microseconds. Microbatches have 32 sequences of 8 features.
Prints a line for each case and writes `benchmarks/results/chips-<label>.json`. Needs the extra
`aot`, see benchmarks/absent.py.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import absent
import hlo
import jax
import numpy as np
from pages import RESULTS, ROOT, replace_between, write_results

import jaxrnn
from jaxrnn.population.ahead import CohortSpec, trace
from jaxrnn.population.options import Options

PAGE = ROOT / "docs" / "accelerators.md"
CHIPS = {"v5e": "TPU v5e", "h100": "NVIDIA H100"}
LABELS = ("before", "after")
CLOCK, BANDWIDTH = 1.5e9, 3.35e12
LAUNCH = (1.5, 3.0)
"""Microseconds that starting a kernel takes, at best and at worst."""
BATCH, FEATURES, CLASSES = 32, 8, 10
Configurations = tuple[dict[str, Any], ...]


class Case(NamedTuple):
    """A training program.

    Attributes:
        name: Name, unique.
        configurations: Configurations that need the code of the program.
        lanes: Members side by side.
        time: Time steps of each sequence.
        uneven: Whether sequences are of different lengths.
        options: Options of the compiler.
    """

    name: str
    configurations: Configurations
    lanes: int
    time: int
    uneven: bool = False
    options: Options = Options()


def of(cell: str, units: int, **more: Any) -> dict[str, Any]:
    """A configuration."""
    return {"cell": cell, "hidden_size": units, **more}


def cases() -> Iterator[Case]:
    """Sizes, cells, kinds of program, options."""
    for steps in (8, 50):
        for lanes in (1, 64, 128, 256, 1024):
            yield Case(f"lstm 64 x {steps}, {lanes} lanes", (of("lstm", 64),), lanes, steps)
    for units in (16, 32, 128):
        yield Case(f"lstm {units} x 50, 256 lanes", (of("lstm", units),), 256, 50)
    for cell in ("gru", "rnn"):
        yield Case(f"{cell} 64 x 50, 256 lanes", (of(cell, 64),), 256, 50)
    for name, configurations, uneven in KINDS:
        yield Case(f"lstm 64 x 24, 64 lanes, {name}", configurations, 64, 24, uneven)
    for lanes, steps, name, options in OPTIONS:
        one = (of("lstm", 64),)
        yield Case(f"lstm 64 x {steps}, {lanes} lanes, {name}", one, lanes, steps, False, options)


LSTM = of("lstm", 64)
KINDS: tuple[tuple[str, Configurations, bool], ...] = (
    ("plain", (LSTM,), False),
    ("layer norm", (LSTM | {"layer_norm": True},), False),
    ("mixed activations", tuple(LSTM | {"activation": a} for a in ("tanh", "relu", "elu")), False),
    ("blocks", (LSTM | {"tbptt_length": 8},), False),
    ("overlapping blocks", (LSTM | {"tbptt_length": 8, "tbptt_overlap": 0.5},), False),
    ("dropout", (LSTM | {"dropout": 0.2, "recurrent_dropout": 0.2},), False),
    ("mixed optimizers", tuple(LSTM | {"optimizer": o} for o in ("adam", "sgd", "rmsprop")), False),
    ("uneven lengths", (LSTM,), True),
)
OPTIONS = (
    (128, 8, "unrolled by 4", Options(unroll=4)),  # the choice of a TPU without a measurement
    (128, 50, "unrolled by 4", Options(unroll=4)),
    (256, 8, "unrolled by 4", Options(unroll=4)),  # that of a GPU
    (256, 50, "unrolled by 4", Options(unroll=4)),
    (256, 50, "unrolled by 8", Options(unroll=8)),
    (256, 8, "unrolled whole", Options(unroll=8)),
    (256, 8, "graphs", Options(graphs=True)),
    (256, 8, "graphs, unrolled whole", Options(unroll=8, graphs=True)),
)


def sequences(case: Case) -> jaxrnn.Data:
    """Noise of the case's shapes; no compiler looks at values."""
    rng = np.random.default_rng(0)

    def part(samples: int) -> tuple[Any, ...]:
        x = rng.normal(size=(samples, case.time, FEATURES)).astype(np.float32)
        lengths = (rng.integers(2, case.time + 1, samples),) if case.uneven else ()
        return x, np.arange(samples) % CLASSES, *lengths

    return jaxrnn.from_splits(part(8 * BATCH), part(2 * BATCH), part(2 * BATCH))


def chips_for(case: Case) -> list[str]:
    """Graphs are a matter of GPUs."""
    return [chip for chip in CHIPS if chip == "h100" or not case.options.graphs]


def compiled(case: Case, chip: str) -> dict[str, Any]:
    """The figures of the compiler for a chip."""
    mesh, data = absent.mesh(chip), sequences(case)
    cohort = CohortSpec(mesh, case.lanes, microbatch=BATCH, options=case.options)
    lowered: Any = trace(data, case.configurations, cohort).train.lower()
    begin = time.process_time()
    program = lowered.compile(compiler_options=case.options.for_compiler(mesh))
    seconds = time.process_time() - begin
    memory: Any = program.memory_analysis()
    return {
        "case": case.name,
        "chip": chip,
        "lanes": case.lanes,
        "compile_processor_seconds": seconds,
        "temporary_bytes": memory.temp_size_in_bytes,
        **figures(program.as_text() or "", case),
    }


def figures(text: str, case: Case) -> dict[str, float]:
    """Figures of a microbatch, from the compiled program, and the share of a lane."""
    program = hlo.Program(text)
    block, lanes = program.block.microbatch(), case.lanes
    cycles = block.turn(lambda one: one.cycles)

    def roofline(launch: float) -> float:
        return block.turn(lambda one: max(launch, 1e6 * program.moved(one) / BANDWIDTH)) / lanes

    least, most = (1e6 * cycles / CLOCK / lanes,) * 2 if cycles else map(roofline, LAUNCH)
    return {
        "operations": block.turn(lambda _: 1),
        "operations_per_time_step": block.over_time(lambda _: 1) / case.time,
        "cycles_per_lane": cycles / lanes,
        "moved_bytes": block.turn(program.moved),
        "us_per_lane": least,
        "us_per_lane_at_most": most,
    }


def shown(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a row, by what they say."""
    least, most = row["us_per_lane"], row["us_per_lane_at_most"]
    step = row["operations_per_time_step"]
    return {
        "processor seconds to compile": f"{row['compile_processor_seconds']:.1f}",
        "temporary MB": f"{row['temporary_bytes'] / 1e6:,.0f}",
        "operations per time step": f"{step:.3g}" if step else "-",
        "operations per microbatch": f"{row['operations']:,.0f}",
        "cycles per lane": f"{row['cycles_per_lane']:,.0f}",
        "us per lane": f"{least:.1f}" if least == most else f"{least:.1f} to {most:.1f}",
    }


def table(chip: str, results: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of Markdown: a case each, in every cell what each label found."""
    cells: dict[str, dict[str, dict[str, str]]] = {}
    for label, one in results.items():
        for row in one["rows"]:
            if row["chip"] == chip:
                cells.setdefault(row["case"], {})[label] = shown(row)
    order = [case.name for case in cases() if case.name in cells]
    every = next(iter(cells[order[0]].values()))
    columns = [name for name in every if chip == "v5e" or name != "cycles per lane"]
    lines = [f"| {CHIPS[chip]} | {' | '.join(columns)} |", "|---" + "|---:" * len(columns) + "|"]
    for name in order:
        by_label = [cells[name].get(label) for label in results]
        own = [" → ".join(one[column] if one else "-" for one in by_label) for column in columns]
        lines.append(f"| {name} | {' | '.join(own)} |")
    return lines


def page() -> str:
    """docs/accelerators.md with the tables of the result files."""
    paths = {label: RESULTS / f"chips-{label}.json" for label in LABELS}
    results = {
        label: json.loads(path.read_text()) for label, path in paths.items() if path.is_file()
    }
    lines = [f"Compilers' estimates; nothing ran on a chip. Cells say {' → '.join(results)}:", ""]
    for label, result in results.items():
        lines.append(f"- {label}: commit {result['commit'][:7]}, `{result['command']}`")
    for chip in CHIPS:
        lines += ["", *table(chip, results)]
    return replace_between(PAGE.read_text(encoding="utf-8"), "chips", "\n".join(lines))


def measure(only: str, label: str) -> None:
    """Compile, print a line for each case and chip, write the file after each.

    Rows of other cases stay as they are in the file.
    """
    path = RESULTS / f"chips-{label}.json"
    kept = json.loads(path.read_text())["rows"] if only and path.is_file() else []
    package = Path(jaxrnn.__file__).parent
    git = ["git", "-C", str(package), "rev-parse", "HEAD"]
    results: dict[str, Any] = {
        "command": f"python benchmarks/chips.py --label {label}",
        "commit": subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip(),
        "versions": {name: version(name) for name in ("jax", "jaxlib", *absent.NEEDS)},
    }
    rows = {(row["case"], row["chip"]): row for row in kept}
    for case in cases():
        for chip in chips_for(case) if only in case.name else ():
            rows[case.name, chip] = row = compiled(case, chip)
            print(CHIPS[chip], case.name, *map(": ".join, shown(row).items()), sep="; ", flush=True)
            write_results(f"chips-{label}", results | {"rows": [*rows.values()]})


def main() -> int:
    """Compile and write, or write the tables; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default="", help="cases with this in their names")
    parser.add_argument("--label", default="after", help="label of the results")
    parser.add_argument("--table", action="store_true", help="write docs/accelerators.md instead")
    settings = parser.parse_args()
    if settings.table:
        PAGE.write_text(text := page(), encoding="utf-8")
        print(text)
    elif reason := absent.missing():
        print(reason, file=sys.stderr)
        return 2
    else:
        absent.only_cpu()
        jax.config.update("jax_enable_compilation_cache", False)
        measure(settings.only, settings.label)
    return 0


if __name__ == "__main__":
    sys.exit(main())
