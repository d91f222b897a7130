"""The kit for a machine with a GPU: its command line, its budgets, and files that survive."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from peers import results
from peers.cases import CELLS, HIDDEN, LENGTHS, Case, Grid
from peers.contestants import ALONE, OURS, PROCESSES, THREAD
from peers.tables import side_by_side

import jaxrnn
from benchmarks.gpu import collect, jobs, members, options, profile, summary, throughput
from benchmarks.gpu.__main__ import PARTS
from benchmarks.gpu.machine import NEEDED
from benchmarks.gpu.record import Budget, Record
from jaxrnn.configuration.optimizers import OPTIMIZERS

ROOT = Path(__file__).resolve().parent.parent
KIT = ROOT / "benchmarks" / "gpu_kit.sh"
DEVICE = "1 x NVIDIA H100 80GB HBM3"

PRETENDED = """#!/usr/bin/env bash
# Stands for Python: notes what it is asked to run.
case "$*" in
  --version) echo Python 3.12 ;;
  *benchmarks.gpu.machine*) echo "1 x chip" ;;
  *benchmarks.gpu.summary*) echo "summary ${*:3}" ;;
  -m\\ benchmarks.gpu\\ *) echo "ran ${*:3} ${XLA_PYTHON_CLIENT_PREALLOCATE:-}"; [ "$3" != jobs ] ;;
esac
"""


@pytest.fixture
def pretended(tmp_path: Path) -> dict[str, str]:
    """An environment in which the kit runs nothing."""
    path = tmp_path / "python"
    path.write_text(PRETENDED)
    path.chmod(0o755)
    return os.environ | {"PYTHON": str(path)}


def kit(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(KIT), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fast"], "`--fast` is no option; there are --rehearse, --wheels FOLDER and --out"),
        (["speed"], "'speed' is no part; there are parity jobs throughput options profile."),
        (["parity", "--out"], "`--out` needs a folder."),
        (["--out", "/dev/null/there"], "'/dev/null/there' is no folder, and can't become one."),
        (["--wheels", "."], "holds no wheels."),
    ],
)
def test_mistakes(pretended: dict[str, str], arguments: list[str], message: str) -> None:
    process = kit(pretended, *arguments)
    assert (process.returncode, process.stdout, process.stderr.count("\n")) == (2, "", 1)
    assert process.stderr.startswith("error: ") and message in process.stderr


def ran(output: str) -> list[list[str]]:
    """Part, budget, whether it is a rehearsal, and whether memory is shared, of each that ran."""
    parts = []
    for line in output.splitlines():
        if line.startswith("ran "):
            words = line.split()
            budget = words[words.index("--budget") + 1]
            parts.append([words[1], budget, "--rehearse" in words, words[-1] == "false"])
    return parts


def test_order_and_budgets(pretended: dict[str, str], tmp_path: Path) -> None:
    """The most valuable first, within 25 minutes; one that fails stops no other."""
    process = kit(pretended, "--out", str(tmp_path / "there"))
    assert process.returncode == 1, process.stderr  # `jobs` failed
    expected = ["240", "210", "510", "240", "90"]
    shared = [True, False, True, False, False]
    assert ran(process.stdout) == [
        list(one) for one in zip(PARTS, expected, [False] * 5, shared, strict=True)
    ]
    assert sum(map(int, expected)) + 5 * 30 <= 25 * 60
    assert process.stdout.splitlines()[-1] == f"summary 1 x chip {tmp_path}/there {' '.join(PARTS)}"


def test_named_parts(pretended: dict[str, str]) -> None:
    process = kit(pretended, "profile", "--rehearse", "parity")
    assert [(part, rehearsed) for part, _, rehearsed, _ in ran(process.stdout)] == [
        ("profile", True),
        ("parity", True),
    ]
    assert list((ROOT / "benchmarks" / "results").glob("gpu-*-1-x-chip.json")) == []


@pytest.mark.slow
def test_no_gpu_ends_it(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHON": sys.executable, "JAX_PLATFORMS": "cpu"}
    process = kit(environment, "--out", str(tmp_path))
    assert process.returncode == 1 and not [*tmp_path.iterdir()]
    assert process.stderr.startswith("error: JAX trains on ") and process.stderr.count("\n") == 1


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_budget_skips_what_no_longer_fits() -> None:
    clock, skipped, finished = Clock(), [], []
    budget = Budget(10.0, clock)
    for seconds in budget.steps([2.0, 5.0, 1.0, 1.0, 1.0], skipped.append):
        clock.now += seconds
        finished.append(seconds)
    assert (finished, skipped) == ([2.0, 5.0], [1.0, 1.0, 1.0])
    assert (budget.spent, budget.left) == (7.0, 3.0)


def result_of(folder: Path, part: str) -> dict[str, Any]:
    (path,) = folder.glob(f"gpu-{part}-*.json")
    return json.loads(path.read_text())


def test_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows, errors and what was left out; the file is whole after each."""
    record = Record("parity", DEVICE, tmp_path / "new", Budget(0.5))
    assert record.path.name == "gpu-parity-1-x-nvidia-h100-80gb-hbm3.json"
    assert result_of(record.folder, "parity")["finished"] is False
    for step in record.steps(["one", "two"]):
        with record.guard(step):
            record.add(step=step, value=1.5, raw=[1, 2])
            time.sleep(0.3)
            raise RuntimeError("out of\nmemory")
    assert result_of(record.folder, "parity")["rows"] == [
        {"step": "one", "value": 1.5, "raw": [1, 2]}
    ]
    record.close()
    result = result_of(record.folder, "parity")
    assert (result["finished"], result["left_out"]) == (True, ["two"])
    assert result["errors"] == ["one: RuntimeError: out of memory"]
    assert result["versions"]["jax"] and result["command"] == "bash benchmarks/gpu_kit.sh parity"
    assert "  step one, value 1.5\n" in capsys.readouterr().out


