"""The run folder: whole files, strict JSON, one row a trial; and what people see."""

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from search import Progress, Rung, Space, State, Trial, random_trials
from search.display import Display, describe, leaderboard_table
from search.records import RunFolder, unused

TRIALS = [
    Trial(1, 8, {"cell": "gru", "rate": 1e-3}, State.DIVERGED, 3, {3: {"loss": math.nan}}),
    Trial(0, 7, {"cell": "lstm", "rate": 0.5}, State.COMPLETE, 9,
          {3: {"loss": 2.5}, 9: {"loss": 1.25}}),
    Trial(2, 9, {"cell": "gru"}, State.INTERRUPTED),
]  # fmt: skip


def test_trials_csv(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_trials(TRIALS)
    rows = rows_of(folder)
    assert list(rows[0]) == [
        *("id", "state", "seed", "cell", "rate", "search_epochs"),
        *("loss_at_3", "loss_at_9"),
    ]
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["state"] == "complete"
    assert [row["seed"] for row in rows] == ["7", "8", "9"]
    assert [row["cell"] for row in rows] == ["lstm", "gru", "gru"]
    assert [row["rate"] for row in rows] == ["0.5", "0.001", ""]
    assert (rows[0]["loss_at_3"], rows[0]["loss_at_9"]) == ("2.5", "1.25")
    assert (rows[1]["state"], rows[1]["loss_at_3"], rows[1]["loss_at_9"]) == ("diverged", "", "")
    assert (rows[2]["rate"], rows[2]["search_epochs"]) == ("", "0")
    folder.write_trials(TRIALS[:1])
    assert len(rows_of(folder)) == 1
    assert [path.name for path in folder.path.iterdir()] == ["trials.csv"]  # nothing partial


def test_columns_are_those_of_the_space(tmp_path: Path) -> None:
    """Whichever trial comes first, and also for an entry that no trial drew."""
    entries = {
        "optimizer": ["sgd", "adam"],
        "momentum": {"low": 0.5, "high": 0.9, "when": {"optimizer": "sgd"}},
        "rare": {"value": True, "when": {"optimizer": "sgd", "momentum": {"low": 0.899}}},
        "rate": 0.1,
    }
    trials = random_trials(Space(entries), 20, seed=0)
    folder = RunFolder(tmp_path / "run")
    for order in (trials, trials[::-1], trials[7:] + trials[:7]):
        folder.write_trials(order, entries)
        rows = rows_of(folder)
        assert list(rows[0]) == ["id", "state", "seed", *entries, "search_epochs"]
        assert [row["id"] for row in rows] == [str(k) for k in range(20)]
        for row, trial in zip(rows, trials, strict=True):
            expected = {name: str(trial.configuration.get(name, "")) for name in entries}
            assert {name: row[name] for name in entries} == expected
    assert {row["momentum"] == "" for row in rows} == {True, False}
    folder.write_trials(trials)
    text = (folder.path / "trials.csv").read_text()
    folder.write_trials(trials[::-1])
    assert (folder.path / "trials.csv").read_text() == text


def test_history_csv(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    trials = [
        Trial(2, 0, {}, epochs=1, history={"loss": [3.5], "norm": [math.inf]}),
        Trial(1, 0, {}),
        Trial(0, 0, {}, epochs=3, history={"loss": [3, 2, 1e-9], "norm": [9, math.nan, 1 / 3]}),
    ]
    folder.write_history(trials)
    assert (folder.path / "history.csv").read_text() == (
        "id,epoch,loss,norm\n0,1,3,9\n0,2,2,\n0,3,1e-09,0.33333333\n2,1,3.5,\n"
    )
    folder.write_history(TRIALS)
    assert (folder.path / "history.csv").read_text() == "id,epoch\n"


def test_csv_keeps_every_digit_of_a_score(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random(50, np.float32)
    trials = [Trial(k, k, {}, metrics={1: {"loss": float(s)}}) for k, s in enumerate(scores)]
    folder = RunFolder(tmp_path / "run")
    folder.write_trials(trials)
    read = np.array([row["loss_at_1"] for row in rows_of(folder)], np.float32)
    np.testing.assert_allclose(read, scores, rtol=1e-7)


def test_summary_is_strict_json(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_summary({"a": math.nan, "b": [math.inf, 1.5, -math.inf], "c": {3: (1, None)}})
    text = (folder.path / "summary.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": None,
        "b": ["inf", 1.5, "-inf"],
        "c": {"3": [1, None]},
    }


def test_space_file_gives_the_same_space(tmp_path: Path) -> None:
    space = Space(cell=["lstm"], rate=dict(low=0.1, high=1.0, log=True), layers=2)
    folder = RunFolder(tmp_path / "run")
    folder.write_space(space)
    assert Space.from_toml(folder.path / "space.toml").entries == space.entries


def test_folders_are_new(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(ValueError, match="exists already, but must be a new folder"):
        RunFolder(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"`out` is .* but can't be made: Not a directory"):
        RunFolder(tmp_path / "file" / "run")
    assert unused(tmp_path / "new") == tmp_path / "new"
    assert unused(tmp_path / "run") == tmp_path / "run-2"
    (tmp_path / "run-2").mkdir()
    assert unused(tmp_path / "run") == tmp_path / "run-3"


def rows_of(folder: RunFolder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder.path / "trials.csv").read_text().splitlines()))


PLAN = (Rung(1, 30), Rung(3, 10))


def test_the_line_people_read() -> None:
    begin = Progress(0, PLAN, 0, 50, 0.0, None, False)
    assert describe(begin, "loss") == (
        "rung 1/2: 30 trials to epoch 1 | best validation loss none yet | "
        "0 trial-epochs/s | 0 s left"
    )
    later = Progress(1, PLAN, 40, 50, 20.0, TRIALS[1], True)
    assert describe(later, "loss") == (
        "rung 2/2: 10 trials to epoch 3 | best validation loss 1.25 (trial 0) | "
        "2 trial-epochs/s | 5 s left"
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_display(terminal: bool) -> None:
    file = io.StringIO()
    console = Console(record=True, force_terminal=terminal, width=160, file=file)
    with Display(console, "loss") as display:
        display(Progress(0, PLAN, 10, 50, 1.0, None, False))
        display(Progress(0, PLAN, 30, 50, 2.0, TRIALS[1], True))
    text = console.export_text()
    assert "compiling" in file.getvalue()
    assert "rung 1/2: 30 trials to epoch 1 | best validation loss 1.25 (trial 0)" in text
    if not terminal:
        assert text.count("rung 1/2") == 1  # plain lines: one a rung, no escape codes
    console.print(leaderboard_table(TRIALS, ["loss"], "min"))
    lines = [line.split() for line in console.export_text().splitlines() if line.strip()]
    assert [line[0] for line in lines[-3:]] == ["0", "2", "1"]  # best, unfinished, diverged


def many(count: int) -> list[Trial]:
    """Trials with more entries than a line holds: some fixed, some not in all of them."""
    entries: dict[str, Any] = {f"fixed_{k}": k for k in range(3)}
    entries |= {"forget": {"low": 0.0, "high": 1.0, "when": {"cell": "lstm"}}}
    entries |= {f"long_name_{k}": {"low": 0.0, "high": 1.0} for k in range(20)}
    entries |= {"cell": ["lstm", "gru"], "text": ["x" * 200, "y" * 200]}
    trials = random_trials(Space(entries), count, seed=2)
    assert "forget" in trials[0].configuration
    for trial in trials:
        trial.epochs, trial.metrics = 9, {9: {"loss": trial.id / 7, "accuracy": 0.5}}
    return trials


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_leaderboard_fits_its_console(width: int) -> None:
    """Entries that differ come first, and of these the ones that all trials have."""
    console = Console(record=True, width=width, file=io.StringIO())
    table = leaderboard_table(many(30), ["loss", "accuracy"], "min", console.width)
    console.print(table)
    text = console.export_text()
    names = [str(column.header).replace("\n", "_") for column in table.columns]
    assert names[:4] == ["trial", "search_epochs", "loss", "accuracy"]
    assert len(names) > 4
    assert "text" not in names
    assert width == 200 or set(names).isdisjoint({"fixed_0", "forget"})
    rows = [line.split() for line in text.splitlines() if line.strip()[:1].isdigit()]
    assert [row[0] for row in rows[-10:]] == [str(k) for k in range(10)]
    assert all(len(row) == len(names) for row in rows[-10:])
    assert "…" not in text
    left_out = 4 + 26 - len(names)
    noun = "entry" if left_out == 1 else "entries"
    assert table.caption == f"... and {left_out} more {noun} in trials.csv"


def test_a_leaderboard_of_few_entries_shows_all() -> None:
    table = leaderboard_table(TRIALS[:2], ["loss"], "min")
    assert [column.header for column in table.columns] == [
        "trial",
        "search\nepochs",
        "loss",
        "cell",
        "rate",
    ]
    assert table.caption is None
