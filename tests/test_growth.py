"""What a process that runs one search after another keeps of those behind it: some programs."""

import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from support.marks import slow

import jaxrnn
import search
from jaxrnn.data.options import TaskOptions
from jaxrnn.data.prepare import prepare
from jaxrnn.data.records import LongText
from jaxrnn.population import ahead, programs
from jaxrnn.population.background import Background
from jaxrnn.population.devices import population_mesh
from jaxrnn.tasks.metrics import argmax
from jaxrnn.training.member import Member

ROOT = Path(__file__).resolve().parent.parent
SPACE = {"cell": "gru", "hidden_size": 4}


def noise(kind: str, samples: int = 32) -> jaxrnn.Data:
    """So many samples to train on, of 4 steps, for a task."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 4, 3)).astype(np.float32) for n in (samples, 16, 16)]
    if kind == "text":
        return prepare(LongText("text", "abcd efgh " * 60), TaskOptions(block=4))
    targets: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "classes": lambda part: np.arange(len(part)) % 3,
        "steps": lambda part: part.argmax(-1),
        "values": lambda part: part.sum(1),
    }
    train, validation, test = ((part, targets[kind](part)) for part in parts)
    return jaxrnn.from_splits(train, validation, test)


def searched() -> tuple[jaxrnn.Trainer, search.Search]:
    trainer = jaxrnn.Trainer(noise("classes"), devices=1)
    space = search.Space(SPACE, jaxrnn.conditions())
    return trainer, search.optimize(trainer, space, trials=4, max_epochs=2, eta=2)


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_a_search_leaves_nothing() -> None:
    """But programs that wait for another like it: neither data nor more objects than it found."""
    searched()  # what JAX traces after other tests emptied its caches stays once
    before, waiting = len(jax.live_arrays()), []
    for _ in range(2):
        trainer, found = searched()
        compiler = trainer.compiler
        pairs = [*compiler._cache.values()]
        compiled = [getattr(one, kind) for one in pairs for kind in ("train", "evaluate")]
        owned = trainer, found, trainer.data, trainer.training_data, compiler, *pairs
        left, waiting = ([weakref.ref(one) for one in some] for some in (owned, compiled))
        del trainer, found, compiler, pairs, compiled, owned
        objects()
        assert not [one() for one in left if one() is not None]
        assert len(jax.live_arrays()) <= before
    counts = [objects()]
    for _ in range(3):
        for _ in range(3):
            searched()
        counts.append(objects())
    assert min(np.diff(counts)) < 30  # caches of others may fill at first
    programs.compiled.cache_clear()
    gc.collect()
    assert not [one() for one in waiting if one() is not None]


def trained(data: jaxrnn.Data, optimizer: str = "adam", **given: Any) -> float:
    """The loss after an epoch, by a trainer of its own."""
    trainer = jaxrnn.Trainer(data, devices=1, **given)
    population = trainer.train(trainer.start([SPACE | {"optimizer": optimizer}], [0], 2), 1)
    return float(trainer.evaluate(population)["loss"][0])


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Microbatches of the training programs that are traced while this test runs."""
    sizes: list[int] = []
    really = Member.train

    def train(self: Member, *given: Any) -> Any:
        sizes.append(self.microbatch)
        return really(self, *given)

    monkeypatch.setattr(Member, "train", train)
    programs.compiled.cache_clear()
    return sizes


def test_equal_trainers_share_their_programs(traces: list[int]) -> None:
    data = noise("classes")
    losses = [trained(data, microbatch=size) for size in (2, 2, 4, 2)]
    assert traces == [2, 4]
    assert losses[0] == losses[1] == losses[3] != losses[2]


def test_trainers_that_differ_share_nothing(traces: list[int]) -> None:
    """Data, precision, settings of JAX, or an optimizer that may have changed differ."""
    data = noise("classes")
    trained(data, microbatch=2)
    trained(data, microbatch=2, precision="default")
    trained(noise("classes", samples=40), microbatch=2)
    try:
        jax.config.update("jax_default_prng_impl", "rbg")
        trained(data, microbatch=2)
    finally:
        jax.config.update("jax_default_prng_impl", "threefry2x32")
    assert len(traces) == 4
    for _ in range(2):
        trained(data, microbatch=2, optimizer="optax.lamb")
    assert len(traces) == 6


def test_the_latest_programs_alone_wait() -> None:
    made: list[int] = []
    for number in [*range(programs.MAX_PROGRAMS + 1), programs.MAX_PROGRAMS, 0]:
        request = programs.Request(number, lambda number=number: made.append(number))  # type: ignore
        programs.compiled(request)
    assert made == [*range(programs.MAX_PROGRAMS + 1), 0]
    programs.compiled.cache_clear()


@pytest.mark.parametrize("kind", ["classes", *slow("steps", "values", "text")])
def test_jax_keeps_nothing_of_a_program(kind: str) -> None:
    """Caches of JAX are as large after a program as after the same one before it."""
    counts, data, cohort = [], noise(kind), ahead.CohortSpec(population_mesh(1), lanes=2)
    for _ in range(3):
        for traced in ahead.trace(data, [{"hidden_size": 4}], cohort):
            traced.lower()
        counts.append(objects())
    assert counts[2] - counts[1] < 10


def test_memory_goes_back_once_nothing_is_left_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []
    monkeypatch.setattr("jaxrnn.population.background.cpu_cores", lambda: 1)
    monkeypatch.setattr("jaxrnn.population.background.release_memory", lambda: times.append(1))
    background, program = Background(), jax.jit(lambda x: x).lower(0).compile()
    first = background.start(lambda: background.start(lambda: program) and program)
    background.wait([first])
    background._pool.shutdown()  # pyright: ignore[reportOptionalMemberAccess]
    assert len(times) == 1


@pytest.mark.parametrize("lanes", [0, 2])
def test_argmax_is_that_of_numpy(lanes: int) -> None:
    values = np.random.default_rng(0).integers(0, 3, (max(lanes, 1), 5, 4)).astype(np.float32)
    values[0, 0, 2:], values[0, 1], values[0, 2, 1] = np.nan, -np.inf, np.inf
    found = jax.jit(jax.vmap(argmax) if lanes else argmax)(values)
    assert np.array_equal(found, values.argmax(-1)) and found.dtype == np.int32


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems give memory back in other ways")
def test_a_process_does_not_grow(tmp_path: Path) -> None:
    """By its resident set."""
    code = (
        "import growth; row = growth.measure('same-kept', 40); "
        "assert row['growth'] < 10 and row['rows'][-1]['objects'] - row['rows'][1]['objects'] < 100"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    quick = {"XLA_FLAGS": "--xla_backend_optimization_level=0", "PYTHONPATH": path}
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")} | quick
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
