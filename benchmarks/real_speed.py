"""How fast do populations train on real data with lengths of its own? Side by side with PyTorch.

    python benchmarks/real_speed.py                  the full table, about half an hour on two cores
    python benchmarks/real_speed.py --quick          32 units, few members, one round; two minutes
    python benchmarks/real_speed.py --only trec      one data set
    python benchmarks/real_speed.py --table          no measuring: the tables in README and docs

The folder of the data sets is `--folder`, by default `../shared/data`, and holds them as their
sources publish them, see benchmarks/real_data.py. Every contestant trains LSTM and GRU of one
layer by AdamW with clipping on batches of 32, or fewer where the training part is small, and reads
the validation part after every epoch. Ours trains a population on all cores; PyTorch trains one
trial in one process of one thread, and two in two. Its batches hold sequences of similar length and
are padded to their own longest. Contestants take turns; compiling comes apart. The ideal is what we
take for as many sequences that all have the mean length. Large sets are cut, see
benchmarks/speed/sets.py.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pages import RESULTS, ROOT, replace_between, slug, write_json, write_results
from speed import sets, tables

import jaxrnn
from jaxrnn.population.devices import describe

README, PAGE = ROOT / "README.md", ROOT / "docs" / "speed.md"
CELLS, UNITS, ROUNDS, SECONDS = ("lstm", "gru"), (32, 64, 128), 3, 0.5
POPULATION, QUICK_POPULATION, MAX_EPOCHS = 64, 4, 100_000


class Ours:
    """A population of one kind on one data set."""

    def __init__(self, data: jaxrnn.Data, cell: str, units: int, members: int) -> None:
        """Compile, and train the first epoch."""
        self.trainer = jaxrnn.Trainer(data)
        given = {"cell": cell, "hidden_size": units, "optimizer": "adamw", "clip_norm": 1.0}
        given |= {"batch_size": self.trainer.microbatch}
        if data.spec.vocabulary:
            given["embedding_size"] = 32
        configurations = [given | {"learning_rate": 1e-4 * (1 + k)} for k in range(members)]
        self.population = self.trainer.start(configurations, range(members), MAX_EPOCHS)
        self.epochs = 0
        self.epoch()
        self.compile_seconds = self.trainer.compiler.seconds

    def epoch(self) -> None:
        """Train for an epoch, and evaluate."""
        self.epochs += 1
        self.population = self.trainer.train(self.population, self.epochs)
        self.trainer.evaluate(self.population)

    def rate(self, seconds: float) -> float:
        """Trial-epochs per second, over at least one epoch and so many seconds."""
        begin, epochs = time.perf_counter(), 0
        while epochs == 0 or time.perf_counter() - begin < seconds:
            self.epoch()
            epochs += 1
        return epochs * len(self.population) / (time.perf_counter() - begin)


class Rival:
    """A process of PyTorch that answers requests."""

    def __init__(self, python: str) -> None:
        """Start it."""
        command = [python, str(ROOT / "benchmarks" / "speed" / "rival.py")]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request; `answer` waits for its end."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()

    def answer(self) -> float:
        """Return the rate.

        Raises:
            RuntimeError: The process ended.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("PyTorch's process ended; see its message above.")
        return json.loads(line)["rate"]

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def rates(rivals: list[Rival], request: dict[str, Any]) -> float:
    """Trial-epochs per second of some processes at the same time."""
    for rival in rivals:
        rival.ask(request)
    return sum(rival.answer() for rival in rivals)


def measure(
    name: str, folder: Path, rivals: list[Rival], quick: bool, units: tuple[int, ...]
) -> Iterator[dict[str, Any]]:
    """Yield a row for each cell and width of a data set."""
    data: Any = sets.load(name, folder)
    uneven = data.spec.lengths_differ
    members = QUICK_POPULATION if quick else POPULATION
    seconds = 0.0 if quick else SECONDS
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / f"{name}.npz"
        np.savez(file, **sets.arrays(data, jaxrnn.Trainer(data).microbatch))
        for cell in CELLS:
            for width in units:
                ours = Ours(data, cell, width, members)
                even = sets.of_one_length(data) if uneven else None
                ideal = Ours(even, cell, width, members) if even is not None else None
                request = {"file": str(file), "cell": cell, "units": width, "seconds": seconds}
                rates(rivals, request | {"seconds": 0.0})
                row: dict[str, Any] = {"ours": [], "ideal": [], "torch": [], "torch_2": []}
                for _ in range(1 if quick else ROUNDS):
                    row["ours"].append(ours.rate(seconds))
                    row["torch"].append(rates(rivals[:1], request))
                    row["torch_2"].append(rates(rivals, request))
                    row["ideal"] += [ideal.rate(seconds)] if ideal is not None else []
                yield row | {
                    "data": name,
                    "cell": cell,
                    "units": width,
                    "population": members,
                    "lengths": [int(np.median(data.train.lengths)), int(data.train.lengths.max())],
                    "samples": len(data.train),
                    "compile_seconds": ours.compile_seconds,
                    "padded_share": ours.trainer.training_data.padded_share,
                }


