"""What is on disk while a search runs, and how often a checkpoint is worth its time."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.curve_trainer import Curves, race

import search
from search.records.checkpoint import Checkpoints
from search.records.optuna_study import Study
from search.records.recorder import STOPPING, Recorder, resume
from search.records.run_folder import RunFolder
from search.schedulers.no_pruning import NoPruning
from search.schedulers.successive_halving import halving


class Clock:
    """A time that passes only by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


class Noted(Checkpoints):
    """Takes its time, and notes the numbers."""

    def __init__(self, folder: Path, clock: Clock, cost: float) -> None:
        super().__init__(folder)
        self.numbers: list[int] = []
        self._clock, self._price = clock, cost

    def write(self, number: int, records: Any, save: Any) -> None:
        super().write(number, records, save)
        self.numbers.append(number)
        self._clock.now += self._price


class Quiet(Study):
    """A study that is not written."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []

    def write(self, trials: Any) -> None:
        self.written.append([trial.state for trial in trials])


def recorded(
    running: search.Search, folder: Path, clock: Clock, **more: Any
) -> tuple[Callable[[bool], None], Noted, Quiet]:
    """A recorder of the search, every epoch of which takes a second."""
    checkpoints = Noted(folder / "checkpoints", clock, more.pop("cost", 0.0))
    study = Quiet()
    recorder = Recorder(running, RunFolder(folder / "run"), study, checkpoints, **more)

    def after(scored: bool) -> None:
        clock.now += 1.0
        recorder(scored)

    return after, checkpoints, study


def test_a_checkpoint_at_every_rung(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("search.records.recorder.FIRST_COST", 0.0)
    running = race({f"n{k}": float(k) for k in range(9)}, halving((9,), 1, 9, 3))
    after, checkpoints, study = recorded(running, tmp_path, clock)
    running.run(on_epoch=after)
    assert checkpoints.numbers == [9, 15, 21]
    assert [row.count("pruned") for row in study.written] == [6, 8, 8]
    assert study.written[-1].count("complete") == 1
    assert (tmp_path / "run" / "trials.csv").read_text().count("pruned") == 8


def test_checkpoints_take_little_of_the_time(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of a second each, half a percent: the next rung that is twenty seconds later.

    If the first is taken to cost as much, a search of less than that writes only its end.
    """
    monkeypatch.setattr("search.records.recorder.FIRST_COST", 0.1)
    running = race({"a": 1.0}, halving((1,), 1, 64, 2))
    after, checkpoints, _ = recorded(running, tmp_path, clock, cost=0.1)
    running.run(on_epoch=after)
    assert checkpoints.numbers == [32, 64]


def test_a_checkpoint_every_so_many_seconds(tmp_path: Path, clock: Clock) -> None:
    running = race({"a": 1.0, "b": 2.0}, NoPruning(2, 20))
    after, checkpoints, study = recorded(running, tmp_path, clock, seconds=6.0)
    running.run(on_epoch=after)
    assert checkpoints.numbers == [12, 24, 36, 40]
    assert len(study.written) == 1


def test_asked_to_stop(tmp_path: Path, clock: Clock, capfd: pytest.CaptureFixture[str]) -> None:
    """After the epoch, with a checkpoint; at once where nothing was trained, or if asked again."""
    running = race({"a": 1.0, "b": 2.0}, NoPruning(2, 20))
    checkpoints = Noted(tmp_path / "checkpoints", clock, 0.0)
    recorder = Recorder(running, RunFolder(tmp_path / "run"), Quiet(), checkpoints)
    with pytest.raises(KeyboardInterrupt):
        recorder.stop()

    def after(scored: bool) -> None:
        if running.trials[0].epochs == 3:
            recorder.stop()
            with pytest.raises(KeyboardInterrupt):
                recorder.stop()
        recorder(scored)

    with pytest.raises(KeyboardInterrupt):
        running.run(on_epoch=after)
    assert checkpoints.numbers == [6] and running.trials[0].epochs == 3
    assert capfd.readouterr().err == STOPPING.decode()


def test_taking_up(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing without a checkpoint; else trials as they were, with the members that may go on."""
    monkeypatch.setattr("search.records.recorder.FIRST_COST", 0.0)
    running = race({f"n{k}": float(k) for k in range(9)}, halving((9,), 1, 9, 3))
    after, checkpoints, _ = recorded(running, tmp_path, clock)
    replicates = search.Replicates(running.replicates.trainers)
    assert resume(replicates, checkpoints) == [] and not replicates.snapshots()

    def interrupted(scored: bool) -> None:
        after(scored)
        if checkpoints.numbers == [9, 15]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        running.run(on_epoch=interrupted)
    assert resume(replicates, checkpoints) == running.trials
    assert list(replicates.snapshots()) == [0]
    ((runner,),) = replicates.snapshots().values()
    assert runner.epochs == 3 and json.loads(runner.path[0]) == {"name": "n0"}


def test_find() -> None:
    """A whole search in one call, by any strategy."""

    def curve(configuration: dict[str, Any], epochs: int, seed: int) -> float:
        return abs(configuration["rate"] - 0.3) + 1 / epochs

    space = search.Space(rate=dict(low=0.0, high=1.0))
    for name, pruning in (("random", "halving"), ("tpe", "asha"), ("sobol", "hyperband")):
        trainer = Curves(curve)
        trials = None if pruning == "hyperband" else 40
        result = search.optimize(
            trainer, space, trials=trials, sampler=name, scheduler=pruning, max_epochs=9
        )
        assert result.best is not None and result.best.epochs == 9
        assert abs(result.best.configuration["rate"] - 0.3) < 0.1
        (runner,) = result.replicates.snapshots()[result.best.id]
        assert trainer.evaluate([runner])["loss"] == result.best.last("loss")
        assert trainer.expected
    with pytest.raises(ValueError, match="`sampler` is 'tpee'"):
        search.optimize(Curves(curve), space, sampler="tpee")
    with pytest.raises(ValueError, match=r"`maxepochs` is no option.*`max_epochs`"):
        search.optimize(Curves(curve), space, maxepochs=2)
    plain = search.optimize(Curves(curve), space.hyperparameters, trials=4, max_epochs=2)
    assert [trial.configuration for trial in plain.trials] == [
        proposal.configuration for proposal in search.make_sampler("random", space, 0).ask(4, [])
    ]
