"""The run folder: whole files, strict JSON, one row a trial; and what people see."""

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from search import Progress, Rung, Space, State, Trial
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
        *("id", "state", "seed", "cell", "rate", "epochs"),
        *("loss_at_3", "loss_at_9"),
    ]
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert rows[0]["state"] == "complete"
    assert [row["seed"] for row in rows] == ["7", "8", "9"]
    assert [row["cell"] for row in rows] == ["lstm", "gru", "gru"]
    assert [row["rate"] for row in rows] == ["0.5", "0.001", ""]
    assert (rows[0]["loss_at_3"], rows[0]["loss_at_9"]) == ("2.5", "1.25")
    assert (rows[1]["state"], rows[1]["loss_at_3"], rows[1]["loss_at_9"]) == ("diverged", "", "")
    assert (rows[2]["rate"], rows[2]["epochs"]) == ("", "0")
    folder.write_trials(TRIALS[:1])
    assert len(rows_of(folder)) == 1
    assert [path.name for path in folder.path.iterdir()] == ["trials.csv"]  # nothing partial


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
