"""Where studies are: journals, torn or not, databases, those of others, and earlier ones."""

import io
import logging
import shutil
from pathlib import Path

import numpy as np
import optuna
import pytest
from support.study_stages import SPACE, begun, check, database, opened, read, stages

from search.records.optuna_storage import Journal
from search.records.optuna_study import Study, best_configurations
from search.space.space import Space
from search.trial import TrialStatus


def test_failures_are_reported(tmp_path: Path) -> None:
    folder, moments = tmp_path / "run", stages()
    study = opened(folder)
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match=r"run/study\.log'$"):
        study.write(moments[0])
    study.close()


def test_failures_of_a_database_are_reported(tmp_path: Path) -> None:
    folder, moments = tmp_path / "run", stages()
    study = opened(folder, "sqlite")
    (tmp_path / "study.db").write_bytes(b"no database " * 1000)
    study.write(moments[-1])
    with pytest.raises(OSError, match=r"the study in 'sqlite:///.*' can't be written: file is"):
        study.close()


def test_studies_of_others(tmp_path: Path) -> None:
    opened(tmp_path / "run", "sqlite").close()
    opened(tmp_path / "run", "sqlite").close()  # our own
    with pytest.raises(ValueError, match="does not go for the maximum"):
        opened(tmp_path / "run", "sqlite", mode="max")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(ValueError, match="`storage` has a study 'run' of another run already"):
        opened(tmp_path / "run", "sqlite")
    opened(tmp_path / "other", "sqlite").close()
    with pytest.raises(ValueError, match=r"'other', 'run'|'run', 'other'"):
        best_configurations(f"sqlite:///{tmp_path}/study.db", 1, SPACE)
    url = f"sqlite:///{tmp_path}/plain.db"
    with database(tmp_path / "plain.db") as storage:
        theirs = optuna.create_study(study_name="run", storage=storage)
        theirs.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(ValueError, match="of another run already"):
        Study(url, tmp_path / "run", "loss", "min", SPACE)


def test_a_study_that_a_kill_left_without_attributes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with database(tmp_path / "study.db") as storage:
        optuna.create_study(study_name="run", storage=storage)
    study = opened(folder, "sqlite")
    study.write(stages()[-1])
    study.close()
    loaded = read(folder, "sqlite")
    check(loaded, stages()[-1])
    assert loaded.user_attrs["metric"] == "loss"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////nowhere/at/all/x.db", "'sqlite:////nowhere/at/all/x.db', but can't be opened"),
        ("nothing", "`storage` is 'nothing', but can't be opened: Could not parse"),
        ("strange://user:secret@host/x", r"'strange://user:\*\*\*@host/x', but can't be opened"),
    ],
)
def test_storages_that_cant_be_opened(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Study(url, tmp_path, "loss", "min", SPACE)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_optuna_is_quiet_and_left_as_it_was(tmp_path: Path) -> None:
    before, stream = optuna.logging.get_verbosity(), io.StringIO()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    handler = logging.StreamHandler(stream)
    optuna.logging.get_logger("optuna").addHandler(handler)
    for kind in ("journal", "sqlite"):
        opened(tmp_path / kind, kind).close()
    assert stream.getvalue() == ""
    assert optuna.logging.get_verbosity() == optuna.logging.INFO
    optuna.create_study()
    assert "A new study" in stream.getvalue()
    optuna.logging.get_logger("optuna").removeHandler(handler)
    optuna.logging.set_verbosity(before)


def test_a_torn_journal_is_mended(tmp_path: Path) -> None:
    moments, whole = stages(), tmp_path / "whole"
    study = opened(whole)
    for trials in moments[:4]:
        study.write(trials)
    study.close()
    log = (whole / "study.log").read_bytes()
    for cut in (0, 1, *np.random.default_rng(0).integers(2, len(log), 30), len(log) - 1):
        folder = tmp_path / str(cut) / "whole"
        shutil.copytree(whole, folder)
        (folder / "study.log").write_bytes(log[:cut])
        (folder / "study.log.lock").write_text("")  # on which Optuna would wait for 30 seconds
        study = opened(folder)
        study.write(moments[-1])
        study.close()
        check(read(folder), moments[-1])
        assert sorted(path.name for path in folder.iterdir()) == ["study.id", "study.log"]


def test_a_long_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    whole = b'{"a": 1}\n' * 20_000
    path.write_bytes(whole + b"x" * 200_000)
    Journal(path)
    assert path.read_bytes() == whole
    path.write_bytes(b"y" * 200_000)
    Journal(path)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("place", [0, 5, -1])
@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"op_code": 99}', "\xff"])
def test_a_damaged_journal_is_written_anew(tmp_path: Path, line: str, place: int) -> None:
    study, moments = opened(tmp_path / "run"), stages()
    study.write(moments[2])
    log = tmp_path / "run" / "study.log"
    lines = log.read_bytes().splitlines(keepends=True)
    lines.insert(place % (len(lines) + 1), line.encode("latin-1") + b"\n")
    log.write_bytes(b"".join(lines))
    study = opened(tmp_path / "run")
    study.write(moments[-1])
    study.close()
    check(read(tmp_path / "run"), moments[-1])


