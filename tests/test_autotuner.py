"""The autotuner: what it times, what it chooses, and that nothing else of a search changes."""

import json
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.errors import JaxRuntimeError
from support.marks import slow

import jaxrnn
from jaxrnn.population import autotuner
from jaxrnn.population.autotuner import Autotuner, candidates
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.options import ALONE, GRAPHS, Options
from jaxrnn.population.placement import Placement
from jaxrnn.population.tuning_cache import Candidate, TuningCache

MEMBERS = [{"cell": "rnn", "hidden_size": 3 + k, "dropout": 0.2} for k in range(6)]
PLAIN, UNROLLED = Candidate(4, Options()), Candidate(4, Options(unroll=3))
NARROW = Candidate(2, Options())


def plain_of(platform: str, time: int, lanes: int) -> Candidate:
    return Candidate(lanes, Options.default(platform, time))


@pytest.mark.parametrize(
    ("platform", "time", "lanes", "expected"),
    [
        ("cpu", 50, 1, [(1, 1, False)]),
        ("cpu", 4, 64, [(64, 1, False)]),
        ("gpu", 8, 256, [(256, 4, False), (256, 8, True), (128, 4, False)]),
        ("gpu", 50, 256, [(256, 4, False), (256, 4, True), (128, 4, False)]),
        ("gpu", 1, 1, [(1, 1, False), (1, 1, True)]),
        ("tpu", 50, 96, [(96, 4, False), (96, 1, False), (64, 4, False)]),
        ("tpu", 1, 1, [(1, 1, False)]),
    ],
)
def test_candidates(platform: str, time: int, lanes: int, expected: list[Any]) -> None:
    rivals = candidates(platform, plain_of(platform, time, lanes), time)
    assert [(one.lanes, *one.options) for one in rivals] == expected


