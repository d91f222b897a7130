"""The study: what plain Optuna reads of a search, after any number of kills."""

import copy
import json
import math
import subprocess
import sys
import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from support.study_stages import COUNT, begun, check, opened, read, stages

from search.trial import Trial, TrialStatus


def content(study: optuna.Study) -> list[Any]:
    """All but the times."""
    names = ("number", "state", "values", "params", "intermediate_values", "user_attrs")
    return [[getattr(trial, name) for name in names] for trial in study.get_trials()]


@pytest.mark.parametrize(
    ("kind", "step"), [("journal", 1), ("journal", 3), ("journal", 8), ("sqlite", 3)]
)
def test_what_optuna_reads(tmp_path: Path, kind: str, step: int) -> None:
    """However often it was written, and as often as it was opened anew."""
    folder = tmp_path / "run"
    moments = stages()
    for first in range(0, len(moments), step):
        study = opened(folder, kind)
        for trials in moments[first : first + step]:
            study.write(trials)
        study.close()
    loaded = read(folder, kind)
    check(loaded, moments[-1])
    assert {t.state.name for t in loaded.trials} == {"COMPLETE", "PRUNED", "FAIL"}
    assert loaded.direction.name == "MINIMIZE"
    assert loaded.user_attrs["metric"] == "loss"
    assert loaded.user_attrs["fixed"] == {"width": 16}
    assert loaded.best_trial.number in {
        t.id for t in moments[-1] if t.state is TrialStatus.COMPLETE
    }


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_a_search_that_goes_back_changes_nothing(tmp_path: Path, kind: str) -> None:
    """The study may be ahead of the checkpoint from which a search is taken up."""
    folder, moments = tmp_path / "run", stages()
    rng, at = np.random.default_rng(0), 0
    while at < len(moments):
        study = opened(folder, kind)
        for trials in moments[at : at + 4]:
            study.write(trials)
        study.close()
        at += int(rng.integers(1, 5))
    before = read(folder, kind)
    check(before, moments[-1])
    size = (folder / "study.log").stat().st_size if kind == "journal" else 0
    again = opened(folder, kind)
    for trials in moments:
        again.write(trials)
    again.close()
    after = read(folder, kind)
    assert content(after) == content(before)
    if kind == "journal":
        assert (folder / "study.log").stat().st_size == size


def test_the_journal_shows_what_happens(tmp_path: Path) -> None:
    moments = stages()
    study = opened(tmp_path / "run")
    for trials in moments[:3]:
        study.write(trials)
    study.close()
    rows = read(tmp_path / "run").trials
    assert [row.state.name for row in rows] == ["RUNNING"] * COUNT
    assert [list(row.intermediate_values) for row in rows] == [[1]] * COUNT
    assert rows[2].params == {k: v for k, v in moments[0][2].configuration.items() if k != "width"}
    assert set(rows[2].user_attrs) == {"seed", "bracket", "configuration"}
    log = tmp_path / "run" / "study.log"
    before = log.read_bytes()
    for trials in (moments[2], moments[3]):
        study = opened(tmp_path / "run")
        study.write(trials)
        study.close()
        assert log.read_bytes().startswith(before)
        assert (log.read_bytes() == before) == (trials is moments[2])
    names = [row.state.name for row in read(tmp_path / "run").trials]
    assert names.count("PRUNED") == 5
    assert names.count("RUNNING") == 4
    for line in (tmp_path / "run" / "study.log").read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_database_gets_trials_that_ended(tmp_path: Path) -> None:
    """And of those before them, since trials are numbered as they come."""
    folder, moments = tmp_path / "run", stages()
    study = opened(folder, "sqlite")
    for trials in moments[:3]:
        study.write(trials)
    study.close()
    loaded = read(folder, "sqlite")
    assert loaded.trials == []
    ended = copy.deepcopy(moments[2])
    ended[3].ended, ended[3].state = True, TrialStatus.PRUNED
    study = opened(folder, "sqlite")
    study.write(ended)
    study.close()
    loaded = read(folder, "sqlite")
    assert [t.state.name for t in loaded.trials] == ["RUNNING"] * 3 + ["PRUNED"]