def test_operations_wait_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "study.log"
    journal = Journal(path)
    journal.append_logs([{"a": 1}, {"b": 2}])
    assert list(journal.read_logs(1)) == [{"b": 2}]
    assert path.read_text() == ""
    journal.flush()
    assert path.read_text() == '{"a":1}\n{"b":2}\n'
    journal.flush()
    journal.append_logs([{"c": 3}])
    journal.flush()
    again = Journal(path)
    assert list(again.read_logs(0)) == [{"a": 1}, {"b": 2}, {"c": 3}]
    assert list(again.read_logs(3)) == []


@pytest.mark.parametrize("mode", ["min", "max"])
def test_the_best_of_an_earlier_search(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "run"
    trials = [begun(id) for id in range(6)]
    for trial, score in zip(trials, [3.0, -1.0, 2.0, -1.0, 9.0, -9.0], strict=True):
        trial.metrics, trial.ended, trial.state = {1: {"loss": score}}, True, TrialStatus.COMPLETE
    trials[4].state, trials[5].state = TrialStatus.DIVERGED, TrialStatus.PRUNED
    trials[2].configuration = trials[2].configuration | {"rate": 0.125}
    trials[2].changes = [(1, 0, trials[2].configuration)]
    order = [1, 3, 2, 0] if mode == "min" else [0, 2, 1, 3]
    for kind in ("journal", "sqlite"):
        study = opened(folder, kind, mode=mode)
        study.write(trials)
        study.close()
    database = f"sqlite:///{tmp_path}/study.db"
    for source in (str(folder), database, f"{database}#run"):
        loaded = best_configurations(source, 9, SPACE)
        assert loaded == [trials[id].configuration for id in order]
        assert list(loaded[0]) == [name for name in SPACE.hyperparameters if name in loaded[0]]
        assert best_configurations(source, 2, SPACE) == loaded[:2]
    other = Space(rate=dict(low=0.0, high=1.0), new=[1, 2], layers=2)
    ours = dict(list(SPACE.hyperparameters.items())[::-1])
    assert list(best_configurations(str(folder), 1, other)[0]) == ["rate", "layers"]
    assert next(iter(best_configurations(str(folder), 1, Space(ours))[0])) == "width"


def test_no_earlier_search(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be a run folder with a 'study.log', or the URL"):
        best_configurations(str(tmp_path), 1, SPACE)
    study = opened(tmp_path / "run")
    study.write(stages()[2])
    study.close()
    with pytest.raises(ValueError, match="but none of its trials came to its end"):
        best_configurations(str(tmp_path / "run"), 1, SPACE)
    opened(tmp_path / "run", "sqlite").close()
    with pytest.raises(ValueError, match=r"must name one of the studies in sqlite.*: 'run'"):
        best_configurations(f"sqlite:///{tmp_path}/study.db#rum", 1, SPACE)
    ranges = {"rate": SPACE.distributions["rate"]}
    trial = optuna.trial.create_trial(value=1.0, params={"rate": 0.5}, distributions=ranges)
    with database(tmp_path / "plain.db") as storage:
        optuna.create_study(study_name="plain", storage=storage).add_trial(trial)
    assert best_configurations(f"sqlite:///{tmp_path}/plain.db", 1, SPACE) == [{"rate": 0.5}]