def run(settings: argparse.Namespace) -> None:
    """Measure, print each row, and write all of them after each data set."""
    names = settings.only or [*sets.SETS]
    mesh = jaxrnn.Trainer(sets.load(names[0], settings.folder)).mesh
    units = UNITS[:1] if settings.quick else UNITS
    about: dict[str, Any] = {"device": describe(mesh), "command": command(settings)}
    about |= {"versions": {name: version(name) for name in ("jax", "jaxlib", "jaxrnn")}}
    about |= {"torch": torch_version(settings.peer_python), "rows": []}
    with ExitStack() as stack:
        rivals = [Rival(settings.peer_python) for _ in range(2)]
        for rival in rivals:
            stack.callback(rival.close)
        for name in names:
            for row in measure(name, settings.folder, rivals, settings.quick, units):
                about["rows"].append(row)
                print(tables.table([row]).splitlines()[2], flush=True)
            print(f"written to {written(settings, about)}", flush=True)
    for text, met in tables.goals(about["rows"]):
        print(f"{'met' if met else 'not met'}: {text}")


def written(settings: argparse.Namespace, about: dict[str, Any]) -> Path:
    """Write the results, those of a part to the file that is asked for; returns the path."""
    if not (settings.quick or settings.only):
        return write_results(f"real-speed-{slug(about['device'])}", about)
    write_json(settings.out, about)
    return settings.out


def command(settings: argparse.Namespace) -> str:
    """The command to repeat it, without folders of this machine."""
    only = [f"--only {name}" for name in settings.only or ()]
    return " ".join(["python benchmarks/real_speed.py", *["--quick"] * settings.quick, *only])


def torch_version(python: str) -> str:
    """PyTorch's version; empty where it is missing."""
    code = "from importlib.metadata import version; print(version('torch'))"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def write_table() -> None:
    """Rewrite the tables in README.md and docs/speed.md from the result files."""
    texts: dict[Path, list[str]] = {README: [], PAGE: []}
    for path in sorted(RESULTS.glob("real-speed-*.json")):
        found = json.loads(path.read_text())
        about = f"JAX {found['versions']['jax']}, PyTorch {found['torch']}; `{found['command']}`"
        about = f"**{found['device']}** ({about}), "
        rows = found["rows"]
        texts[README].append(
            f"{about}times as fast as PyTorch in two processes\n\n{tables.short(rows)}"
        )
        texts[PAGE].append(f"{about}trial-epochs per second\n\n{tables.table(rows)}")
    for page, parts in texts.items():
        text = replace_between(page.read_text(encoding="utf-8"), "real-speed", "\n\n".join(parts))
        page.write_text(text, encoding="utf-8")


def main() -> None:
    """Measure, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--quick", action="store_true", help="few members, 32 units, one round")
    parser.add_argument("--only", action="append", choices=[*sets.SETS], help="one data set")
    parser.add_argument("--peer-python", default=sys.executable, help="Python that has PyTorch")
    parser.add_argument("--out", type=Path, default=Path("real-speed.json"), help="of a part")
    parser.add_argument("--table", action="store_true", help="write the tables")
    settings = parser.parse_args()
    if settings.table:
        write_table()
        return
    if not settings.folder.is_dir():
        parser.error(f"`--folder` is {settings.folder}, but must be a folder with the data sets.")
    if not torch_version(settings.peer_python):
        parser.error(
            f"`--peer-python` is {settings.peer_python}, but must be a Python that has PyTorch: "
            "install the extra `bench`."
        )
    run(settings)


if __name__ == "__main__":
    main()
