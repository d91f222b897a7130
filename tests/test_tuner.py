"""The one call: the same as the command line, on data as people have it, wherever it is made."""

import inspect
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from support.datasets import sequences

import jaxrnn
import search
from jaxrnn import tuner
from jaxrnn.tuner import command_line
from jaxrnn.tuner.inputs import Inputs, data_of
from jaxrnn.tuner.settings import FIELDS, IN_PYTHON, IN_SPACE_FILE, Settings, checked, resumed
from search.records.signals import ENDING

HYPERPARAMETERS: dict[str, Any] = {
    "cell": "gru",
    "hidden_size": {"low": 8, "high": 16},
    "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
    "optimizer": ["adam", "momentum"],
    "momentum": [0.5, 0.9],
}
SMALL: dict[str, Any] = {"trials": 6, "max_epochs": 3, "lanes": 2}
FLAGS = ("--trials", "6", "--max-epochs", "3", "--lanes", "2")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and a space."""
    folder = tmp_path_factory.mktemp("workshop")
    inputs, labels = sequences(120)
    np.savez(folder / "thirds.npz", X=inputs, y=labels)
    (folder / "space.toml").write_text(search.Space(HYPERPARAMETERS).to_toml())
    return folder


@pytest.fixture
def cwd(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, as the working folder."""
    monkeypatch.chdir(workshop)
    return workshop


@pytest.fixture(scope="module")
def first(workshop: Path) -> tuner.Result:
    """A search by the one call."""
    source, space, out = (workshop / name for name in ("thirds.npz", "space.toml", "call"))
    return tuner.search(source, space=space, out=out, progress=False, **SMALL)


