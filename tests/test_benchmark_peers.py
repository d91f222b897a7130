"""The comparison with others: its arithmetic, its processes, and the pages it writes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pages import replace_between
from peers import main, pages, results
from peers.cases import QUICK, Case, Grid, configurations, noise
from peers.command import command_of, parse
from peers.contestants import ALONE, OURS, PROCESSES, THREAD, THREADS, Contestant
from peers.figures import best_row, job, median_rate, rate, rows, share
from peers.jobs import COLD, THEIRS, WARM, measure_jobs
from peers.processes import DeadWorker, Staff
from peers.throughput import alternate, measure_case, spent
from peers.timing import measure

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "benchmark_peers.py"
NEEDS_TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra [bench]")


class Clock:
    """A clock that moves only by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Timed:
    """Takes a second to start, and as long to train as is next."""

    def __init__(self, clock: Clock, members: int, *took: float) -> None:
        self.members, self.epochs = members, 2
        self._clock, self._took = clock, iter(took)

    def start(self) -> None:
        self._clock.now += 1.0

    def train(self, started: None) -> None:
        self._clock.now += next(self._took)


@pytest.mark.parametrize(
    ("members", "seconds", "least", "trials", "training"),
    [(1, 0.0, 2, 2, 6.0), (1, 9.5, 2, 3, 10.0), (8, 0.0, 1, 8, 2.0), (8, 3.5, 1, 16, 6.0)],
)
def test_measure(members: int, seconds: float, least: int, trials: int, training: float) -> None:
    """Whole trials until the time is over, starting apart from training."""
    clock = Clock()
    measured = measure(Timed(clock, members, 2.0, 4.0, 4.0), seconds, least, clock)
    setup = float(trials // members)
    assert measured == {"trials": trials, "epochs": 2, "seconds": training, "setup_seconds": setup}


def test_rounds_alternate() -> None:
    measured: list[str] = []

    def note(name: str) -> int:
        measured.append(name)
        return len(measured)

    assert alternate(["a", "b", "c"], 2, note) == [[1, 4], [2, 5], [3, 6]]
    assert measured == ["a", "b", "c", "a", "b", "c"]


def test_the_slow_sit_out() -> None:
    """A contestant rests after a minute; processes side by side count once."""
    took = {"fast": 9.0, "slow": 25.0}

    def turn(name: str) -> list[dict[str, float]]:
        seconds = {"seconds": took[name], "setup_seconds": 1.0}
        return [seconds, seconds]

    measured = alternate([*took], 5, turn, lambda rounds: spent(rounds) > 60.0)
    assert [len(rounds) for rounds in measured] == [5, 3]
    assert [spent(rounds) for rounds in measured] == [50.0, 78.0]


def timed(trials: int, seconds: float) -> dict[str, float]:
    return {"trials": trials, "epochs": 3, "seconds": seconds, "setup_seconds": 9.0}


def run(contestant: str, *rounds: list[dict[str, float]], members: int = 1) -> dict[str, Any]:
    programs = {"compile_seconds": 1.5, "lanes": 1}
    return {"contestant": contestant, "members": members, **programs, "rounds": list(rounds)}


def case_of(cell: str = "lstm", faster: float = 1.0) -> dict[str, Any]:
    """Medians: 24 and 48 for ours, 12 alone, 6 and 8 for PyTorch, 10 for two processes of it."""
    eight, large = timed(8, 1.0 / faster), timed(64, 4.0 / faster)
    runs = [
        run(OURS, [timed(1, 0.125)], [timed(1, 0.125)], [timed(1, 9.0)], members=1),
        run(OURS, [eight], [timed(8, 0.5)], [timed(8, 8.0)], members=8),
        run(OURS, [large], [large], [timed(64, 1.0)], members=64),
        run(ALONE, *[[timed(2, 0.5)]] * 3),
        run(THREAD, [timed(2, 1.0)], [timed(2, 0.1)], [timed(2, 1.0)]),
        run(THREADS, [timed(4, 1.5)], [timed(4, 1.5)], [timed(4, 60.0)]),
        run(PROCESSES, *[[timed(1, 0.5), timed(2, 1.5)]] * 3),
    ]
    return {"cell": cell, "hidden": 16, "length": 8, "runs": runs}


def test_rates_are_medians_and_sums() -> None:
    assert rate([timed(2, 0.5)]) == 12.0
    assert rate([timed(1, 0.5), timed(2, 1.5)]) == 10.0
    assert median_rate(case_of()["runs"][1]) == 24.0


def test_rows() -> None:
    single, eight, large = rows(case_of())
    assert (single.population, single.ours, single.alone) == (1, 24.0, 12.0)
    # One thread was faster once, all of them in two rounds of three.
    assert (single.torch, single.best) == (8.0, THREADS)
    assert (single.processes, eight.processes, large.processes) == (5.0, 10.0, 10.0)
    assert large.ratios == (6.0, 4.8, 4.0)
    assert best_row(case_of()) == large
    assert best_row(case_of(faster=4.0)).ours == 192.0


@pytest.mark.parametrize(
    ("population", "processes", "expected"),
    [(1, 2, 1 / 2), (2, 2, 1), (3, 2, 3 / 4), (256, 2, 1), (8, 3, 8 / 9)],
)
def test_the_last_turn_may_leave_processes_idle(
    population: int, processes: int, expected: float
) -> None:
    assert share(population, processes) == pytest.approx(expected)


def test_configurations_differ_and_repeat() -> None:
    case = Case("gru", 16, 8)
    some = configurations(case, 8)
    assert configurations(case, 64)[:8] == some
    assert len({c["learning_rate"] for c in some}) == 8
    assert {(c["cell"], c["hidden_size"], c["dropout"]) for c in some} == {("gru", 16, 0.2)}
    inputs, labels = noise(8)
    assert (inputs.shape, str(inputs.dtype), set(labels)) == ((320, 8, 8), "float32", {*range(10)})
    assert [Case("gru", 16, length).epochs for length in (8, 50, 200)] == [3, 1, 1]


def jobs_of(scale: float) -> dict[str, Any]:
    def result(seconds: float, spent: int) -> dict[str, float]:
        return {"seconds": seconds, "trial_epochs": spent, "loss": 0.05, "accuracy": 0.98}

    return {
        who: result(seconds * scale, spent)
        for who, seconds, spent in ((COLD, 20.0, 756), (WARM, 8.0, 756), (THEIRS, 200.0, 900))
    }


def section(**more: Any) -> dict[str, Any]:
    versions = {"jax": "1.2", "torch": "3.4", "optuna": "5.6"}
    known = {"command": "python scripts/benchmark_peers.py", "cores": 2, "processes": 2}
    return known | {"platform": "cpu", "versions": versions, **more}


@pytest.fixture
def measured(tmp_path: Path) -> list[dict[str, Any]]:
    """Results of two cells and three seeds, as they lie in a folder beside quick ones."""
    jobs = [{"seed": seed, **jobs_of(scale)} for seed, scale in enumerate((1.0, 1.5, 0.5))]
    about = section(trials=256, epochs=27, threads=1, runs=jobs)
    for quick in (True, False):
        path = results.path_of(tmp_path / "results", "2 x cpu", quick)
        cases = [case_of(), case_of("gru", 2.0)]
        results.keep(path, "2 x cpu", "throughput", section(cases=cases))
        results.keep(path, "2 x cpu", "job", about)
    assert sorted(path.name for path in path.parent.iterdir()) == [
        "peers-2-x-cpu.json",
        "peers-quick-2-x-cpu.json",
    ]
    return results.committed(path.parent)


def test_medians_of_jobs(measured: list[dict[str, Any]]) -> None:
    runs = measured[0]["job"]["runs"]
    assert [job(runs, who).seconds for who in (COLD, WARM, THEIRS)] == [20.0, 8.0, 200.0]
    assert job(runs, THEIRS).trial_epochs == 900


def test_pages(tmp_path: Path, measured: list[dict[str, Any]]) -> None:
    """The text between the markers comes from the results; the rest of a page stays."""
    readme, page = tmp_path / "README.md", tmp_path / "speed.md"
    for path in (readme, page):
        path.write_text("before\n<!-- peers: x -->\nold\n<!-- end of peers -->\nafter\n")
    pages.write_pages(measured, readme, page)
    first = readme.read_text(), page.read_text()
    pages.write_pages(measured, readme, page)
    assert (readme.read_text(), page.read_text()) == first
    for text in first:
        assert text.startswith("before\n<!-- peers: x -->\n\n")
        assert text.endswith("\n\n<!-- end of peers -->\nafter\n")
        assert "old" not in text
    short, long = first
    assert "| 16 | 8 | 64 / 64 | 48.0 / 96.0 | 6.0 / 12.0 | 4.8 / 9.6 | 4.0 / 8.0 |" in long
    assert "At length 8 the best population trains 6.0 to 12.0 times as many" in long
    assert "| Optuna and PyTorch, 1 thread | 200.0 s | 900 | 0.0500 | 0.9800 | 1.0 |" in short
    assert "| 20.0 s | 756 | 0.0500 | 0.9800 | 10.0 |" in short
    assert "| 8.0 s | 756 | 0.0500 | 0.9800 | 25.0 |" in short
    row = "| lstm | 16 | 8 | 1 | 1.5 s | 24.0 | 12.0 | 8.00 (2) | 5.00 | 3.0 | 4.8 | 2.0 |"
    assert row in long
    assert len([line for line in long.splitlines() if line.startswith("| lstm")]) == 3


def test_pages_without_results() -> None:
    assert pages.NONE in pages.short([])
    assert pages.NONE in pages.long([])


def test_committed_pages_are_those_of_the_results() -> None:
    """After `--table`, which also draws the plot."""
    committed = results.committed()
    assert committed
    sections = (pages.README, pages.short(committed)), (pages.PAGE, pages.long(committed))
    for path, text in sections:
        page = path.read_text()
        assert replace_between(page, "peers", text) == page, path
    assert pages.PLOT.is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fast"], "`--fast` is no argument; see --help."),
        (["--cells", "rnn"], "`--cells` invalid choice: 'rnn'"),
        (["--hidden", "0"], "`hidden` has 0, but must be from 1 to 4096."),
        (["--lengths", "8", "-1"], "`lengths` has -1, but must be from 1 to 10000."),
        (["--populations", "some"], "`--populations` invalid int value: 'some'"),
        (["--rounds", "0"], "`rounds` is 0, but must be at least 1."),
    ],
)
def test_mistakes(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ") and message in errors and errors.count("\n") == 1


def test_grid_of_the_command_line() -> None:
    _, grid = parse(["--quick", "--lengths", "8", "200", "--rounds", "5"])
    assert grid == replace(QUICK, lengths=(8, 200), rounds=5)
    _, grid = parse([])
    assert grid == Grid() and len(grid.cases) == 24
    assert (grid.on("cpu"), grid.on("gpu")[-1]) == ((1, 8, 64, 256), 4096)


def test_command_hides_where_results_went() -> None:
    command = command_of(["--out", "/somewhere", "--cells", "gru"])
    assert command == "python scripts/benchmark_peers.py --cells gru"


@pytest.mark.parametrize(("package", "argument"), [("torch", "--quick"), ("matplotlib", "--table")])
def test_missing_package(package: str, argument: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None; from peers.main import main; "
        f"sys.exit(main([{argument!r}]))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "benchmarks", capture_output=True, text=True
    )
    assert (process.returncode, process.stdout) == (2, "")
    sentence = f'error: `{package}` must be installed: pip install -e ".[bench]"\n'
    assert process.stderr == sentence


@pytest.fixture(scope="module")
def staff() -> Iterator[Staff]:
    with Staff() as staff:
        yield staff


@pytest.mark.slow
def test_population_through_the_pipe(staff: Staff) -> None:
    """A real worker compiles and trains, and says how long."""
    worker = staff.hire("ours", "jaxrnn", "2")
    about = worker.ask(do="about")
    assert (about["device"], about["platform"]) == ("2 x cpu", "cpu")
    grid = Grid(rounds=2, seconds=0.0)
    contestants = [Contestant(OURS, [worker], 4, 1), Contestant(ALONE, [worker])]
    case = Case("gru", 4, 24)
    measured = json.loads(json.dumps(measure_case(staff, contestants, case, grid)))
    assert (measured["cell"], measured["hidden"], measured["length"]) == ("gru", 4, 24)
    for run, trials in zip(measured["runs"], (4, 2), strict=True):
        assert run["compile_seconds"] > 0
        assert [[p["trials"] for p in round] for round in run["rounds"]] == [[trials]] * 2
        assert all(p["seconds"] > 0 and p["epochs"] == 1 for (p,) in run["rounds"])


def test_dead_worker(staff: Staff) -> None:
    """One that fails says why, and one that was ended is noticed."""
    worker = staff.hire("somebody", "nobody")
    with pytest.raises(DeadWorker, match=r"'somebody' ended with status 1: KeyError: 'nobody'"):
        worker.ask(do="about")
    with pytest.raises(DeadWorker, match="somebody"):
        worker.ask(do="about")
    worker.end()


@pytest.fixture
def pretended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that is called torch, and a folder for results."""
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path / "results"


@pytest.mark.slow
def test_no_device_ends_it(pretended: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "nowhere")
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(pretended)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 1
    assert process.stderr.startswith("error: the worker of 'ours' ended with status 1: ")
    assert process.stderr.count("\n") == 1
    assert not pretended.exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt(number: signal.Signals, pretended: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(pretended)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("starting")
    time.sleep(0.5)  # a worker is on its way
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors.count("\n")) == (130, 1)
    assert errors.startswith("interrupted")
    assert not pretended.exists()


@pytest.mark.slow
@NEEDS_TORCH
def test_torch_through_the_pipe(staff: Staff) -> None:
    several = [staff.hire("theirs", "torch", "cpu", "1") for _ in range(2)]
    grid = Grid(rounds=1, seconds=0.0)
    measured = measure_case(staff, [Contestant(PROCESSES, several)], Case("lstm", 4, 24), grid)
    (run,) = measured["runs"]
    assert [process["trials"] for process in run["rounds"][0]] == [2, 2]
    assert rate(run["rounds"][0]) > 0


@pytest.mark.slow
@NEEDS_TORCH
def test_small_job_by_all() -> None:
    """Real processes on the digits: both search the same space, and learn."""
    about, lines = {"platform": "cpu", "cores": 1}, []
    threads, run = measure_jobs(Grid(rounds=1, trials=9, epochs=9), about, lines.append)
    assert threads["threads"] == 1 and list(threads["seconds_by_threads"]) == ["1"]
    assert [line.split(", ")[1] for line in lines] == [
        "seed 0: ours",
        "seed 0: ours",
        "seed 0: Optuna and PyTorch",
    ]
    assert run[COLD]["loss"] == run[WARM]["loss"]
    assert min(run[who]["accuracy"] for who in (COLD, THEIRS)) > 0.8
    assert run[COLD]["trial_epochs"] == 9 + 3 * 2 + 1 * 6
    assert 9 <= run[THEIRS]["trial_epochs"] <= 81