CUT = """
import sys, time, types
from benchmarks.gpu import __main__
def measure(record):
    record.add(value=1.0)
    print("measured", flush=True)
    time.sleep(60)
sys.modules["benchmarks.gpu.options"] = types.SimpleNamespace(measure=measure)
sys.argv = ["kit", "options", "--device", "1 x chip", "--out", sys.argv[1], "--budget", "9"]
sys.exit(__main__.main())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_cut_off(number: signal.Signals, tmp_path: Path) -> None:
    """The file holds the measurements so far, and says that it was cut off."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    with subprocess.Popen(
        [sys.executable, "-c", CUT, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "measured\n":
            assert process.poll() is None
        process.send_signal(number)
    result = result_of(tmp_path, "options")
    assert (result["rows"], result["finished"]) == ([{"value": 1.0}], False)
    assert bool(result["errors"]) == (number == signal.SIGTERM)
    assert not summary.line("options", result)[0]


def test_summary() -> None:
    result = {
        "rows": [{}],
        "seconds": 3.2,
        "left_out": [],
        "errors": [],
        "notes": [],
        "finished": True,
    }
    assert summary.line("jobs", result) == (
        True,
        "jobs             3 s    1 rows    0 left out  fine",
    )
    assert summary.line("jobs", result | {"finished": False})[1].endswith("cut off in the middle")
    errors = {"errors": ["bad", "x"]}
    assert summary.line("jobs", result | errors)[1].endswith("2 errors, first: bad")
    assert summary.line("jobs", None) == (False, "jobs        wrote no result")


def test_collected_sections_are_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lent machine gives back one folder a command."""
    folder = tmp_path / "results"
    for section in ("job", "throughput"):
        path = results.path_of(tmp_path / section, DEVICE, quick=False)
        results.keep(path, DEVICE, section, {"of": section})
    folder.mkdir()
    Record("jobs", DEVICE, tmp_path / "job", Budget(9)).add(value=2)
    assert collect.main([str(tmp_path / "job"), str(tmp_path / "throughput")], folder) == 0
    (result,) = results.committed(folder)
    assert result == {"device": DEVICE, "job": {"of": "job"}, "throughput": {"of": "throughput"}}
    assert result_of(folder, "jobs")["rows"] == [{"value": 2}]
    Record("jobs", DEVICE, tmp_path / "tiny", Budget(9), rehearsal=True)
    assert collect.main([str(tmp_path / "tiny")], folder) == 2
    assert "holds results of a rehearsal." in capsys.readouterr().err


@pytest.mark.parametrize("case", members.CASES, ids=lambda case: case.name)
def test_cases_are_valid(case: members.Case) -> None:
    """Every kind is a valid configuration, and neighbours with other rates share its cohort."""
    trainer = jaxrnn.Trainer(members.data(case.uneven), microbatch=members.MICROBATCH, lanes=4)
    configurations = members.members(case, 18)
    cells = {configuration["cell"] for configuration in configurations}
    assert len(trainer.plan(configurations, members.EPOCHS)) == len(cells)
    changed = [c | {"learning_rate": 100 * c["learning_rate"]} for c in configurations[1::2]]
    assert trainer.plan([*configurations[::2], *changed], members.EPOCHS)[0].architecture in {
        group.architecture for group in trainer.plan(configurations, members.EPOCHS)
    }


def test_cases_cover_what_differs_on_devices() -> None:
    kinds = [kind for case in members.CASES for kind in case.kinds]
    assert {kind["cell"] for kind in kinds} == {"lstm", "gru", "rnn"}
    assert {kind.get("optimizer") for kind in kinds} >= set(OPTIMIZERS)
    used = set().union(*kinds)
    assert used >= {"layer_norm", "activation", "tbptt_length", "bidirectional", "patience"}
    assert {case.uneven for case in members.CASES} == {True, False}


def test_throughput_measures_the_whole_grid_once() -> None:
    steps = [*throughput.steps()]
    every = [(step.case, size) for step in steps for size in step.populations]
    assert len(every) == len(set(every)) == 24 * len(Grid().on("gpu")) - 24
    assert {case for case, _ in every} == set(Grid().cases)
    assert steps[0].case == Case("lstm", 64, 50) and steps[0].others
    assert [step.case for step in steps if step.others] == list(
        dict.fromkeys(step.case for step in steps)
    )
    assert len(throughput.SIZES) == len(HIDDEN) * len(LENGTHS)
    half = len(steps) // 2
    assert {step.case.cell for step in steps[:half]} == {CELLS[0]}


def run(contestant: str, members: int, seconds: float) -> dict[str, Any]:
    once = {"trials": 8, "epochs": 1, "seconds": seconds, "setup_seconds": 0.0}
    programs = {"compile_seconds": 1.0, "lanes": 4}
    return {"contestant": contestant, "members": members, **programs, "rounds": [[once]]}


def test_tables_are_made_of_what_was_measured_so_far(tmp_path: Path) -> None:
    """Populations join their case; a case of one contestant waits; GRU may still be missing."""
    record = Record("throughput", "1 x chip", tmp_path, Budget(9))
    result = throughput.Results(record, Grid(), with_torch=True)
    others = [run(ALONE, 1, 4.0), run(THREAD, 1, 2.0), run(PROCESSES, 1, 1.0)]
    for case in (Case("lstm", 64, 50), Case("lstm", 16, 8), Case("gru", 64, 50)):
        step = throughput.Step(case, (256,), others=True)
        result.after(step, {"runs": [run(OURS, 256, 0.5), *others]})
    result.after(
        throughput.Step(Case("lstm", 64, 50), (4096,), False), {"runs": [run(OURS, 4096, 0.1)]}
    )
    result.after(throughput.Step(Case("gru", 16, 8), (64,), False), {"runs": [run(OURS, 64, 0.1)]})
    (device,) = results.committed(tmp_path)
    section = device["throughput"]
    assert [(case["cell"], case["hidden"]) for case in section["cases"]] == [
        ("lstm", 16),
        ("lstm", 64),
        ("gru", 64),
    ]
    assert section["processes"] == 8 and section["platform"] == "gpu"
    table = side_by_side(section)[1]
    assert "| 64 | 50 | 4096 / 256 | 80.0 / 16.0 | 20.0 / 4.0 | 10.0 / 2.0 | 40.0 / 8.0 |" in table
    assert "| 16 | 8 | 256 / - | 16.0 / - | 4.0 / - | 2.0 / - | 8.0 / - |" in table
    assert len(result_of(tmp_path, "throughput")["rows"]) == 14


def test_jobs_begin_with_the_default_one() -> None:
    steps = [*jobs.steps(256, 4096, 3, with_torch=True)]
    assert [(step.who, step.trials, step.seed) for step in steps[:4]] == [
        (jobs.COLD, 256, 0),
        (jobs.WARM, 256, 0),
        (jobs.COLD, 4096, 0),
        (jobs.WARM, 4096, 0),
    ]
    for who in (jobs.COLD, jobs.WARM, jobs.THEIRS):
        same = [step.seed for step in steps if step.who == who and step.trials == 256]
        assert sorted(set(same)) == [0, 1, 2]
    assert jobs.THEIRS not in {step.who for step in jobs.steps(256, 0, 1, with_torch=False)}


def test_options_change_one_thing_at_a_time() -> None:
    groups = options.groups(Case("lstm", 64, 50))
    plain = groups[0][0]
    assert all(group[0] == plain for group in groups)
    assert {way.unroll for group in groups for way in group} == {1, 4, 8, 50}
    assert {way.lanes for group in groups for way in group} == {64, 128, 256, 512, 1024}
    assert {way.precision for group in groups for way in group} == {"highest", "high", "default"}
    assert {way.graphs for group in groups for way in group} == {True, False}
    assert [way.unroll for way in options.groups(Case("lstm", 64, 8))[0]] == [1, 4, 8]
    assert plain.row["cell"] == "lstm" and "case" not in plain.row


def test_busy_share() -> None:
    assert profile.busy([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0), (5.2, 5.4), (9.0, 10.0)]) == 0.5
    assert profile.busy([]) == 0.0


def test_all_dependencies_are_looked_for() -> None:
    import tomllib

    result = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {requirement.split(">=")[0] for requirement in result}
    modules = {"scikit-learn": "sklearn", "tomli-w": "tomli_w"}
    assert {modules.get(name, name) for name in names} <= set(NEEDED)