def test_interrupted_trials_go_on_later(tmp_path: Path) -> None:
    trials = stages()[2]
    for trial in trials:
        trial.state = TrialStatus.INTERRUPTED
    study = opened(tmp_path / "run")
    study.write(trials)
    study.close()
    assert {t.state.name for t in read(tmp_path / "run").trials} == {"RUNNING"}


def test_a_score_of_zero_and_infinity(tmp_path: Path) -> None:
    trial = begun(0)
    trial.metrics, trial.ended, trial.state = {1: {"loss": 0.0}}, True, TrialStatus.COMPLETE
    worse = begun(1)
    worse.metrics, worse.ended, worse.state = {1: {"loss": math.inf}}, True, TrialStatus.COMPLETE
    late = begun(2)  # diverged once, though its last score is a number
    late.metrics, late.ended, late.state = {1: {"loss": 1.0}}, True, TrialStatus.DIVERGED
    study = opened(tmp_path / "run")
    study.write([trial, worse, late])
    study.close()
    rows = read(tmp_path / "run").trials
    assert [row.state.name for row in rows] == ["COMPLETE", "FAIL", "FAIL"]
    assert [row.value for row in rows] == [0.0, None, None]
    assert [row.intermediate_values for row in rows] == [{1: 0.0}, {}, {1: 1.0}]
    assert rows[1].user_attrs["metrics"] == {"1": {"loss": "inf"}}


def test_a_database_holds_up_no_search(tmp_path: Path) -> None:
    """Nor does it see what becomes of trials while it stands still."""
    study, moments = opened(tmp_path / "run", "sqlite"), stages()
    stuck, go_on = threading.Event(), threading.Event()
    storage: Any = study._store.storage
    create = storage.create_new_trial

    def slow(*arguments: Any) -> int:
        stuck.set()
        assert go_on.wait(60)
        return create(*arguments)

    storage.create_new_trial = slow
    trials = copy.deepcopy(moments[3])
    study.write(trials)
    assert stuck.wait(60)
    study.write(trials)
    for trial in trials:
        trial.metrics[3] = {"loss": 0.0}
        trial.errors.clear()
        trial.ended = True
    go_on.set()
    study.close()
    rows = read(tmp_path / "run", "sqlite").trials
    last = max(trial.id for trial in moments[3] if trial.ended)
    assert [list(row.intermediate_values) for row in rows] == [[1]] * (last + 1)
    pruned = [row for row in rows if row.state.name == "PRUNED"]
    assert [row.number for row in pruned] == [trial.id for trial in moments[3] if trial.ended]
    assert all(row.user_attrs["errors"].keys() == {"1"} for row in pruned)


def changed(trials: list[Trial], what: str) -> list[Trial]:
    """The same trials, but that the fourth has become another one."""
    trials = copy.deepcopy(trials)
    trial = trials[3]
    if what == "parameters":
        trial.proposal.configuration["rate"] *= 1 + 1e-15
    elif what == "score":
        trial.metrics[1]["loss"] *= 1 + 1e-15
    elif what == "another score":
        trial.metrics[27] = {"loss": 1.0, "accuracy": 0.5}
    else:
        trial.state = TrialStatus.DIVERGED
    return trials


def test_a_database_of_another_search(tmp_path: Path) -> None:
    moments = stages()
    study = opened(tmp_path / "run", "sqlite")
    study.write(moments[-1])
    study.close()
    other = changed(moments[-1], "parameters")
    study = opened(tmp_path / "run", "sqlite")
    study.write(other[:3])
    with pytest.raises(ValueError, match=r"other parameters for trial 3 than this search"):
        study.write(other)
    study.close()


