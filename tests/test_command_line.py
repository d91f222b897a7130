"""The main job as a user runs it: a process, its output, its exit status, its folder."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.datasets import sequences
from support.splits import raw_of

import jaxrnn
import search
from jaxrnn.population.devices import cpu_cores
from jaxrnn.tasks.classification import Classification
from jaxrnn.tuner import command_line
from search.records.recorder import STOPPING
from search.trial import seed_of

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "population_search.py"
TINY = ("--trials", "9", "--max-epochs", "3")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-W", "error", str(SCRIPT), *map(str, arguments)]


def run(folder: Path, *arguments: object, devices: int | None = None) -> Any:
    environment = dict(os.environ)
    if devices is not None:
        environment["JAX_NUM_CPU_DEVICES"] = str(devices)
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("first")
    return folder / "out", run(folder, *TINY, "--out", "out")


def test_it_ends_well_and_says_what_people_need(first: tuple[Path, Any]) -> None:
    _, process = first
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    for words in (
        rf"digits \(classification\) on {cpu_cores()} x cpu: random search, halving, 9 trials",
        r"epoch 1/3: 9 of 9 trials training \| best validation loss \d\.\d+ \(trial \d\)",
        r"epoch 3/3: 3 of 9 trials training \| best validation loss \d\.\d+ \(trial \d\)",
        r"best 9 of 9 trials",
        r"winner: trial \d: cell (lstm|gru), hidden_size \d\d, learning_rate",
        r"test loss \d\.\d{4}, test accuracy 0\.\d{4} \(270 sequences, scored once\)",
        r"results in out",
    ):
        assert re.search(words, process.stdout), words
    assert "\x1b" not in process.stdout  # plain text where the output is no terminal


def test_trials_csv(first: tuple[Path, Any]) -> None:
    folder, _ = first
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert [int(row["id"]) for row in rows] == list(range(9))
    assert sorted(row["state"] for row in rows) == ["complete"] * 3 + ["pruned"] * 6
    assert {row["cell"] for row in rows} <= {"lstm", "gru"}
    for row in rows:
        reached = 3 if row["state"] == "complete" else 1
        assert int(row["search_epochs"]) == reached
        assert (row["loss_at_3"] == "") == (reached == 1)
        assert 0 <= float(row["accuracy_at_1"]) <= 1
    # the three with the best loss at epoch 1 went on, and no other
    losses = [float(row["loss_at_1"]) for row in rows]
    best = sorted(range(9), key=lambda k: losses[k])[:3]
    assert [k for k in range(9) if rows[k]["state"] == "complete"] == sorted(best)


def test_summary(first: tuple[Path, Any]) -> None:
    folder, process = first
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["status"] == "complete"
    assert summary["rungs"] == [{"epochs": 1, "trials": 9}, {"epochs": 3, "trials": 3}]
    assert summary["programs"] == 4
    assert [cohort["trials"] for cohort in summary["cohorts"]] == [5, 4]
    assert {cohort["bucket"] for cohort in summary["cohorts"]} <= {48, 64}
    assert all(0 < cohort["padded_share"] < 1 for cohort in summary["cohorts"])
    assert summary["seed"] == 0
    kinds = "load", "compile", "start", "train", "evaluate", "select", "decide", "keep"
    assert [*summary["seconds"]] == [*kinds, "other", "total"]
    parts = dict(summary["seconds"])
    assert parts.pop("total") == pytest.approx(sum(parts.values()))
    assert min(parts.values()) > 0
    assert summary["versions"]["jaxrnn"]
    assert f"test accuracy {summary['test']['accuracy']:.4f}" in process.stdout
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    complete = [row for row in rows if row["state"] == "complete"]
    winner = min(complete, key=lambda row: float(row["loss_at_3"]))
    assert summary["winner"]["id"] == int(winner["id"])
    expected = {"seed": summary["winner"]["seed"], **summary["winner"]["configuration"]}
    assert {n: winner[n] for n in expected} == {n: str(value) for n, value in expected.items()}
    assert summary["data"]["train"] == 1257
    assert summary["microbatch"] == 32


def test_best_is_the_winner(first: tuple[Path, Any]) -> None:
    """The saved model gives the test score of the summary, on the split made afresh."""
    folder, _ = first
    summary = json.loads((folder / "summary.json").read_text())
    model, data = jaxrnn.load(folder / "best"), jaxrnn.digits(seed=0)
    raw, task = raw_of(data, data.test), data.task
    assert isinstance(task, Classification)
    accuracy = (model.predict(raw) == np.asarray(task.classes)[data.test.targets]).mean()
    assert accuracy == pytest.approx(summary["test"]["accuracy"], abs=1e-6)
    right = model.probabilities(raw)[np.arange(len(raw)), data.test.targets]
    assert -np.log(right).mean() == pytest.approx(summary["test"]["loss"], rel=1e-5)
    expected = summary["winner"]["configuration"]
    assert {name: model.configuration[name] for name in expected} == expected


def test_history_csv(first: tuple[Path, Any]) -> None:
    """A row per trial and epoch trained, whose training loss is that of the rung."""
    folder, _ = first
    rows = list(csv.DictReader((folder / "history.csv").read_text().splitlines()))
    trials = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    expected = [(k, e) for k in range(9) for e in range(1, int(trials[k]["search_epochs"]) + 1)]
    assert [(int(row["id"]), int(row["epoch"])) for row in rows] == expected
    for row in rows:
        trial = trials[int(row["id"])]
        if row["epoch"] in ("1", "3"):
            assert row["train_loss"] == trial[f"train_loss_at_{row['epoch']}"]
        assert 0 < float(row["gradient_norm_mean"]) <= float(row["gradient_norm_max"])
        assert float(row["learning_rate"]) == pytest.approx(float(trial["learning_rate"]))
        assert row["validation_loss"] == ""  # no trial stops early or waits for a plateau


@pytest.mark.slow
def test_the_winner_without_the_others(tmp_path: Path) -> None:
    """Seed and configuration are enough: the same bits by the same plan, close to them alone.

    With as many devices as this process has: XLA's matrix products round by the number of threads.
    """
    process = run(tmp_path, *TINY, "--out", "out", devices=8)
    assert process.returncode == 0, process.stderr
    folder = tmp_path / "out"
    winner = json.loads((folder / "summary.json").read_text())["winner"]
    space = search.Space.from_toml(folder / "space.toml")
    proposed = search.make_sampler("random", space, 0).ask(9, [])
    seeds = [seed_of(0, id) for id in range(9)]
    trainer = jaxrnn.Trainer(jaxrnn.digits(0), seed=0, devices=8)
    planned = trainer.start([proposal.configuration for proposal in proposed], seeds, 3)
    planned = trainer.select(planned, [winner["id"]])
    alone = trainer.start([winner["configuration"]], [winner["seed"]], 3)
    for epochs in (1, 3):
        planned, alone = trainer.train(planned, epochs), trainer.train(alone, epochs)
        metrics = {name: float(v[0]) for name, v in trainer.evaluate(planned).items()}
        assert metrics == winner["metrics"][str(epochs)]
        metrics = {name: float(v[0]) for name, v in trainer.evaluate(alone).items()}
        assert metrics == pytest.approx(winner["metrics"][str(epochs)], rel=1e-4)


@pytest.mark.slow
def test_same_seed_same_trials_and_the_space_file_reproduces(
    first: tuple[Path, Any], tmp_path: Path
) -> None:
    folder, _ = first
    again = run(tmp_path, *TINY, "--out", "again", "--space", folder / "space.toml")
    assert again.returncode == 0, again.stderr
    expected = (folder / "trials.csv").read_text()
    assert (tmp_path / "again" / "trials.csv").read_text() == expected


@pytest.mark.slow
def test_other_seed_own_file_lanes_and_devices(tmp_path: Path) -> None:
    """A real file, one fixed cell, another seed, several lanes and devices, the default folder."""
    inputs, labels = sequences(300)
    np.savez(tmp_path / "thirds.npz", X=inputs, y=np.array(["a", "b", "c"])[labels])
    (tmp_path / "space.toml").write_text('cell = "gru"\nlearning_rate = [0.001, 0.01]\n')
    arguments = ("--data", "thirds.npz", "--space", "space.toml", "--seed", "7", *TINY)
    for more in (("--lanes", "2"), ("--devices", "1")):
        process = run(tmp_path, *arguments, *more, devices=3)
        assert process.returncode == 0, process.stderr
    folders = sorted((tmp_path / "runs").iterdir())
    assert len(folders) == 2
    assert all(re.fullmatch(r"\d{8}-\d{6}-thirds-7(-2)?", folder.name) for folder in folders)
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in folders]
    assert [summary["devices"] for summary in summaries] == ["3 x cpu", "1 x cpu"]
    assert [summary["programs"] for summary in summaries] == [2, 2]
    assert summaries[0]["test"] == pytest.approx(summaries[1]["test"], rel=1e-5)
    assert [summary["lanes"] for summary in summaries] == [2, 1]
    # 7 seeds the proposals, the split and the data order
    winner = summaries[0]["winner"]
    space = search.Space.from_toml(tmp_path / "space.toml")
    proposed = search.make_sampler("random", space, 7).ask(9, [])[winner["id"]]
    assert winner["configuration"] == proposed.configuration
    assert winner["seed"] == seed_of(7, winner["id"])
    trainer = jaxrnn.Trainer(
        jaxrnn.load_data(str(tmp_path / "thirds.npz"), seed=7), seed=7, devices=1
    )
    alone = trainer.train(trainer.start([winner["configuration"]], [winner["seed"]], 3), 3)
    metrics = {name: float(v[0]) for name, v in trainer.evaluate(alone).items()}
    assert metrics == pytest.approx(winner["metrics"]["3"], rel=1e-5)


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


BAD = [
    (("--data", "digit"), "`data` is 'digit', but must be 'digits', 'adding', 'copy', 'temporal-"),
    (("--data", "nan.npz"), "'nan.npz': `X` inputs must be finite, but sample 3 holds NaN or inf."),
    (("--data", "none.csv"), "`data` is 'none.csv', but there is no such file."),
    (("--data", "rows.csv"), "`target` is missing, but must name the column to learn, one of 'a'"),
    (("--data", "rows.csv", "--target", "c"), "`target` is 'c', but must be a column of 'row"),
    (("--data", "rows.csv", "--horizon", "2"), "`look_back` is None, but"),
    (("--horizon", "2"), "`horizon` is 2, but has no meaning for 'digits'."),
    (("--block", "9"), "`block` is 9, but has no meaning for 'digits'."),
    (("--data", "novel.txt", "--unit", "line"), "`unit` is 'line', but must be one of character,"),
    (("--metric", "f1"), "`metric` is 'f1', but must be one of 'loss', 'accuracy', 'balanced_acc"),
    (("--split", "0.7/0.3"), "`--split` is '0.7/0.3', but must be such as 0.7/0.15/0.15 (see --h"),
    (("--space", "tokens.toml"), "`embedding_size` is 8, but has no meaning for this task and its"),
    (("--trials", "0"), "`trials` is 0, but must be a whole number of at least 1."),
    (("--trials", "many"), "`--trials` is 'many', but must be a whole number"),
    (("--eta", "1"), "`eta` is 1, but must be a whole number of at least 2."),
    (("--min-epochs", "30"), "`min_epochs` is 30, but must be at most `max_epochs`, 27."),
    (("--seed", "-1"), "`seed` is -1, but must be from 0 to 4294967295."),
    (("--lanes", "0"), "`lanes` is 0, but must be from 1 to 4096."),
    (("--devices", "0"), "`devices` is 0, but must be at least 1."),
    (("--out", "taken"), "`out` is 'taken', which exists already, but must be a new folder."),
    (("--space", "none.toml"), "`space` is 'none.toml', but can't be read: No such file"),
    (("--space", "blank.toml"), "`space` is empty, but must have at least one hyperparameter."),
    (("--devices", "99"), "`devices` is 99, but must be at most 8, the cpu devices"),
    (("--space", "broken.toml"), "`space` is 'broken.toml', but is not TOML"),
    (("--space", "typo.toml"), "`hiddensize` is no hyperparameter; did you mean `hidden_size`?"),
    (("--space", "range.toml"), "`dropout` has `low` 0.5, but it must be at most `high`, 0.1."),
    (
        ("--space", "limit.toml"),
        "`dropout` is 1.5, but must be a number from 0 to 0.95; the nearest is 0.95.",
    ),
    (("--space", "log.toml"), "`learning_rate` has `low` 0, but a `log` range must start above 0"),
    (("--space", "whole.toml"), "`clip_norm` ranges over whole numbers from 1 to 10; write `low`"),
    (("--microbatch", "2000"), "`microbatch` is 2000, but must be from 1 to 1257"),
    (
        ("--space", "batch.toml"),
        "`batch_size` is 48, but must be a multiple of the microbatch, 32;",
    ),
    (("--space", "log_batch.toml"), "`batch_size` is "),
    (("--space", "momentum.toml"), "`momentum` acts only where `optimizer` is 'momentum' or 'nes"),
    (("--space", "adam.toml"), "`momentum` is searched only where `optimizer` is 'momentum' or"),
    (
        ("--space", "overlap.toml"),
        "`tbptt_overlap` is 0.7, but must be a number from 0 to 0.5; the",
    ),
    (("--space", "initial.toml"), "`kernel_init` is 'glorot', but must be one of 'lecun_normal'"),
    (("--space", "import.toml"), "`optimizer` is 'optax.lam', but there is no such factory"),
    (("--space", "fulll"), "`space` is 'fulll', but must be 'default', 'full' or the path of a"),
    (("--space", "empty.toml"), "`cell` is an empty list, but must have at least one choice."),
    (("--tirals", "3"), "`--tirals` is no argument; did you mean `--trials`?"),
    (("digits",), "`digits` is no argument"),
]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "taken").mkdir()
    inputs, labels = sequences(60)
    inputs[3, 0, 0] = np.nan
    np.savez(folder / "nan.npz", X=inputs, y=labels)
    (folder / "novel.txt").write_text("call me what you like " * 30)
    (folder / "rows.csv").write_text("a,b\n" + "1,2\n" * 30)
    for name, text in {
        "tokens": "embedding_size = 8",
        "blank": "",
        "broken": "cell = [",
        "typo": "hiddensize = 3",
        "range": "dropout = { low = 0.5, high = 0.1 }",
        "limit": "dropout = { low = 0.0, high = 1.5 }",
        "log": "learning_rate = { low = 0, high = 1, log = true }",
        "whole": "clip_norm = { low = 1, high = 10, log = true }",
        "empty": "cell = []",
        "batch": "batch_size = { low = 32, high = 64, step = 16 }",
        "log_batch": "batch_size = { low = 32, high = 128, log = true }",
        "momentum": "momentum = { low = 0.5, high = 0.9 }",
        "adam": "optimizer = 'adam'\nmomentum = 0.9",
        "overlap": "tbptt_length = 4\ntbptt_overlap = { low = 0.1, high = 0.7 }",
        "initial": "kernel_init = ['he_normal', 'glorot']",
        "import": "optimizer = 'optax.lam'",
    }.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_mistakes_get_one_sentence(
    workshop: Path,
    arguments: tuple[str, ...],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = files_of(workshop)
    monkeypatch.chdir(workshop)
    assert command_line.main(list(arguments)) == 2
    output = capsys.readouterr()
    assert output.err.startswith("error: " + message), output.err
    assert output.err.count("\n") == 1
    assert output.out == ""
    assert files_of(workshop) == before  # nothing half-written


def test_a_mistake_ends_the_process_with_status_2(workshop: Path) -> None:
    process = run(workshop, "--space", "typo.toml")
    assert (process.returncode, process.stdout, process.stderr.count("\n")) == (2, "", 1)


def test_help_is_for_newcomers(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    for name in ("data", "trials", "min-epochs", "max-epochs", "eta", "seed"):
        assert f"--{name}" in output
    for name in ("space", "out", "lanes", "devices"):
        assert f"--{name}" in output
    assert "None" not in output


def test_every_trial_diverged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wild.toml").write_text("learning_rate = 1e6\n")
    assert command_line.main([*TINY, "--out", "out", "--space", "wild.toml"]) == 1
    assert "every trial of the highest rung diverged" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["status"], summary["winner"], summary["test"]) == ("diverged", None, None)
    rows = csv.DictReader((tmp_path / "out" / "trials.csv").read_text().splitlines())
    assert {row["state"] for row in rows} == {"diverged"}


@pytest.mark.slow
def test_ctrl_c_leaves_what_finished(tmp_path: Path) -> None:
    arguments = ("--trials", "9", "--max-epochs", "100000", "--out", "out")
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    table = tmp_path / "out" / "trials.csv"
    limit = time.monotonic() + 120
    while not table.exists() and time.monotonic() < limit:  # written at the first rung
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert errors.strip() == STOPPING.decode().strip()
    assert list((tmp_path / "out" / "checkpoints").glob("[0-9]*"))
    assert "interrupted; the results so far are in out; continue with --resume out" in output
    assert "best 9 of 9 trials" in output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["state"] for row in rows} <= {"pruned", "interrupted"}
    assert sum(row["state"] == "interrupted" for row in rows) in (1, 3)
    assert all(row["loss_at_1"] for row in rows)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["status"] == "interrupted"
    assert search.Space.from_toml(tmp_path / "out" / "space.toml").hyperparameters


@pytest.mark.slow
def test_an_optimizer_of_ones_own(tmp_path: Path) -> None:
    """A module beside the data, by its dotted name."""
    (tmp_path / "mine.py").write_text(
        "import optax\n\ndef slow(learning_rate, b1=0.5):\n"
        "    return optax.adam(learning_rate * 0.1, b1)\n"
    )
    (tmp_path / "space.toml").write_text('optimizer = "mine.slow"\nb1 = [0.3, 0.6]\n')
    process = run(tmp_path, "--trials", "2", "--max-epochs", "1", "--space", "space.toml")
    assert process.returncode == 0, process.stderr
    assert re.search(r"winner: trial \d: optimizer mine.slow, b1 0.[36]", process.stdout)
    (tmp_path / "mine.py").write_text("import optax\n\nsyntax error\n")
    process = run(tmp_path, "--trials", "2", "--max-epochs", "1", "--space", "space.toml")
    assert process.returncode == 2
    assert "no such factory to import (SyntaxError: invalid syntax" in process.stderr
    assert process.stderr.count("\n") == 1


@pytest.mark.slow
def test_the_default_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """256 trials on digits, compiled as for users: rungs as promised, 4 programs, a good winner."""
    monkeypatch.delenv("XLA_FLAGS")
    process = run(tmp_path, "--out", "out")
    assert process.returncode == 0, process.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert [tuple(rung.values()) for rung in summary["rungs"]] == [
        (1, 256),
        (3, 85),
        (9, 28),
        (27, 9),
    ]
    assert summary["programs"] == 4
    assert summary["test"]["accuracy"] >= 0.96  # one seed; the mean over five is in benchmarks/


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_full_space(tmp_path: Path) -> None:
    """Every entry at once: two programs a cohort, and no trial lost."""
    small = ("--trials", "32", "--max-epochs", "9")  # most of the time is compiling
    process = run(tmp_path, "--space", "full", *small, "--out", "out")
    assert process.returncode == 0, process.stderr
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    cohorts = summary["cohorts"]
    assert f"{len(cohorts)} cohorts, each with two compiled programs" in process.stdout
    assert summary["programs"] <= 2 * len(cohorts)
    assert sum(cohort["trials"] for cohort in cohorts) == 32
    rows = list(csv.DictReader((tmp_path / "out" / "trials.csv").read_text().splitlines()))
    assert [int(row["id"]) for row in rows] == list(range(32))
    assert {row["state"] for row in rows} <= {"complete", "pruned", "diverged"}
    elsewhere = {"embedding_size", "window_norm"}  # entries of texts, and of forecasts
    assert set(jaxrnn.HYPERPARAMETERS) - elsewhere <= set(rows[0])
    assert not elsewhere & set(rows[0])
    for row in rows:  # an entry is there where it acts, and nowhere else
        assert (row["momentum"] != "") == (row["optimizer"] in ("momentum", "nesterov"))
        assert (row["hidden_size_3"] != "") == (int(row["layers"]) >= 3)
        assert (row["tbptt_overlap"] != "") == (row["tbptt_length"] not in ("", "0"))
    assert summary["test"]["accuracy"] >= 0.9
