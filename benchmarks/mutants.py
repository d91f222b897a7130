"""How much the tests notice: faults of the kind that people make, one at a time.

    python benchmarks/mutants.py [--area AREA ...] [--only NAME ...] [--workers 2] [--out FILE]

`mutants.toml` beside this file lists the faults. Each is made in a copy of the working tree, where
the tests run that could see it, up to the first that fails: the fault is killed then, and has
survived if none fails. Tests that can't even be collected, or that end in any other way, say
nothing: such a fault is broken, and the exit status is not 0. What is found is printed, and written
to the file after every fault; what is not run again stays there. `--table FILE` measures nothing
and prints what is in one. `--baseline` runs all of these tests without any fault, once. Tests that
are marked slow take part where `PYTEST_ADDOPTS="-m ''"` is set.
"""

import argparse
import importlib.util
import json
import os
import platform
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from pages import ROOT, write_json

FAULTS = ROOT / "benchmarks" / "mutants.toml"
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.*?)(?: - .*)?$", re.MULTILINE)
"""A test in pytest's summary; without `::` it is a file that can't be collected."""
KILLED, SURVIVED, TIMEOUT, BROKEN = "killed", "survived", "timeout", "broken"
NO_TESTS = 5  # pytest's exit status where all of the named are slow: nobody saw the fault
TAIL = 2000  # characters of pytest's output


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        name: Short name, unique.
        area: What it is about.
        file: Where, from the root of the tree.
        before: Text that occurs there once.
        after: What takes its place.
        why: What it would do to users.
        tests: Those that could see it, the likeliest first.
        survives: Why it may, if it may.
    """

    name: str
    area: str
    file: str
    before: str
    after: str
    why: str
    tests: tuple[str, ...]
    survives: str = ""

    def made(self, text: str) -> str:
        """The text of its file with the fault.

        Raises:
            ValueError: `before` does not occur exactly once.
        """
        if (count := text.count(self.before)) != 1:
            raise ValueError(f"`before` of {self.name!r} occurs {count} times in {self.file}.")
        return text.replace(self.before, self.after)


class Outcome(NamedTuple):
    """What became of a fault.

    Attributes:
        outcome: Word for it: `killed`, `survived`, `timeout`, which is killed too, or `broken`.
        seconds: Seconds that its tests took.
        test: First test that failed.
        output: Last lines of pytest's output, of a broken fault.
    """

    outcome: str
    seconds: float
    test: str = ""
    output: str = ""


def read(path: Path = FAULTS) -> list[Mutant]:
    """All faults of a file."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))["mutant"]
    return [Mutant(**{**table, "tests": tuple(table["tests"])}) for table in tables]


def copied(root: Path, folder: Path) -> Path:
    """A copy in `folder` of all files of a tree that Git knows, or would not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    for name in listing.split("\0"):
        if name and (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, folder / name)
    return folder


def pytest(tree: Path, tests: Iterable[str], limit: float) -> Outcome:
    """What tests say of a tree, up to the first that fails."""
    # Copies share the programs that tests compile.
    options = ["-x", "-q", "-o", f"cache_dir={tree.parent / 'kept'}"]
    options += ["-n", "0"] if importlib.util.find_spec("xdist") else []
    begin = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=tree,
        env=_environment(tree),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            return Outcome(TIMEOUT, time.perf_counter() - begin)
        finally:  # also what tests have started
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return _judged(process.returncode, output, time.perf_counter() - begin)


def _judged(status: int, output: str, seconds: float) -> Outcome:
    if status in (0, NO_TESTS):
        return Outcome(SURVIVED, seconds)
    if status == 1 and (failed := FAILED.search(output)):
        return Outcome(KILLED, seconds, failed[1])
    return Outcome(BROKEN, seconds, output=f"status {status}: {output[-TAIL:]}")


def _environment(tree: Path) -> dict[str, str]:
    # A fault comes and goes within a second, which compiled Python would not notice.
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)}


def tried(mutant: Mutant, tree: Path, tests: Sequence[str], limit: float) -> Outcome:
    """What tests say of a tree with the fault, which is gone afterwards."""
    path, (first, *rest) = tree / mutant.file, tests or mutant.tests
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(mutant.made(text), encoding="utf-8")
        outcome = pytest(tree, [first], limit)
        # By itself: pytest sorts a test into its module where both are listed.
        if outcome.outcome == SURVIVED and rest:
            more = pytest(tree, rest, limit)
            outcome = more._replace(seconds=outcome.seconds + more.seconds)
        return outcome
    finally:
        path.write_text(text, encoding="utf-8")


def run(
    root: Path, mutants: Sequence[Mutant], workers: int, limit: float, tests: Sequence[str] = ()
) -> Iterator[tuple[Mutant, Outcome]]:
    """Every fault with its outcome, as they come.

    Args:
        root: Of the tree, which stays as it is.
        mutants: The faults.
        workers: Copies in which faults are tried at the same time.
        limit: Seconds for the tests of a fault.
        tests: To run instead of those of the faults.
    """
    waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Mutant, Outcome]] = queue.SimpleQueue()
    for mutant in random.Random(0).sample(mutants, len(mutants)):  # areas take turns
        waiting.put(mutant)

    def work(tree: Path) -> None:
        with suppress(queue.Empty):
            while mutant := waiting.get_nowait():
                try:
                    outcome = tried(mutant, tree, tests, limit)
                except Exception as error:
                    outcome = Outcome(BROKEN, 0.0, output=repr(error))
                done.put((mutant, outcome))

    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        for k in range(workers):
            tree = copied(root, Path(folder) / str(k))
            threading.Thread(target=work, args=(tree,), daemon=True).start()
        for _ in mutants:
            yield done.get()


def about(root: Path) -> dict[str, Any]:
    """What results depend on."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    commit = subprocess.run(git, cwd=root, capture_output=True, text=True, check=True).stdout
    return {
        "commit": commit.strip(),
        "versions": {"python": platform.python_version(), "jax": version("jax")},
        "cores": os.cpu_count(),
    }