@pytest.fixture
def rivals(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Three candidates that really run, and the seconds that a clock is to show for them."""
    clock = {PLAIN.describe(): 2.0, UNROLLED.describe(): 1.0, NARROW.describe(): 3.0}
    really = Autotuner._seconds

    def seconds(self: Autotuner, rival: Candidate, cohort: Any, members: Any, steps: int) -> float:
        took = really(self, rival, cohort, members, steps)
        assert took > 0
        return took if took == np.inf else clock[rival.describe()] * steps * len(members)

    monkeypatch.setattr(Autotuner, "_seconds", seconds)
    monkeypatch.setattr(autotuner, "SECONDS", 0.01)
    monkeypatch.setattr(
        autotuner,
        "candidates",
        lambda _, plain, __: [
            plain,
            *(one for one in (UNROLLED, NARROW) if plain[:2] == PLAIN[:2]),
        ],
    )
    return clock


def trained(trainer: jaxrnn.Trainer) -> jaxrnn.Population:
    return trainer.train(trainer.start(MEMBERS, range(6)), 2)


def made(data: jaxrnn.Data, record: Path | None = None, **more: Any) -> jaxrnn.Trainer:
    trainer = jaxrnn.Trainer(data, lanes=4, devices=1, **more)
    if record is not None:
        choices_of(trainer).keep_in(record)
    return trainer


def check_same(ours: jaxrnn.Population, theirs: jaxrnn.Population, rtol: float = 0) -> None:
    for name, values in theirs.history().items():
        np.testing.assert_allclose(ours.history()[name], values, rtol=rtol, err_msg=name)


def choices_of(trainer: jaxrnn.Trainer) -> TuningCache:
    assert trainer.placement.tuning_cache is not None
    return trainer.placement.tuning_cache


def chosen(trainer: jaxrnn.Trainer) -> list[tuple[int, int]]:
    return [(row["lanes"], row["unroll"]) for row in trainer.placement.description()]


@pytest.mark.parametrize(
    ("slow", "expected"),
    [
        (PLAIN, (4, 3)),
        *slow((UNROLLED, (4, 1)), (None, (2, 1))),
    ],
)
def test_the_fastest_is_kept_and_used_again_to_the_same_bits(
    data: jaxrnn.Data,
    rivals: dict[str, float],
    slow: Candidate | None,
    expected: tuple[int, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if slow is None:
        rivals[NARROW.describe()] = 0.5
    else:
        rivals[slow.describe()] = 9.0
    record = tmp_path / "autotuned.json"
    trainer = made(data, record)
    population = trained(trainer)
    assert chosen(trainer) == [expected] and trainer.compiler.programs == 2
    assert trainer.placement.description()[0]["seconds"] == pytest.approx(rivals)
    check_same(population, trained(made(data, autotune=False)), rtol=1e-4)
    # Another process, which times nothing and compiles nothing else.
    monkeypatch.setattr(Autotuner, "_time_all", None)
    again = made(data, record)
    check_same(trained(again), population)
    assert chosen(again) == [expected] and again.compiler.programs == 2


@pytest.mark.slow
def test_members_on_the_devices_are_compiled_anew_too(
    data: jaxrnn.Data, rivals: dict[str, float]
) -> None:
    trainer = made(data)
    early = [trainer.start(MEMBERS, range(6)) for _ in range(2)]
    first, second = (trainer.train(population, 2) for population in early)
    assert chosen(trainer) == [(4, 3)]
    assert first.cohorts[0].programs is second.cohorts[0].programs
    check_same(first, second)


def test_where_an_epoch_is_quick_nothing_else_is_compiled(
    data: jaxrnn.Data, rivals: dict[str, float], tmp_path: Path
) -> None:
    rivals[PLAIN.describe()] = autotuner.QUICK / 6 / 8 / 2  # 6 members, 8 microbatches
    record, cache = tmp_path / "autotuned.json", tmp_path / "cache"
    trainer = made(data, record)
    choices_of(trainer).cache = cache
    trained(trainer)
    assert chosen(trainer) == [(4, 1)] and trainer.compiler.programs == 2
    # The run goes on so, but another one has to see for itself.
    assert json.loads(record.read_text()) and not cache.exists()


@pytest.mark.slow
def test_what_is_asked_for_is_not_timed(
    data: jaxrnn.Data,
    rivals: dict[str, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor looked up: others may have chosen something else."""
    monkeypatch.setattr("jaxrnn.trainer.kept_beside", lambda _: tmp_path)
    first = made(data)
    choices_of(first).cache = tmp_path
    trained(first)
    assert chosen(first) == [(4, 3)]
    for asked, unroll in ((False, 1), (Options(unroll=2), 2)):
        trainer = made(data, autotune=asked)
        trained(trainer)
        assert chosen(trainer) == [(4, unroll)]
        assert trainer.placement.description()[0]["seconds"] == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        *slow((JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "memory ran out")),
        (
            JaxRuntimeError("INVALID_ARGUMENT: no such option.\nMore"),
            "INVALID_ARGUMENT: no such op",
        ),
    ],
)
def test_candidates_that_fail_are_left_out_with_a_note(
    data: jaxrnn.Data,
    rivals: dict[str, float],
    error: Exception,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really = Placement.trial

    def trial(self: Placement, cohort: Cohort, choice: Candidate, values: Any) -> Cohort:
        if choice[:2] == UNROLLED[:2]:
            raise error
        return really(self, cohort, choice, values)

    monkeypatch.setattr(Placement, "trial", trial)
    trainer = made(data)
    with pytest.warns(RuntimeWarning, match=f"leaves out 4 lanes, 3 time .*, for {reason}"):
        population = trained(trainer)
    assert chosen(trainer) == [(4, 1)]
    check_same(population, trained(made(data, autotune=False)))


def test_where_the_plain_way_fails_it_is_taken_all_the_same(
    data: jaxrnn.Data, rivals: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is kept for others: memory may be there next time."""
    really = Placement.trial

    def trial(self: Placement, cohort: Cohort, choice: Candidate, values: Any) -> Cohort:
        if choice[:2] == PLAIN[:2]:
            raise MemoryError
        return really(self, cohort, choice, values)

    monkeypatch.setattr(Placement, "trial", trial)
    trainer = made(data)
    choices_of(trainer).cache = tmp_path / "cache"
    with pytest.warns(RuntimeWarning, match="leaves out 4 lanes, 1 time .* for memory ran out"):
        trained(trainer)
    assert chosen(trainer) == [(4, 1)] and not (tmp_path / "cache").exists()


def test_nothing_works_but_the_search_goes_on(
    data: jaxrnn.Data, rivals: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trial(*_: Any) -> Cohort:
        raise MemoryError

    monkeypatch.setattr(Placement, "trial", trial)
    with pytest.warns(RuntimeWarning, match="leaves out .* for memory ran out"):
        population = trained(made(data))
    check_same(population, trained(made(data, autotune=False)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("devices", "synchronous"),
    [
        (1, True),
        (1, False),
        (2, False),
        (2, True),
    ],
)
def test_copies_are_timed_for_as_long_as_they_train(
    data: jaxrnn.Data,
    rivals: dict[str, float],
    devices: int,
    synchronous: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where members have but an epoch left, or read the data of their own epochs."""
    steps, really = [], Autotuner._run

    def run(self: Autotuner, trial: Cohort, count: int) -> float:
        before = trial.gather(trial.state.epochs)
        steps.append((before.tolist(), count))
        return really(self, trial, count)

    monkeypatch.setattr(Autotuner, "_run", run)
    trainer = jaxrnn.Trainer(data, lanes=4, devices=devices)
    trainer.plan_for(MEMBERS, 2, max_concurrent=6, synchronous=synchronous)
    early = jaxrnn.Trainer(data, lanes=4, devices=devices, autotune=False)
    early.plan_for(MEMBERS, 2, max_concurrent=6, synchronous=synchronous)
    snapshots = early.to_host(early.train(early.start(MEMBERS, range(6), 2), 1))
    population = trainer.train(trainer.to_device(snapshots), 2)
    share = min(6, 4 * devices)
    assert steps and all(epochs == [1] * share for epochs, _ in steps)
    assert chosen(trainer) == [(4, 3)]
    check_same(population, early.train(early.to_device(snapshots), 2), rtol=1e-4)


@pytest.mark.slow
def test_members_that_cannot_train_time_nothing(
    data: jaxrnn.Data, rivals: dict[str, float]
) -> None:
    """Those that have come to their own end, where each reads the data of its own epoch."""
    trainer, plain = made(data), made(data, autotune=False)
    members = [{**MEMBERS[0], "epochs": 1}] * 2
    for one in (trainer, plain):
        one.plan_for(members, 5, max_concurrent=2, synchronous=False)
    snapshots = plain.to_host(plain.train(plain.start(members, range(2), 5), 1))
    with pytest.warns(RuntimeWarning, match="for no member has an epoch left to train"):
        trainer.train(trainer.to_device(snapshots), 2)


def test_a_cpu_has_nothing_to_choose(data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Autotuner, "_time_all", None)
    trained(made(data))


# Files


def test_the_cache_serves_other_runs_of_the_same_kind(
    data: jaxrnn.Data, rivals: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(**more: Any) -> jaxrnn.Trainer:
        trainer = made(data, **more)
        choices_of(trainer).cache = tmp_path / "cache"
        return trainer

    trained(kept())
    (path,) = (tmp_path / "cache").iterdir()
    monkeypatch.setattr(Autotuner, "_time_all", None)
    second = kept()
    trained(second)
    assert chosen(second) == [(4, 3)]
    with pytest.raises(TypeError):  # one of another kind would time, which is forbidden above
        trained(kept(precision="default"))
    path.write_text("[1")
    with (
        pytest.warns(RuntimeWarning, match=r"json' is damaged: .* It is written anew"),
        pytest.raises(TypeError),
    ):
        trained(kept())


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_files_that_are_no_choices_are_refused(value: Any) -> None:
    check_refused({"key": value})
    check_refused({"key": {"lanes": value, "unroll": 1, "graphs": False, "seconds": {}}})
    check_refused(value)


def check_refused(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "autotuned.json"
        path.write_text(json.dumps(value))
        whole = isinstance(value, dict) and isinstance(value["key"], dict)
        lanes = value["key"]["lanes"] if whole else None
        if whole and type(lanes) is int and 1 <= lanes <= 4096:
            return
        with pytest.raises(ValueError, match="is damaged: it must hold the choices"):
            TuningCache("").keep_in(path)


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_said(
    data: jaxrnn.Data, rivals: dict[str, float], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    trainer = made(data)
    choices_of(trainer).cache = tmp_path / "file" / "cache"
    with pytest.warns(RuntimeWarning, match=r"can't be written .*, so what was timed is not kept"):
        trained(trainer)
    assert chosen(trainer) == [(4, 3)]


@pytest.mark.parametrize(
    ("platform", "devices", "graphs", "expected"),
    [
        ("cpu", 1, True, {}),
        ("cpu", 2, True, ALONE),
        ("gpu", 1, True, GRAPHS),
        ("gpu", 2, False, {}),
        ("tpu", 8, False, {}),
    ],
)
def test_options_for_xla(platform: str, devices: int, graphs: bool, expected: Any) -> None:
    """Of devices that are not here, of which only kind and number count."""
    one = SimpleNamespace(platform=platform)
    mesh: Any = SimpleNamespace(devices=np.array([one] * devices), size=devices)
    assert Options(graphs=graphs).for_compiler(mesh) == expected