def test_the_call_does_what_the_command_does(
    first: tuner.Result, cwd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("--data", "thirds.npz", "--space", "space.toml")
    assert command_line.main([*files, *FLAGS, "--out", "typed"]) == 0
    assert "winner: trial" in capsys.readouterr().out
    for name in ("trials.csv", "history.csv", "confusion_matrix.csv", "space.toml"):
        assert (cwd / "typed" / name).read_bytes() == (first.folder / name).read_bytes(), name
    typed = tuner.open("typed")
    pd.testing.assert_frame_equal(typed.trials, first.trials)
    pd.testing.assert_frame_equal(typed.history, first.history)
    assert repr(typed.best) == repr(first.best)  # which may hold NaN
    assert typed.test == first.test
    paths = {"data", "space", "out"}
    both = [result.settings for result in (typed, first)]
    assert [{n: v for n, v in settings.items() if n not in paths} for settings in both] == [
        {n: v for n, v in both[0].items() if n not in paths}
    ] * 2
    shown = f"jaxrnn.tuner.search(data='{cwd / 'thirds.npz'}', space='{cwd / 'space.toml'}', out="
    assert first.summary["command"].startswith(shown)


def test_the_result_is_what_the_folder_holds(first: tuner.Result) -> None:
    trials, best = first.trials, first.best
    assert first.folder == Path(first.settings["out"]) and first.status == "complete"
    assert list(trials.index) == list(range(6))
    assert sorted(trials["state"]) == ["complete"] * 2 + ["pruned"] * 4
    assert list(trials.columns[:8]) == ["state", "seed", *HYPERPARAMETERS, "search_epochs"]
    absent = [optimizer == "adam" for optimizer in trials["optimizer"]]
    assert 0 < sum(absent) < 6
    assert [*trials["momentum"].isna()] == absent
    assert isinstance(best, search.Trial)
    losses = trials["loss_at_3"].to_dict()
    assert best.last("loss") == pytest.approx(losses[best.id])
    assert losses[best.id] == np.nanmin(list(losses.values())) and best.epochs == 3
    row = trials.to_dict("index")[best.id]
    assert {name: row[name] for name in best.configuration} == pytest.approx(best.configuration)
    rows = first.history.loc[best.id]
    assert list(rows["epoch"]) == [1, 2, 3]
    assert best.history["train_loss"] == list(rows["train_loss"])
    assert len(first.history) == trials["search_epochs"].sum() == 6 + 2 * 2


def test_the_model_and_the_study(first: tuner.Result, workshop: Path) -> None:
    best, model, study = first.best, first.model, first.study
    assert best is not None and model is not None
    data = jaxrnn.load_data(workshop / "thirds.npz")
    (matrix,) = [pd.read_csv(first.folder / "confusion_matrix.csv")]
    assert matrix.iloc[:, 1:].to_numpy().sum() == len(data.test)
    assert best.configuration.items() <= model.configuration.items()
    right = model.encoded(data.test.inputs, data.test.lengths).argmax(-1) == data.test.targets
    assert right.mean() == pytest.approx(first.test["accuracy"])
    assert isinstance(study, optuna.Study)
    assert study.best_trial.number == best.id and len(study.trials) == 6


def test_it_shows_itself(first: tuner.Result) -> None:
    begin, best, test, folder = repr(first).splitlines()
    assert begin == "Search of thirds (classification), complete: 6 trials, 10 trial-epochs"
    assert first.best is not None
    assert best.startswith(f"best: trial {first.best.id}: cell gru, hidden_size ")
    assert test.startswith(f"test: loss {first.test['loss']:.4f}, accuracy ")
    assert folder == f"folder: {first.folder}"


@pytest.mark.parametrize("progress", [True, False])
def test_what_is_shown(cwd: Path, capsys: pytest.CaptureFixture[str], progress: bool) -> None:
    folder = f"shown-{progress}"
    small = {**SMALL, "trials": 1, "max_epochs": 1}
    tuner.search("thirds.npz", space=HYPERPARAMETERS, out=folder, progress=progress, **small)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert ("winner: trial 0" in shown.out) == progress
    assert bool(shown.out) == progress


def test_every_flag_is_an_argument() -> None:
    options = {o for action in command_line.parser()._actions for o in action.option_strings}
    flags = {option.removeprefix("--").replace("-", "_") for option in options - {"-h", "--help"}}
    arguments = inspect.signature(tuner.search).parameters
    assert flags == set(FIELDS) == set(arguments) - {"progress"}
    for name, setting in FIELDS.items():
        assert arguments[name].default == setting.default
        assert setting.metadata["help"] in (tuner.search.__doc__ or "")
    assert command_line.parse([]) == {}


MISTAKES: list[tuple[dict[str, Any], str | None]] = [
    ({"trials": "many"}, None),
    ({"trials": 2.5}, "`trials` is 2.5, but must be a whole number."),
    ({"trials": True}, "`trials` is True, but must be a whole number."),
    ({"eta": None}, "`eta` is None, but must be a whole number."),
    ({"eta": 1}, None),
    ({"seed": -1}, None),
    ({"split": "0.7/0.3"}, None),
    ({"split": (0.7, 0.3)}, "`split` is (0.7, 0.3), but must be such as 0.7/0.15/0.15."),
    ({"checkpoint_minutes": -1}, "`checkpoint_minutes` is -1, but must be a number of at least 0."),
    ({"memory_limit": 0}, "`memory_limit` is 0, but must be a number above 0, in GiB."),
    ({"audit": 1}, "`audit` is 1, but must be True or False."),
    ({"metric": "f1"}, None),
    ({"metric": 3}, "`metric` is 3, but must be text."),
    ({"sampler": "tpee"}, None),
    ({"scheduler": "hyper"}, None),
    ({"data": "none.csv"}, None),
    ({"data": 3}, "`data` is int, but must be a name, the path of a file, a jaxrnn.Data, a pandas"),
    ({"space": "fulll"}, None),
    ({"space": 3}, "`space` is 3, but must be 'default', 'full', the path of a .toml file, a sea"),
    ({"space": {"hiddensize": 3}}, "`hiddensize` is no hyperparameter; did you mean `hidden_size`"),
    ({"folds": 2, "split": "0.8/0.1/0.1"}, None),
    ({"enqueue": [{"width": 3}]}, "`enqueue` has the hyperparameter 'width'"),
    ({"enqueue": [{"width": int}]}, "`enqueue` is [{'width': <class 'int'>}], but must hold plain"),
    ({"resume": "nowhere"}, None),
    ({"tirals": 3}, "`tirals` is no argument; did you mean `trials`?"),
    ({"data": [3]}, "`data` is list, but must be a name, the path of a file, a jaxrnn.Data, a"),
    ({"colour": 3}, "`colour` is no argument; see jaxrnn.tuner.Settings."),
]


@pytest.mark.parametrize(("settings", "sentence"), MISTAKES)
def test_mistakes_get_the_sentence_of_the_command_line(
    cwd: Path,
    settings: dict[str, Any],
    sentence: str | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They have sentences of their own for mistakes that a command line can't make."""
    before = set(cwd.rglob("*"))
    settings = {"data": "thirds.npz", "space": "space.toml", **settings}
    with pytest.raises(ValueError) as caught:
        tuner.search(**settings)
    if sentence is None:
        flags = [(f"--{name.replace('_', '-')}", str(value)) for name, value in settings.items()]
        assert command_line.main([part for pair in flags for part in pair]) == 2
        sentence = capsys.readouterr().err.removeprefix("error: ").removesuffix("\n")
        sentence = sentence.replace("`--", "`").replace(" (see --help)", "")
    assert str(caught.value).startswith(sentence)
    assert set(cwd.rglob("*")) == before  # nothing half-written


def prints(*data: jaxrnn.Data) -> list[str]:
    return [jaxrnn.fingerprint(fold) for fold in data]


def test_data_as_people_have_it(cwd: Path) -> None:
    """Paths, frames, arrays, records and what is loaded already, as a whole and in folds."""
    inputs, labels = sequences(120)
    whole = prints(jaxrnn.from_arrays(inputs, labels, seed=3))
    for source in ("thirds.npz", (inputs, labels), jaxrnn.read_data("thirds.npz")):
        assert prints(*data_of(Settings(data=source, seed=3))) == whole
    ready = jaxrnn.from_arrays(inputs, labels)
    assert data_of(Settings(data=ready)) == [ready]
    folds = prints(*jaxrnn.folds((inputs, labels), 3, seed=3))
    for source in ("thirds.npz", (inputs, labels)):
        assert prints(*data_of(Settings(data=source, seed=3, folds=3))) == folds
    lengths = np.full(120, 4)
    cut = prints(jaxrnn.from_arrays(inputs, labels, lengths=lengths))
    assert prints(*data_of(Settings(data=(inputs, labels, lengths)))) == cut


def test_tables_as_people_have_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 4)), columns=["a", "b", "c", "d"])
    frame["label"] = rng.integers(0, 2, 60)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    settings = checked({"target": ["label"]})
    in_memory = data_of(Settings(data=frame, **settings))
    from_file = data_of(Settings(data=str(tmp_path / "rows.csv"), **settings))
    assert prints(*in_memory) == prints(*from_file)
    both = checked({"target": ["c", "d"], "task": "regression"})
    assert data_of(Settings(data=frame.drop(columns="label"), **both))[0].task.outputs == 2


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"target": "a"}, "`target` is 'a', but has no meaning for arrays."),
        ({"block": 9}, "`block` is given, but has no meaning for sequences with targets."),
    ],
)
def test_settings_that_mean_nothing_for_arrays(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        data_of(Settings(data=sequences(60), **settings))


@pytest.mark.parametrize("settings", [{"split": (0.8, 0.1, 0.1)}, {"folds": 3}, {"task": "x"}])
def test_settings_that_mean_nothing_for_divided_data(
    data: jaxrnn.Data, settings: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="has no meaning for data that is divided already"):
        data_of(Settings(data=data, **settings))


@pytest.mark.parametrize("kind", [dict, search.Space])
def test_spaces_in_python(cwd: Path, kind: type[Any]) -> None:
    """The same proposals as from the file."""

    def proposed(space: Any) -> list[dict[str, Any]]:
        settings = Settings(**checked({"data": "thirds.npz", "space": space, "trials": 5}))
        sampler = Inputs.of(settings, settings.space, {}).plan.sampler
        return [proposal.configuration for proposal in sampler.ask(5, [])]

    assert proposed(kind(HYPERPARAMETERS)) == proposed("space.toml")


def test_data_of_python_is_given_again(cwd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """settings.json says so; other data and another space are refused."""
    space = search.Space(HYPERPARAMETERS)
    data, other = (jaxrnn.from_arrays(*sequences(120, seed)) for seed in (0, 1))
    tuner.search(data, space=space, out="given", progress=False, **SMALL)
    saved = json.loads(Path("given/settings.json").read_text())["settings"]
    assert (saved["data"], saved["space"]) == (IN_PYTHON, IN_SPACE_FILE)
    again: dict[str, Any] = {"resume": "given", "trials": 9, "progress": False}
    with pytest.raises(ValueError, match="`data` is missing, but this run began with data passed"):
        tuner.search(**again)
    assert command_line.main(["--resume", "given", "--trials", "9"]) == 2
    assert "`data` is missing" in capsys.readouterr().err
    with pytest.raises(ValueError, match="`data` differs from the data that this run began"):
        tuner.search(other, **again)
    with pytest.raises(ValueError, match=r"`data` is 'thirds\.npz', but this run began with 'pas"):
        tuner.search("thirds.npz", **again)
    with pytest.raises(ValueError, match=r"`space` is .*, but this run began with that of 'given"):
        tuner.search(data, space={**HYPERPARAMETERS, "cell": "lstm"}, **again)
    result = tuner.search(data, space=space, **again)
    assert len(result.trials) == 9 and result.status == "complete"


def test_a_run_that_goes_on_takes_some_settings_anew() -> None:
    begun = Settings(**checked({"seed": 3, "split": (80, 10, 10), "memory_limit": 2}))
    saved = json.loads(json.dumps(begun.saved()))
    overrides = checked(
        {"split": "80/10/10", "checkpoint_minutes": 1, "trials": 9, "resume": "out"}
    )
    settings = resumed(overrides, saved)
    assert (settings.seed, settings.split, settings.memory_limit) == (3, (80, 10, 10), 2.0)
    assert (settings.checkpoint_minutes, settings.trials, settings.resume) == (1.0, 9, "out")
    with pytest.raises(ValueError, match="`seed` is 4, but this run began with 3, and a resumed"):
        resumed(checked({"seed": 4}), saved)


def test_every_trial_diverged(cwd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wild = {"cell": "gru", "learning_rate": 1e6}
    result = tuner.search("thirds.npz", space=wild, trials=2, max_epochs=1, out="wild")
    assert "every trial of the highest rung diverged" in capsys.readouterr().out
    assert (result.status, result.best, result.model, result.test) == ("diverged", None, None, {})
    assert set(result.trials["state"]) == {"diverged"}
    assert len(repr(result).splitlines()) == 2


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"`folder` is '.*', but must be the folder of an earlier"):
        tuner.open(tmp_path)
    with pytest.raises(ValueError, match="`folder` is '5', but must be"):
        tuner.open(5)  # type: ignore[arg-type]


def test_choices_may_be_called_none(first: tuner.Result, tmp_path: Path) -> None:
    shutil.copy(first.folder / "settings.json", tmp_path)
    (tmp_path / "trials.csv").write_text("id,optimizer,momentum\n0,none,\n1,nan,0.1\n")
    trials = tuner.open(tmp_path).trials
    assert list(trials["optimizer"]) == ["none", "nan"]
    assert list(trials["momentum"].isna()) == [True, False]
    assert tuner.open(tmp_path).status == "unfinished" and tuner.open(tmp_path).history.empty


def test_a_search_in_a_thread(cwd: Path, first: tuner.Result) -> None:
    """A thread gets no signals, and can't ask for any."""
    results = []

    def work() -> None:
        more: dict[str, Any] = {"space": "space.toml", "out": "thread", "progress": False}
        results.append(tuner.search("thirds.npz", **more, **SMALL))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    pd.testing.assert_frame_equal(results[0].trials, first.trials)


def interrupt_after(path: Path) -> None:
    limit = time.monotonic() + 200
    while not path.exists() and time.monotonic() < limit:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_leaves_a_run_that_can_go_on(cwd: Path) -> None:
    before = [signal.getsignal(number) for number in ENDING]
    thread = threading.Thread(target=interrupt_after, args=(cwd / "torn" / "trials.csv",))
    thread.start()
    small: dict[str, Any] = {"trials": 3, "max_epochs": 100_000, "progress": False}
    with pytest.raises(KeyboardInterrupt, match=r"continue with .*search\(resume='torn'\)"):
        tuner.search("thirds.npz", space="space.toml", out="torn", **small)
    thread.join()
    assert [signal.getsignal(number) for number in ENDING] == before
    result = tuner.open("torn")
    assert (result.status, result.best) == ("interrupted", None)
    assert "interrupted" in set(result.trials["state"])
    (checkpoint,) = (cwd / "torn" / "checkpoints").glob("[0-9]*")
    assert int(checkpoint.name) == len(result.history) >= 3
