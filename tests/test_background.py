"""Compiling in the background: who waits for what, and what becomes of it after Ctrl-C."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.population import compiler as compiling
from jaxrnn.population.background import Background, Programs
from jaxrnn.population.programs import compiled
from jaxrnn.training.member import Member

MIXED = [{"cell": "lstm", "hidden_size": 4}, {"cell": "gru", "hidden_size": 4}] * 2


def doubled() -> Any:
    return jax.jit(lambda x: x * 2).lower(np.float32(1)).compile()


def held(back: threading.Event, compile: Callable[[], Any] = doubled) -> Callable[[], Any]:
    def run() -> Any:
        assert back.wait(60)
        return compile()

    return run


def test_every_caller_waits() -> None:
    background, hold = Background(), threading.Event()
    slow = Programs(background, held(hold), lambda _: held(hold)(), None)
    quick = Programs(background, doubled, lambda _: doubled(), None)
    assert not slow.ready and not slow.cancelled
    threading.Timer(0.3, hold.set).start()
    assert slow.train(np.float32(4)) == 8.0 and slow.evaluate(np.float32(5)) == 10.0
    assert 0.2 < background.seconds < 60
    assert quick.train(np.float32(4)) == 8.0 and slow.ready
    waited = background.seconds
    assert slow.train(np.float32(1)) == 2.0 and background.seconds == waited


def test_batches_of_other_shapes_have_a_program_of_their_own() -> None:
    """Compiled when they are first read, and once."""
    asked: list[int] = []

    def doubled_array(values: Any) -> Any:
        asked.append(len(values))
        return jax.jit(lambda x: x * 2).lower(values).compile()

    programs = Programs(Background(), doubled, doubled_array, np.ones(2))
    for size in (3, 2, 3, 2):
        assert programs.evaluate_on(np.ones(size))(np.ones(size)).tolist() == [2.0] * size
    assert programs.evaluate_on(np.zeros(2)) is programs.evaluate
    assert asked == [2, 3]


def test_failures_to_compile_are_raised() -> None:
    def fail(_: Any) -> Any:
        raise TypeError("no such thing")

    programs = Programs(Background(), doubled, fail, None)
    assert programs.train(np.float32(4)) == 8.0
    for _ in range(2):
        with pytest.raises(TypeError, match="no such thing"):
            _ = programs.evaluate


def test_cohorts_train_as_their_programs_come(
    data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bits are those of a trainer that had all from the beginning."""
    hold, compile_train = threading.Event(), compiling.compile_train

    def slowly(member: Member, *rest: Any) -> Any:
        if member.step.architecture.cell == "lstm":
            assert hold.wait(60)
        return compile_train(member, *rest)

    monkeypatch.setattr(compiling, "compile_train", slowly)
    trainer, increments = jaxrnn.Trainer(data), []

    def on_progress(member_epochs: float) -> None:
        increments.append(member_epochs)
        if sum(increments) >= 2:  # both GRUs, before there is anything for the LSTMs
            hold.set()

    population = trainer.train(trainer.start(MIXED, range(4)), 1, on_progress)
    assert increments[0] <= 2 and min(increments) > 0 and sum(increments) == pytest.approx(4)
    expected = jaxrnn.Trainer(data)
    others = expected.train(expected.start(MIXED, range(4)), 1)
    for name, values in expected.evaluate(others).items():
        assert np.array_equal(trainer.evaluate(population)[name], values), name


def test_threads_trace_in_turn(data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side they would get copies of JAX's functions, and other programs each time."""
    tracing, together = Counter[int](), list[int]()

    def slowly(method: Callable[..., Any]) -> Callable[..., Any]:
        def trace(*arguments: Any) -> Any:
            thread = threading.get_ident()
            tracing[thread] += 1
            together.append(len(+tracing))
            time.sleep(0.05)
            try:
                return method(*arguments)
            finally:
                tracing[thread] -= 1

        return trace

    monkeypatch.setattr(Member, "train", slowly(Member.train))
    monkeypatch.setattr(Member, "evaluate", slowly(Member.evaluate))
    compiled.cache_clear()
    trainer = jaxrnn.Trainer(data)
    trainer.train(trainer.start(MIXED, range(4)), 1)
    assert set(together) == {1}


def test_after_ctrl_c_no_caller_waits_and_all_is_compiled_again(
    data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxrnn.population.background.cpu_cores", lambda: 1)
    hold, compile_train = threading.Event(), compiling.compile_train
    monkeypatch.setattr(
        compiling, "compile_train", lambda *own: held(hold, lambda: compile_train(*own))()
    )
    trainer = jaxrnn.Trainer(data)
    population = trainer.start(MIXED, range(4))

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("jaxrnn.population.background.wait", interrupted)
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            trainer.train(population, 1)
        assert time.monotonic() - begin < 30
    assert all(cohort.programs.cancelled for cohort in population.cohorts)
    hold.set()
    again = trainer.train(trainer.start(MIXED, range(4)), 1)
    assert np.isfinite(trainer.evaluate(again)["loss"]).all()
    assert trainer.compiler.programs == 4
