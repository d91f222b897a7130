"""The first rung in parts: scores come early, and nothing else changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.curve_trainer import Curves, Listed
from support.datasets import sequences

import jaxrnn.tuner
import search
from jaxrnn.population import loop
from search.first_rung import next_part
from search.schedulers.registry import SCHEDULERS, make_scheduler

TRIALS = 16


def curve(configuration: dict[str, Any], epochs: int, seed: int) -> float:
    width = configuration["width"]
    return float("nan") if width == 3 else abs(width - 7.3) + (width % 3) / epochs


def fresh(
    scheduler: str, first: int, part: int | None, most: int = 99, repeats: int = 1
) -> search.Search:
    """A search that scores first after `first` epochs, and trains `part` members first, if any."""
    space = search.Space(width=dict(low=0, high=TRIALS - 1), rate=dict(low=0.05, high=0.9))
    configurations = [{"width": k, "rate": 0.3} for k in range(TRIALS)]
    schedule = make_scheduler(scheduler, TRIALS, first, 4 * first, 2, 0)
    plan = search.Plan(space, Listed(configurations), schedule, max_concurrent=most)
    trainers = [Curves(curve, ["rate"]) for _ in range(repeats)]
    for trainer in trainers:
        trainer.part = part
    return search.Search(plan, search.Replicates(trainers, repeats))


def outcome(running: search.Search) -> tuple[list[str], Any, Any]:
    """All that is left of a search but the times, NaN in texts, so that it equals itself."""
    trials = [repr(replace(trial, begun=0.0, finished=None)) for trial in running.trials]
    return trials, dict(running.replicates.snapshots()), running.best and running.best.id


@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("most", [99, 5])
def test_parts_change_no_result(scheduler: str, first: int, most: int) -> None:
    whole, parts = (fresh(scheduler, first, part, most) for part in (None, 3))
    reports: list[search.Progress] = []
    whole.run()
    parts.run(reports.append)
    assert outcome(parts) == outcome(whole)
    epochs = 4 * first if scheduler == "none" else first
    early = next(report for report in reports if report.scored)
    assert early.best is not None and early.trained == 3 * epochs
    assert parts._trained == whole._trained


def test_parts_hold_whole_trials_of_all_folds() -> None:
    """A trial has two members in each of two folds, and five make three trials."""
    whole, parts = (fresh("halving", 1, part, repeats=2) for part in (None, 5))
    scored: list[float] = []
    whole.run()
    parts.run(lambda report: scored.append(report.trained) if report.scored else None)
    assert outcome(parts) == outcome(whole) and scored[0] == 3


@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
@pytest.mark.parametrize("stop_at", range(1, 15, 2))
def test_a_search_taken_up_between_parts_ends_the_same(scheduler: str, stop_at: int) -> None:
    """Also where the process that goes on makes other parts."""
    whole, first = fresh(scheduler, 2, None, 5), fresh(scheduler, 2, 2, 5)
    whole.run()
    steps = 0

    def after(scored: bool) -> None:
        nonlocal steps
        steps += 1
        if steps == stop_at:
            first.replicates.snapshots()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(on_epoch=after)
    for trainer in first.replicates.trainers:
        assert isinstance(trainer, Curves)
        trainer.part = 1
    again = search.Search(first.plan, first.replicates.copy(), first.trials)
    again.run()
    assert outcome(again) == outcome(whole)


def test_one_part_comes_early_where_trials_end_at_the_first_rung() -> None:
    """Whoever has ended is taken from the devices, so that every further part would move all."""
    running, scored = fresh("none", 2, 3), []
    running.run(lambda report: scored.append(report.trained) if report.scored else None)
    assert scored == [3 * 8, TRIALS * 8]


def test_members_stay_where_they_are_until_the_rung_is_full() -> None:
    running = fresh("halving", 2, 3)
    running.run()
    trainer: Any = running.replicates.trainers[0]
    assert trainer.moves_to_device == 3  # once a rung


def digits(folder: Path) -> jaxrnn.tuner.Result:
    inputs, labels = sequences(120)
    space = dict(cell=["lstm", "gru"], hidden_size=dict(low=4, high=16), dropout=0.2)
    options: dict[str, Any] = dict(space=space, trials=12, max_epochs=3, devices=1, out=str(folder))
    return jaxrnn.tuner.search((inputs, labels), **options)


def test_networks_train_to_the_same_bits_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loop, "FIRST_MEMBERS", 2)
    parts = digits(tmp_path / "parts")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch 1/3")]
    assert len(lines) > 2 and "none yet" not in lines[0]
    everybody = lambda self, population, active: np.flatnonzero(active)  # noqa: E731
    monkeypatch.setattr(loop.Loop, "next_part", everybody)
    whole = digits(tmp_path / "whole")
    assert capsys.readouterr().out.count("epoch 1/3") == 1
    for name in ("trials.csv", "history.csv"):
        same = [(result.folder / name).read_bytes() for result in (parts, whole)]
        assert same[0] == same[1], name
    assert parts.summary["programs"] == whole.summary["programs"] == 4
    with (
        np.load(parts.folder / "best" / "parameters.npz") as one,
        np.load(whole.folder / "best" / "parameters.npz") as other,
    ):
        assert all(np.array_equal(one[name], other[name]) for name in other.files)


def test_a_part_is_whole_rows_of_a_cohort() -> None:
    """Few at first, then as many as have trained, and all that are left of the cohort."""
    inputs, labels = sequences(120)
    trainer = jaxrnn.Trainer(jaxrnn.from_arrays(inputs, labels), lanes=3, devices=1)
    kinds = [{"cell": "lstm" if k % 5 else "gru", "hidden_size": 4} for k in range(25)]
    population = trainer.start(kinds, range(25), 2)
    left, sizes = list(range(25)), []
    while left:
        part = trainer.next_part(population, left)
        assert set(part) <= set(left) and len({kinds[k]["cell"] for k in part}) == 1
        totals = population.epochs + np.isin(range(25), part)
        population = trainer.train(population, totals.tolist())
        left = [k for k in left if k not in part]
        sizes.append(len(part))
    assert sum(sizes) == 25 and sizes in ([9, 9, 2, 5], [5, 9, 11])


def test_a_part_goes_on_before_others_begin() -> None:
    running = fresh("halving", 2, None)
    running._decide()
    first, second, *_ = running.trials
    assert next_part([first, second], lambda trials: trials[:1]) == [first]
    second.epochs = 1
    assert next_part([first, second], lambda trials: trials[:1]) == [second]


def test_only_the_trials_that_begin_first_train_in_parts() -> None:
    """Later ones come to a rung that has a best trial already."""
    scored: list[float] = []
    fresh("halving", 1, 2, 5).run(
        lambda report: scored.append(report.trained) if report.scored else None
    )
    assert scored[:6] == [2, 4, 5, 10, 15, 16]
