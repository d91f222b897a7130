"""The run folder: whole files, strict JSON, one row a trial."""

import csv
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from search.records.atomic import to_disk, write_whole
from search.records.run_folder import RunFolder, unused
from search.space.space import Space
from search.trial import Proposal, Trial, TrialStatus


def trial(id: int, configuration: dict[str, Any] | None = None, **more: Any) -> Trial:
    configuration = configuration or {}
    return Trial(id, id + 7, configuration, Proposal(configuration), **more)


TRIALS = [
    trial(1, {"cell": "gru", "rate": 1e-3}, state=TrialStatus.DIVERGED, epochs=3,
          metrics={3: {"loss": math.nan}}),
    trial(0, {"cell": "lstm", "rate": 0.5}, state=TrialStatus.COMPLETE, epochs=9,
          metrics={3: {"loss": 2.5}, 9: {"loss": 1.25}}),
    trial(2, {"cell": "gru"}, state=TrialStatus.INTERRUPTED),
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
    entries = ["optimizer", "momentum", "rare", "rate"]
    momentum = {"optimizer": "sgd", "momentum": 0.5}
    trials = [trial(k, (momentum if k % 2 else {}) | {"rate": k / 10}) for k in range(20)]
    folder = RunFolder(tmp_path / "run")
    for order in (trials, trials[::-1], trials[7:] + trials[:7]):
        folder.write_trials(order, entries)
        rows = rows_of(folder)
        assert list(rows[0]) == ["id", "state", "seed", *entries, "search_epochs"]
        assert [row["id"] for row in rows] == [str(k) for k in range(20)]
        for row, recorded in zip(rows, trials, strict=True):
            expected = {name: str(recorded.configuration.get(name, "")) for name in entries}
            assert {name: row[name] for name in entries} == expected
    folder.write_trials(trials)
    text = (folder.path / "trials.csv").read_text()
    folder.write_trials(trials[::-1])
    assert (folder.path / "trials.csv").read_text() == text


def test_brackets_and_errors_have_columns_where_there_are_any(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    trials = [
        trial(0, bracket=1, metrics={1: {"loss": 4.0, "r2": 1.0}, 3: {"loss": 2.0, "r2": 2.0}},
              errors={3: {"loss": 0.25}}),
        trial(1, bracket=0, metrics={3: {"loss": 1.0}}, errors={3: {"loss": math.nan}}),
    ]  # fmt: skip
    folder.write_trials(trials)
    assert (folder.path / "trials.csv").read_text() == (
        "id,state,seed,bracket,search_epochs,"
        "loss_at_1,r2_at_1,loss_at_3,loss_error_at_3,r2_at_3\n"
        "0,running,7,1,0,4,1,2,0.25,2\n"
        "1,running,8,0,0,,,1,,\n"
    )
    for recorded in trials:
        recorded.bracket = 2
    folder.write_trials(trials)
    assert "bracket" not in rows_of(folder)[0]


def test_changes_csv(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_changes([trial(0), trial(1)], ["rate"])
    assert list(folder.path.iterdir()) == []
    second = trial(1, changes=[(2, 0, {"rate": 0.5}), (4, 3, {"rate": 0.1, "more": True})])
    folder.write_changes([second, trial(0, changes=[(4, 1, {"rate": 1.0})])], ["cell", "rate"])
    assert (folder.path / "changes.csv").read_text() == (
        "id,epochs,copied_from,cell,rate,more\n0,4,1,,1.0,\n1,2,0,,0.5,\n1,4,3,,0.1,True\n"
    )


def test_history_csv(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    trials = [
        trial(2, epochs=1, history={"loss": [3.5], "norm": [math.inf]}),
        trial(1),
        trial(0, epochs=3, history={"loss": [3, 2, 1e-9], "norm": [9, math.nan, 1 / 3]}),
    ]
    folder.write_history(trials)
    assert (folder.path / "history.csv").read_text() == (
        "id,epoch,loss,norm\n0,1,3,9\n0,2,2,\n0,3,1e-09,0.33333333\n2,1,3.5,\n"
    )
    folder.write_history(TRIALS)
    assert (folder.path / "history.csv").read_text() == "id,epoch\n"


def test_csv_keeps_every_digit_of_a_score(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).random(50, np.float32)
    trials = [trial(k, metrics={1: {"loss": float(s)}}) for k, s in enumerate(scores)]
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
    assert Space.from_toml(folder.path / "space.toml").hyperparameters == space.hyperparameters


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


def test_a_folder_is_opened_again(tmp_path: Path) -> None:
    settings = {"data": "digits", "trials": 256, "rate": 0.1, "more": None, "all": [True, "é"]}
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(ValueError, match="must be the folder of an earlier search, which has a"):
        RunFolder.open(folder.path)
    folder.write_settings(settings)
    again = RunFolder.open(str(folder.path))
    assert again.path == folder.path
    assert again.read_settings() == settings
    again.write_trials(TRIALS)
    assert len(rows_of(folder)) == 3
    for missing in ("none", "run/settings.json"):
        with pytest.raises(ValueError, match=f"`resume` is '.*{missing}', but must be"):
            RunFolder.open(tmp_path / missing)
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_settings({"rate": math.nan})
    assert again.read_settings() == settings


@pytest.mark.parametrize("content", [b"{", b"", b"[1]", b"\xff\xfe"])
def test_damaged_settings(tmp_path: Path, content: bytes) -> None:
    folder = RunFolder(tmp_path / "run")
    (folder.path / "settings.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"settings.json' is damaged: "):
        RunFolder.open(folder.path).read_settings()


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.path.rmdir()
    with pytest.raises(FileNotFoundError) as caught:
        folder.write_trials(TRIALS)
    assert str(caught.value) == f"[Errno 2] No such file or directory: '{folder.path}/trials.csv'"
    folder.path.write_text("now a file")
    with pytest.raises(NotADirectoryError, match=r"Not a directory: '.*run/trials.csv'"):
        folder.write_trials(TRIALS)


def test_a_file_that_cant_be_replaced(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    (folder.path / "summary.json" / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match=r"summary\.json'$"):
        folder.write_summary({})
    assert [path.name for path in folder.path.iterdir()] == ["summary.json"]


FULL = """
import resource, sys
from search.records.run_folder import RunFolder

folder = RunFolder(sys.argv[1])
folder.write_summary({"a": 1})
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, most))
try:
    folder.write_summary({"a": "x" * 20000})
except OSError as error:
    print(error)
"""


def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the write fails in the middle of the file."""
    path = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"[Errno 27] File too large: '{path}/summary.json'\n"
    assert [file.name for file in path.iterdir()] == ["summary.json"]
    assert json.loads((path / "summary.json").read_text()) == {"a": 1}


READ_ONLY = """
import os, sys
from pathlib import Path
from search.records.lock import locked
from search.records.run_folder import RunFolder

if os.geteuid() == 0:
    os.seteuid(65534)  # nobody, since root may write anywhere
folder = RunFolder.open(sys.argv[1])
try:
    folder.write_summary({})
except OSError as error:
    print(error)
try:
    with locked(folder.path):
        pass
except ValueError as error:
    print(error)
try:
    RunFolder(folder.path / "inner")
except ValueError as error:
    print(error)
"""


def test_a_read_only_folder() -> None:
    with tempfile.TemporaryDirectory() as around:
        Path(around).chmod(0o755)
        folder = RunFolder(Path(around) / "run")
        folder.write_settings({})
        folder.path.chmod(0o555)
        command = [sys.executable, "-c", READ_ONLY, str(folder.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        folder.path.chmod(0o755)
    assert done.stdout.splitlines() == [
        f"[Errno 13] Permission denied: '{folder.path}/summary.json'",
        f"`resume` is '{folder.path}', but can't be worked in: Permission denied.",
        f"`out` is '{folder.path}/inner', but can't be made: Permission denied.",
    ]


def rows_of(folder: RunFolder) -> list[dict[str, str]]:
    return list(csv.DictReader((folder.path / "trials.csv").read_text().splitlines()))


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a power cut could leave an empty one."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_ino))
    write_whole(tmp_path / "settings.json", "{}")
    assert synced == [(tmp_path / "settings.json").stat().st_ino]
    to_disk(tmp_path)
    assert synced[1:] == [tmp_path.stat().st_ino]