@pytest.mark.parametrize("what", ["parameters", "score", "another score", "state"])
def test_a_journal_that_contradicts_the_trials_is_written_anew(tmp_path: Path, what: str) -> None:
    moments = stages()
    study = opened(tmp_path / "run")
    study.write(moments[-1])
    study.close()
    before = content(read(tmp_path / "run"))
    trials = changed(moments[-1], what)
    study = opened(tmp_path / "run")
    study.write(trials[:3])
    assert content(read(tmp_path / "run")) == before
    study.write(trials)
    after = read(tmp_path / "run")
    assert content(after) != before and len(after.trials) == COUNT
    study.close()
    other = tmp_path / "other" / "run"
    other.parent.mkdir()
    study = opened(other)
    study.write(trials)
    study.close()
    assert content(after) == content(read(other))


def test_lines_of_a_dashboard_stay(tmp_path: Path) -> None:
    """And what it has read stays where it was, so that it goes on reading from there."""
    study, moments = opened(tmp_path / "run"), stages()
    study.write(moments[1])
    dashboard = read(tmp_path / "run")
    for trials in moments[2:]:
        dashboard.set_user_attr("note", f"{len(dashboard.trials)} trials")
        study.write(trials)
        study.close()
        study = opened(tmp_path / "run")
    assert content(dashboard) == content(read(tmp_path / "run"))
    check(dashboard, moments[-1])
    assert dashboard.user_attrs["note"] == f"{COUNT} trials"


def test_times_are_those_of_the_trials(tmp_path: Path) -> None:
    trial = begun(0)
    trial.begun = 1e9
    trial.metrics = {1: {"loss": 1.0}}
    trial.end(TrialStatus.PRUNED)
    trial.finished = 1e9 + 60
    for kind in ("journal", "sqlite"):
        study = opened(tmp_path / "run", kind)
        study.write([trial])
        study.close()
        (row,) = read(tmp_path / "run", kind).trials
        assert row.datetime_start == datetime.fromtimestamp(1e9)
        assert row.duration == timedelta(seconds=60)


KILLED = """
import sys
from pathlib import Path
from support.study_stages import opened, stages

seen = stages(200)
study = opened(Path(sys.argv[1]))
print("ready", flush=True)
for trials in seen:
    study.write(trials)
study.close()
print("done", flush=True)
"""


@pytest.mark.slow
def test_kill_at_any_moment(tmp_path: Path) -> None:
    folder, rng, kills = tmp_path / "run", np.random.default_rng(0), 0
    moments = stages(200)
    folder.mkdir()
    command, tests = [sys.executable, "-c", KILLED, str(folder)], Path(__file__).parent
    for _ in range(3):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tests) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                process.wait(rng.uniform(0, 0.2))
            except subprocess.TimeoutExpired:
                process.kill()
                kills += 1
        study = opened(folder)  # a process that was killed is in nobody's way
        study.write(moments[0])
        study.close()
    assert kills
    study = opened(folder)
    study.write(moments[-1])
    study.close()
    check(read(folder), moments[-1])


def test_importances_and_tables_work(tmp_path: Path) -> None:
    trials = [begun(id) for id in range(40)]
    for trial in trials:
        loss = abs(math.log10(trial.configuration["rate"]) + 2)
        trial.metrics, trial.ended, trial.state = {1: {"loss": loss}}, True, TrialStatus.COMPLETE
    for trial in trials[::5]:
        trial.state = TrialStatus.PRUNED
    study = opened(tmp_path / "run")
    study.write(trials)
    study.close()
    loaded = read(tmp_path / "run")
    importances = optuna.importance.get_param_importances(loaded)
    assert max(importances, key=importances.__getitem__) == "rate"
    momentum = optuna.importance.get_param_importances(loaded, params=["momentum", "rate"])
    assert set(momentum) == {"momentum", "rate"}
    table = loaded.trials_dataframe()
    assert list(table["params_rate"]) == [trial.configuration["rate"] for trial in trials]
    assert table["params_momentum"].isna().sum() == 20
    assert list(table["user_attrs_seed"]) == [trial.seed for trial in trials]
