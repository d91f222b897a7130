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
from jaxrnn.data.prepare import prepare
from jaxrnn.data.raw import Text
from jaxrnn.population import ahead, programs
from jaxrnn.population.background import Background
from jaxrnn.population.devices import population_mesh
from jaxrnn.tasks.argmax import argmax
from jaxrnn.training.member import Member

ROOT = Path(__file__).resolve().parent.parent
SPACE = {"cell": "gru", "hidden_size": 4}


def noise(kind: str) -> jaxrnn.Data:
    """A few samples of 4 steps for a task."""
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, 4, 3)).astype(np.float32) for n in (32, 16, 16)]
    if kind == "text":
        return prepare(Text("text", "abcd efgh " * 60), block=4)
    targets: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "classes": lambda part: np.arange(len(part)) % 3,
        "steps": lambda part: part.argmax(-1),
        "values": lambda part: part.sum(1),
    }
    train, validation, test = ((part, targets[kind](part)) for part in parts)
    return jaxrnn.from_splits(train, validation, test)


def searched() -> tuple[jaxrnn.Trainer, search.Search[jaxrnn.Population, jaxrnn.Snapshot]]:
    trainer = jaxrnn.Trainer(noise("classes"), devices=1)
    space = search.Space(SPACE, jaxrnn.conditions())
    return trainer, search.find(trainer, space, trials=4, max_epochs=2, eta=2)


def objects() -> int:
    gc.collect()
    return len(gc.get_objects())


def test_a_search_leaves_nothing() -> None:
    """Neither its data and programs, nor any more objects than it found."""
    before, count = len(jax.live_arrays()), 0
    for _ in range(2):
        trainer, found = searched()
        compiler = trainer.compiler
        pairs = [*compiler._known.values()]
        compiled = [getattr(one, kind) for one in pairs for kind in ("train", "evaluate")]
        owned = trainer, found, trainer.data, trainer.feed, compiler, *pairs, *compiled
        left = [weakref.ref(one) for one in owned]
        del trainer, found, compiler, pairs, compiled, owned
        count = objects()
        assert not [one() for one in left if one() is not None]
        assert len(jax.live_arrays()) <= before
    for _ in range(3):
        searched()
    assert objects() - count < 30


def test_programs_are_made_once_for_equal_trainers(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the latest alone are kept."""
    sizes: list[int] = []
    really = Member.train

    def train(self: Member, *given: Any) -> Any:
        sizes.append(self.microbatch)
        return really(self, *given)

    monkeypatch.setattr(Member, "train", train)
    losses, data = [], noise("classes")
    for microbatch in (2, 2, 4, 2):
        trainer = jaxrnn.Trainer(data, devices=1, microbatch=microbatch)
        population = trainer.train(trainer.start([SPACE], [0], 2), 1)
        losses.append(trainer.evaluate(population)["loss"])
    assert sizes == [2, 4]
    assert losses[0] == losses[1] == losses[3] != losses[2]
    for made in (programs.train_program, programs.evaluate_program):
        info = made.cache_info()
        assert info.maxsize == programs.REUSED and 2 <= info.currsize <= programs.REUSED


@pytest.mark.parametrize("kind", ["classes", *slow("steps", "values", "text")])
def test_jax_keeps_nothing_of_a_program(kind: str) -> None:
    """Caches of JAX are as large after a program as after the same one before it."""
    counts, data = [], noise(kind)
    for _ in range(3):
        for traced in ahead.trace(data, [{"hidden_size": 4}], population_mesh(1), lanes=2):
            traced.lower()
        counts.append(objects())
    assert counts[2] - counts[1] < 10


def test_memory_goes_back_once_nothing_is_left_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[int] = []
    monkeypatch.setattr("jaxrnn.population.background.cpu_cores", lambda: 1)
    monkeypatch.setattr("jaxrnn.population.background.give_back", lambda: times.append(1))
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