def described(mutant: Mutant, outcome: Outcome) -> dict[str, Any]:
    """A row of a result file."""
    row = {**outcome._asdict(), "seconds": round(outcome.seconds, 1), "area": mutant.area}
    row |= {"why": mutant.why, "survives": mutant.survives}
    return {name: value for name, value in row.items() if value}


def table(results: dict[str, Any]) -> Iterator[str]:
    """A result file in lines: a row for each area, then who was not killed, and why it matters."""
    rows: dict[str, dict[str, Any]] = results["mutants"]
    kinds = (KILLED, TIMEOUT, SURVIVED, BROKEN)
    yield f"| area | faults | {' | '.join(kinds)} |"
    yield "|---" * (len(kinds) + 2) + "|"
    areas = sorted({row["area"] for row in rows.values()})
    for area in (*areas, "all"):
        outcomes = [row["outcome"] for row in rows.values() if area in (row["area"], "all")]
        counts = (str(outcomes.count(kind)) for kind in kinds)
        yield f"| {area} | {len(outcomes)} | {' | '.join(counts)} |"
    for kind in (SURVIVED, BROKEN):
        for name, row in sorted(rows.items()):
            if row["outcome"] == kind:
                reason = f" Accepted: {row['survives']}" if "survives" in row else ""
                yield f"{kind} {name} ({row['area']}): {row['why']}{reason}"


def _measure(mutants: Sequence[Mutant], settings: argparse.Namespace) -> dict[str, Any]:
    """All outcomes, printed and written as they come."""
    results: dict[str, Any] = {**about(ROOT), "mutants": {}}
    if settings.out and settings.out.is_file():
        results["mutants"] = json.loads(settings.out.read_text(encoding="utf-8"))["mutants"]
    outcomes = run(ROOT, mutants, settings.workers, settings.limit, settings.tests)
    for number, (mutant, outcome) in enumerate(outcomes, 1):
        shown = f"{outcome.outcome} {mutant.name}, {outcome.seconds:.0f} s {outcome.test}"
        print(f"{number}/{len(mutants)} {shown}".rstrip(), outcome.output, flush=True)
        results["mutants"][mutant.name] = described(mutant, outcome)
        results["mutants"] = dict(sorted(results["mutants"].items()))
        if settings.out:
            write_json(settings.out, results)
    return results


def chosen(settings: argparse.Namespace) -> list[Mutant]:
    """The faults that are asked for.

    Raises:
        ValueError: A name or an area that there is not.
    """
    mutants = read()
    known = {"only": {m.name for m in mutants}, "area": {m.area for m in mutants}}
    for option, names in known.items():
        if strange := set(getattr(settings, option)) - names:
            raise ValueError(f"`--{option}` knows no {strange.pop()!r}.")
    only, area = settings.only or known["only"], settings.area or known["area"]
    return [mutant for mutant in mutants if mutant.name in only and mutant.area in area]


def main() -> int:
    """Measure or show; the exit status is 1 where a fault survived unexpectedly, or is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, text in {
        "only": "faults",
        "area": "areas",
        "tests": "tests, not those listed",
    }.items():
        parser.add_argument(f"--{name}", nargs="+", default=[], help=f"these {text}")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="copies of the tree")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for each fault")
    parser.add_argument("--out", type=Path, help="a result file to write")
    parser.add_argument("--table", type=Path, help="a result file to print instead")
    parser.add_argument("--baseline", action="store_true", help="run all tests without a fault")
    settings = parser.parse_args()
    if settings.table:
        print("\n".join(table(json.loads(settings.table.read_text(encoding="utf-8")))))
        return 0
    mutants = chosen(settings)
    if settings.baseline:
        listed = sorted({test.partition("::")[0] for mutant in mutants for test in mutant.tests})
        outcome = pytest(ROOT, listed, float("inf"))
        print(f"without a fault: {outcome.outcome}, {outcome.seconds:.0f} s {outcome.test}")
        return int(outcome.outcome != SURVIVED)
    results = _measure(mutants, settings)
    print("\n".join(table(results)))
    outcomes = [(mutant, results["mutants"][mutant.name]["outcome"]) for mutant in mutants]
    return int(any(how == BROKEN or (how == SURVIVED and not m.survives) for m, how in outcomes))


if __name__ == "__main__":
    sys.exit(main())
