"""The command line's searches: every strategy, seeds and folds, resuming, auditing."""

import csv
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from support.datasets import sequences
from support.study_stages import database

import jaxrnn
import search
from jaxrnn.tuner import command_line
from search.records.lock import locked

SPACE = """
cell = "gru"
hidden_size = { low = 8, high = 16 }
learning_rate = { low = 0.001, high = 0.1, log = true }
optimizer = ["adam", "momentum"]
momentum = [0.5, 0.9]
"""
SMALL = ("--data", "thirds.npz", "--space", "space.toml", "--max-epochs", "9", "--lanes", "2")
QUICK = [
    ("tpe", "asha"),
    ("cmaes", "pbt"),
]
Main = Callable[..., str]


@pytest.fixture
def main(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Main:
    """Runs the program in a folder with data; gives what it said."""
    inputs, labels = sequences(120)
    np.savez(tmp_path / "thirds.npz", X=inputs, y=labels)
    (tmp_path / "space.toml").write_text(SPACE)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, status: int = 0) -> str:
        assert command_line.main(list(arguments)) == status, capsys.readouterr()
        output = capsys.readouterr()
        return output.err if status == 2 else output.out

    return run


def rows_of(folder: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader((Path(folder) / "trials.csv").read_text().splitlines()))


def summary_of(folder: str | Path) -> dict[str, Any]:
    return json.loads((Path(folder) / "summary.json").read_text())


def same(first: str, second: str) -> None:
    """Two runs that ended alike, to the bit."""
    for name in ("trials.csv", "history.csv", "confusion_matrix.csv"):
        assert (Path(first) / name).read_bytes() == (Path(second) / name).read_bytes(), name
    models = [np.load(Path(folder) / "best" / "parameters.npz") for folder in (first, second)]
    assert models[0].files == models[1].files
    for name in models[0].files:
        np.testing.assert_array_equal(models[0][name], models[1][name])
    tests = [summary_of(folder)["test"] for folder in (first, second)]
    assert tests[0] == tests[1]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("proposing", "pruning"),
    [
        pytest.param(*pair, marks=[] if pair in QUICK else pytest.mark.slow)
        for pair in itertools.product(search.SAMPLERS, search.SCHEDULERS)
    ],
)
def test_every_search_with_every_scheduler(main: Main, proposing: str, pruning: str) -> None:
    trials = () if pruning == "hyperband" or proposing == "grid" else ("--trials", "12")
    names = ("--sampler", proposing, "--scheduler", pruning, *trials, "--grid-points", "2")
    more = ("--max-concurrent", "4") if pruning != "pbt" else ()
    output = main(*SMALL, *names, *more, "--out", "out")
    assert f"{proposing} search, {pruning}" in output and "winner: trial" in output
    rows = rows_of("out")
    assert [int(row["id"]) for row in rows] == list(range(len(rows)))
    assert {row["state"] for row in rows} <= {"complete", "pruned", "diverged"}
    assert any(row["search_epochs"] == "9" for row in rows)
    assert all((row["momentum"] != "") == (row["optimizer"] == "momentum") for row in rows)
    summary = summary_of("out")
    # Whoever came, and whenever; of the 54 of a grid, more go on than begin at once.
    assert summary["programs"] == 2 or (proposing == "grid" and summary["programs"] == 4)
    assert summary["trial_epochs"] == sum(int(row["search_epochs"]) for row in rows)
    storage = JournalStorage(JournalFileBackend("out/study.log"))
    study = optuna.load_study(study_name=None, storage=storage)
    assert [trial.number for trial in study.trials] == list(range(len(rows)))
    assert all(trial.state.is_finished() for trial in study.trials)
    for trial, row in zip(study.trials, rows, strict=True):
        for epochs, value in trial.intermediate_values.items():
            assert float(row[f"loss_at_{epochs}"]) == pytest.approx(value, rel=1e-6)


def test_a_grid_that_is_cut_is_said(main: Main) -> None:
    output = main(
        *SMALL, "--sampler", "grid", "--grid-points", "2", "--trials", "3", "--out", "out"
    )
    assert "note: the grid has 54 configurations, and only the first 3 train." in output


