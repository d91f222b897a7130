"""Cohorts and memory: as many lanes as fit, by plan and by trial, and nothing lost on the way."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from jax.errors import JaxRuntimeError

import jaxrnn
from jaxrnn.population import compiler, memory_check, programs
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.layout import Layout
from jaxrnn.population.memory import GIB, Budget
from jaxrnn.training.member import Member

MEMBERS = [{"cell": cell, "hidden_size": 4 + k} for k in range(4) for cell in ("lstm", "gru")]


def trained(trainer: jaxrnn.Trainer, epochs: int = 2) -> jaxrnn.Population:
    return trainer.train(trainer.start(MEMBERS, range(8)), epochs)


def lanes_of(population: jaxrnn.Population) -> dict[str, int]:
    return {one.architecture.cell: one.layout.lanes for one in population.cohorts}


@pytest.fixture(scope="module")
def plain(data: jaxrnn.Data) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(data, lanes=1, devices=1)


def check_close(plain: jaxrnn.Trainer, population: jaxrnn.Population) -> None:
    """All members are where those of a trainer with one lane are."""
    there = trained(plain, int(population.epochs[0]))
    for name, values in plain.history(there).items():
        np.testing.assert_allclose(population.history()[name], values, rtol=1e-4, err_msg=name)


@pytest.fixture
def small_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """A device whose memory does not hold more than so many lanes of the LSTMs, as XLA tells."""
    most, train = [2.0], Cohort.train

    def limited(cohort: Cohort, *rest: Any) -> Cohort:
        if cohort.architecture.cell == "lstm" and cohort.layout.lanes > most[0]:
            train(cohort, *rest)  # takes the buffers along, as a failing program may
            raise JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return train(cohort, *rest)

    monkeypatch.setattr(Cohort, "train", limited)
    yield most


def test_out_of_memory_halves_the_lanes_and_goes_on(
    data: jaxrnn.Data, plain: jaxrnn.Trainer, small_device: list[float]
) -> None:
    made: list[int] = []  # a program that waits for another trainer makes room
    other: Any = programs.Request("other", lambda: made.append(1))  # type: ignore[arg-type]
    programs.compiled(other)
    trainer = jaxrnn.Trainer(data, lanes=4, devices=1)
    with pytest.warns(RuntimeWarning, match="4 trials side by side are too much .* on with 2"):
        population = trained(trainer)
    programs.compiled(other)
    assert len(made) == 2
    assert lanes_of(population) == {"lstm": 2, "gru": 4}
    assert trainer.compiler.programs == 4
    check_close(plain, population)
    # Those who come later know.
    again = trainer.train(trainer.select(population, range(7)), 3)
    assert lanes_of(again) == {"lstm": 2, "gru": 4} and trainer.compiler.programs == 4
    check_close(plain, trainer.train(trained(trainer), 3))


@pytest.mark.slow
def test_members_on_the_devices_are_narrowed_too(
    data: jaxrnn.Data, small_device: list[float]
) -> None:
    trainer = jaxrnn.Trainer(data, lanes=4, devices=1)
    early = [trainer.start(MEMBERS, range(8)) for _ in range(2)]
    for population in early:
        with pytest.warns(RuntimeWarning, match="4 trials side by side are too much"):
            assert lanes_of(trainer.train(population, 1)) == {"lstm": 2, "gru": 4}
    assert trainer.compiler.programs == 4


@pytest.mark.slow
def test_a_number_of_lanes_that_is_no_power_of_two(
    data: jaxrnn.Data, plain: jaxrnn.Trainer, small_device: list[float]
) -> None:
    small_device[0] = 1
    with pytest.warns(RuntimeWarning) as warned:
        population = trained(jaxrnn.Trainer(data, lanes=3, devices=1))
    assert [str(one.message).split(" ")[0] for one in warned] == ["3", "2"]
    assert lanes_of(population) == {"lstm": 1, "gru": 3}
    check_close(plain, population)


@pytest.mark.slow
def test_no_memory_at_all_is_an_error(data: jaxrnn.Data, small_device: list[float]) -> None:
    small_device[0] = 0
    with (
        pytest.warns(RuntimeWarning, match="going on with 1"),
        pytest.raises(JaxRuntimeError, match="RESOURCE_EXHAUSTED"),
    ):
        trained(jaxrnn.Trainer(data, lanes=2, devices=1))


def test_other_errors_are_not_hidden(data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise JaxRuntimeError("INTERNAL: what is this")

    monkeypatch.setattr(Cohort, "train", broken)
    with pytest.raises(JaxRuntimeError, match="INTERNAL"):
        trained(jaxrnn.Trainer(data, lanes=2, devices=1))


def test_lanes_by_what_the_compiler_says(
    data: jaxrnn.Data, plain: jaxrnn.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything runs, and said."""
    trainer = jaxrnn.Trainer(data, lanes=4, devices=1)
    (cohort, _) = trainer.start(MEMBERS, range(8)).cohorts
    work = max(
        program.memory_analysis().temp_size_in_bytes  # pyright: ignore
        for program in (cohort.programs.train, cohort.programs.evaluate)
    )
    monkeypatch.setattr(memory_check, "budget", lambda *_: Budget(int(work * 0.7), 1))
    with pytest.warns(RuntimeWarning, match="4 trials side by side .* going on with 2"):
        population = trained(trainer)
    assert set(lanes_of(population).values()) == {2}
    check_close(plain, population)
    monkeypatch.setattr(memory_check, "budget", lambda *_: Budget(work // 100, 1))
    with pytest.raises(MemoryError, match=r"`memory_limit` is 1 GiB, but training a single member"):
        trained(jaxrnn.Trainer(data, lanes=4, devices=1, memory_limit=1))


@pytest.fixture
def small_compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A compiler that finds so many lanes of the LSTMs too large, as that of a TPU does."""
    most, compile_train = [2], compiler.compile_train

    def limited(member: Member, layout: Layout, *rest: Any) -> Any:
        if member.step.architecture.cell == "lstm" and layout.lanes > most[0]:
            raise JaxRuntimeError(
                "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory "
                "space hbm. Used 26.18G of 15.75G hbm."
            )
        return compile_train(member, layout, *rest)

    monkeypatch.setattr(compiler, "compile_train", limited)
    yield most


def test_out_of_memory_at_compile_time_halves_the_lanes_too(
    data: jaxrnn.Data, plain: jaxrnn.Trainer, small_compiler: list[int]
) -> None:
    small_compiler[0] = 1
    trainer = jaxrnn.Trainer(data, lanes=4, devices=1)
    with pytest.warns(RuntimeWarning) as warned:
        population = trained(trainer)
    assert [str(one.message).split(" ")[0] for one in warned] == ["4", "2"]
    assert lanes_of(population) == {"lstm": 1, "gru": 4}
    assert trainer.compiler.programs == 4
    check_close(plain, population)


def test_no_lane_compiles(data: jaxrnn.Data, small_compiler: list[int]) -> None:
    small_compiler[0] = 0
    with (
        pytest.warns(RuntimeWarning, match="going on with 1"),
        pytest.raises(MemoryError, match="a single member takes more than the compiler finds"),
    ):
        trained(jaxrnn.Trainer(data, lanes=2, devices=1))


def test_too_many_members_are_refused_before_any_is_on_a_device(
    data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = jaxrnn.Trainer(data, memory_limit=100)
    trainer.plan_for(MEMBERS, 3)
    monkeypatch.setattr(memory_check, "budget", lambda *_: Budget(GIB // 1000, 8, 100))
    trainer.plan_for(MEMBERS, 3)
    with pytest.raises(ValueError, match=r"`memory_limit` is 100 GiB, .* 100000 members need"):
        trainer.plan_for(MEMBERS, 3, 100000)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_limits_that_make_no_sense(data: jaxrnn.Data, limit: float) -> None:
    with pytest.raises(ValueError, match=r"`memory_limit` is .*, but must be above 0, in GiB"):
        jaxrnn.Trainer(data, memory_limit=limit)