@pytest.mark.slow
def test_seeds_and_folds(main: Main) -> None:
    """Three folds with two seeds each: means with errors, one winner of six members."""
    output = main(*SMALL, "--trials", "3", "--repeats", "2", "--folds", "3", "--out", "out")
    assert "6 members each" in output and " +- " in output
    rows, summary = rows_of("out"), summary_of("out")
    assert all(float(row["loss_error_at_1"]) > 0 for row in rows)
    assert set(summary["test_deviation"]) == set(summary["test"])
    trainers = [jaxrnn.Trainer(fold, lanes=2) for fold in jaxrnn.load_folds("thirds.npz", 3)]
    replicates = search.Replicates(trainers, repeats=2)
    winner = summary["winner"]
    proposal = search.make_sampler("random", search.Space.from_toml("out/space.toml"), 0).ask(3, [])
    trial = search.Trial(0, 0, winner["configuration"], proposal[winner["id"]])
    losses = []
    for trainer in trainers:
        population = trainer.start([winner["configuration"]] * 2, replicates.seeds(trial), 9)
        losses += list(trainer.evaluate(trainer.train(population, 1))["loss"])
    assert winner["metrics"]["1"]["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    error = np.std(losses, ddof=1) / 6**0.5
    assert winner["errors"]["1"]["loss"] == pytest.approx(error, rel=1e-3)


def test_audit(main: Main) -> None:
    output = main(*SMALL, "--trials", "9", "--audit", "--out", "out")
    assert "audit: epoch 1, 9 trials: rank correlation with the end" in output
    audit = summary_of("out")["audit"]
    assert [rung["epochs"] for rung in audit["rungs"]] == [1, 3]
    assert audit["regret"] >= 0
    assert audit["saved"] == pytest.approx(1 - (9 + 6 + 6) / 81)
    main(*SMALL, "--trials", "9", "--out", "plain")
    same("out", "plain")  # pruned trials are recorded as they were pruned
    main(*SMALL, "--trials", "9", "--scheduler", "none", "--out", "none")
    best = min(rows_of("none"), key=lambda row: float(row["loss_at_9"]))
    assert audit["best"] == pytest.approx(float(best["loss_at_9"]), rel=1e-6)
    assert audit["best_trial"] == int(best["id"])


def test_starting_points(main: Main) -> None:
    """Given ones come first, completed where they say little; then the best of an earlier run."""
    starts = '[{"hidden_size": 11}, {"optimizer": "momentum", "momentum": 0.9}]'
    main(*SMALL, "--trials", "5", "--enqueue", starts, "--out", "out")
    rows = rows_of("out")
    assert rows[0]["hidden_size"] == "11" and rows[1]["momentum"] == "0.9"
    main(*SMALL, "--trials", "4", "--warm-start", "out", "--seed", "5", "--out", "warm")
    best = summary_of("out")["winner"]["configuration"]
    assert {name: rows_of("warm")[0][name] for name in best} == {
        name: str(value) for name, value in best.items()
    }


def test_more_trials_after_the_end(main: Main) -> None:
    """The number is a total; a search that is complete goes on only for more."""
    main(*SMALL, "--trials", "6", "--scheduler", "asha", "--max-concurrent", "3", "--out", "out")
    before = rows_of("out")
    assert "is complete; raise `trials` above 6" in main("--resume", "out", status=2)
    assert "has 6 already" in main("--resume", "out", "--trials", "4", status=2)
    assert "`seed` is 3, but this run began with 0" in main(
        "--resume", "out", "--seed", "3", status=2
    )
    output = main("--resume", "out", "--trials", "9")
    assert "resumed after" in output
    after = rows_of("out")
    assert len(after) == 9
    for old, new in zip(before, after[:6], strict=True):
        assert {k: new[k] for k in old if old[k] and "at" not in k} == {
            k: old[k] for k in old if old[k] and "at" not in k
        }
    assert summary_of("out")["settings"]["trials"] == 9


@pytest.mark.slow
def test_a_raised_search_that_is_killed_can_be_taken_up(main: Main) -> None:
    """The summary of the first end is gone when the second begins."""
    always = ("--checkpoint-minutes", "0")
    main(*SMALL, "--trials", "9", "--out", "torn")
    killed_after(25, signal.SIGKILL, "--resume", "torn", "--trials", "60", *always)
    output = main("--resume", "torn")
    assert "winner: trial" in output
    assert len(rows_of("torn")) == 60
    assert summary_of("torn")["settings"]["trials"] == 60


@pytest.mark.slow
def test_a_run_folder_with_another_name(main: Main, tmp_path: Path) -> None:
    """The study in it stays the same one; and an audit that a grid of 4 needs no trials for."""
    (tmp_path / "space.toml").write_text('cell = "gru"\nlearning_rate = [0.01, 0.1]\n')
    main(*SMALL, "--sampler", "random", "--trials", "2", "--out", "one")
    (tmp_path / "one").rename(tmp_path / "other")
    main("--resume", "other", "--trials", "3")
    storage = JournalStorage(JournalFileBackend("other/study.log"))
    assert optuna.get_all_study_names(storage) == ["one"]
    assert len(optuna.load_study(study_name="one", storage=storage).trials) == 3


@pytest.mark.slow
def test_a_database(main: Main) -> None:
    """All is there when the program ends."""
    main(*SMALL, "--trials", "6", "--storage", "sqlite:///studies.db", "--out", "out")
    with database(Path("studies.db")) as storage:
        trials = optuna.load_study(study_name="out", storage=storage).trials
    assert len(trials) == 6 and all(trial.state.is_finished() for trial in trials)
    warm = ("--warm-start", "sqlite:///studies.db#out")
    main(*SMALL, "--trials", "2", *warm, "--out", "warm")


BAD = [
    (("--repeats", "0"), "`repeats` is 0, but must be a whole number of at least 1."),
    (("--folds", "0"), "`folds` is 0, but must be a whole number of at least 1."),
    (("--folds", "1000"), "`folds` is 1000, but there are only"),
    (("--folds", "2", "--split", "0.8/0.1/0.1"), "`split` is given, but folds divide by them"),
    (("--max-concurrent", "0"), "`max_concurrent` is 0, but must be a whole number of at least 1."),
    (
        ("--max-concurrent", "1", "--sampler", "cmaes"),
        "`max_concurrent` is 1, but must be a whole number",
    ),
    (("--grid-points", "1"), "`grid_points` is 1, but must be a whole number of at least 2."),
    (("--sampler", "tpee"), "`sampler` is 'tpee', but must be one of"),
    (("--scheduler", "hyper"), "`scheduler` is 'hyper', but must be one of"),
    (("--scheduler", "hyperband", "--trials", "2"), "`trials` is 2, but"),
    (("--sampler", "grid", "--trials", "9999"), "`trials` is 9999, but there are only"),
    (("--enqueue", "{"), "`enqueue` is"),
    (("--enqueue", ""), "`enqueue` is"),
    (("--enqueue", '{"width": 3}'), "`enqueue` has the hyperparameter 'width'"),
    (("--warm-start", "nowhere"), "`warm_start` is 'nowhere'"),
    (("--warm-start", "sqlite:///typo.db#x"), "`warm_start` is 'sqlite:///typo.db'"),
    (("--storage", "nonsense://x"), "`storage` is 'nonsense://x'"),
    (("--storage", "sqlite:////nowhere/x.db"), "`storage` is 'sqlite:////nowhere/x.db'"),
    (("--resume", "nowhere"), "`resume` is 'nowhere', but must be the folder of"),
    (("--resume", ""), "`resume` is ''"),
    (("--checkpoint-minutes", "-1"), "`--checkpoint-minutes` is '-1', but must be a number"),
    (("--audit", "--scheduler", "pbt"), "`audit` is given, but"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_mistakes_get_one_sentence(
    main: Main, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    before = set(tmp_path.rglob("*"))
    output = main(*SMALL, *arguments, status=2)
    assert output.startswith("error: " + message), output
    assert output.count("\n") == 1
    assert set(tmp_path.rglob("*")) == before  # nothing half-written


FULL = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv = sys.argv[2:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize("most", [4_000, 20_000, 60_000])
def test_a_full_disk(main: Main, most: int) -> None:
    """One sentence; what was there is whole, and the search goes on where there is room again."""
    names = ("--trials", "30", "--max-epochs", "9", "--checkpoint-minutes", "0")
    small = (*SMALL[:4], "--lanes", "2", *names, "--out", "full")
    command = [sys.executable, "-c", FULL, str(most), str(SCRIPT), *small]
    environment = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    process = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert process.returncode == 1, process.stderr
    assert len(re.findall(r"error: '\S+' can't be written: ", process.stderr)) == 1, process.stderr
    assert "jaxrnn/tuner" not in process.stderr
    main("--resume", "full")
    assert len(rows_of("full")) == 30


def test_other_data_is_refused(main: Main, tmp_path: Path) -> None:
    main(*SMALL, "--trials", "3", "--out", "out")
    inputs, labels = sequences(120, seed=1)
    np.savez(tmp_path / "thirds.npz", X=inputs, y=labels)
    assert "has changed since this run began" in main("--resume", "out", "--trials", "6", status=2)


SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "population_search.py"


def program(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", str(SCRIPT), *arguments]
    # Compiled as for users: a product of matrices in a hurry may round otherwise in each process.
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finished(*arguments: str) -> str:
    """The output of a process of its own; bits are compared among processes of one kind."""
    process = program(*arguments)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return output


def killed_after(checkpoint: int, with_signal: int, *arguments: str) -> None:
    """The run in `torn` until it has a checkpoint of so many trial-epochs."""
    process, limit = program(*arguments), time.monotonic() + 300
    while time.monotonic() < limit and process.poll() is None:
        checkpoints = Path("torn/checkpoints")
        numbers = (
            [int(path.name) for path in checkpoints.glob("[0-9]*")] if checkpoints.exists() else []
        )
        if max(numbers, default=0) >= checkpoint:
            break
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()
    process.send_signal(with_signal)
    process.communicate()
    assert process.returncode == (-9 if with_signal == signal.SIGKILL else 130)


@pytest.mark.slow
def test_a_search_that_is_asked_to_stop_loses_nothing(main: Main) -> None:
    """Within the first seconds, when no checkpoint was due."""
    small = (*SMALL, "--trials", "9", "--max-epochs", "120")
    finished(*small, "--out", "whole")
    process, limit = program(*small, "--out", "torn"), time.monotonic() + 300
    while not Path("torn/trials.csv").exists() and time.monotonic() < limit:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 130
    (checkpoint,) = Path("torn/checkpoints").glob("[0-9]*")
    trained = int(checkpoint.name)
    assert 9 <= trained == len(Path("torn/history.csv").read_text().splitlines()) - 1
    assert f"resumed after {trained} trial-epochs" in finished("--resume", "torn")
    same("torn", "whole")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "names",
    [
        ("--sampler", "tpe", "--scheduler", "asha", "--max-concurrent", "4"),
        ("--scheduler", "pbt"),
        ("--repeats", "2", "--folds", "2"),
    ],
)
def test_stopped_and_killed_and_taken_up(main: Main, names: tuple[str, ...]) -> None:
    """SIGTERM, then a kill; the end is the same to the bit, and no other process may come in."""
    small = (*SMALL, "--trials", "12", "--min-epochs", "2", "--max-epochs", "60", *names)
    always = ("--checkpoint-minutes", "0")
    finished(*small, "--out", "whole")
    killed_after(12, signal.SIGTERM, *small, *always, "--out", "torn")
    assert summary_of("torn")["status"] == "interrupted"
    killed_after(60, signal.SIGKILL, "--resume", "torn", *always)
    with locked(Path("torn")):
        assert "is working in it" in main("--resume", "torn", status=2)
    newest = max(Path("torn/checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    (newest / "records.json").write_text("{")
    output = finished("--resume", "torn")
    assert f"checkpoint {newest.name} is damaged" in output
    same("torn", "whole")
