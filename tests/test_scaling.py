"""More devices, more members, more rungs: no talk between devices, no transfers, no compiling."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
import pytest
from support.marks import slow

import jaxrnn
import search
from jaxrnn.population.cohort import Cohort

LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 8}
GRU: dict[str, Any] = {"cell": "gru", "hidden_size": 6, "dropout": 0.3, "patience": 3}
COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "all-to-all",
    "collective-permute",
    "reduce-scatter",
    "collective-broadcast",
)


def hlo(cohort: Cohort) -> dict[str, str]:
    """The compiled programs of a cohort, as XLA writes them."""
    programs = {"train": cohort.programs.train, "evaluate": cohort.programs.evaluate}
    return {name: program.as_text() or "" for name, program in programs.items()}


@contextmanager
def compiling() -> Iterator[list[str]]:
    """A list that grows with every program that XLA compiles."""
    jax.clear_caches()  # or what an earlier test compiled would not be counted
    compiled: list[str] = []

    def count(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        yield compiled
    finally:
        jax.monitoring.clear_event_listeners()


@pytest.mark.parametrize("devices", [*slow(1), 2, *slow(4, 8)])
def test_programs_have_no_collectives(data: jaxrnn.Data, devices: int) -> None:
    """One lane of one cohort, several of the other; the text names its devices, and loops."""
    for lanes, entries in ((1, LSTM), (2, GRU)):
        if devices in (4, 8) and lanes == 2:
            continue  # compiled as for two devices
        trainer = jaxrnn.Trainer(data, devices=devices, lanes=lanes)
        (cohort,) = trainer.start([entries] * devices * lanes, range(devices * lanes)).cohorts
        for name, text in hlo(cohort).items():
            assert "while" in text, name
            assert devices == 1 or f"num_partitions={devices}" in text
            assert not [word for word in COLLECTIVES if word in text], name


def test_collectives_would_be_found() -> None:
    """Or the test above could not fail."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:4]), ("population",))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("population"))
    given = jax.ShapeDtypeStruct((8, 3), np.float32, sharding=spread)
    text = jax.jit(lambda x: x - x.mean(0, keepdims=True)).lower(given).compile().as_text() or ""
    assert [word for word in COLLECTIVES if word in text] == ["all-reduce"]
    assert "num_partitions=4" in text


@pytest.mark.parametrize("lanes", [*slow(1), 2])
def test_no_transfer_inside_a_rung(data: jaxrnn.Data, lanes: int) -> None:
    """Several epochs of two cohorts, some members behind others: explicit puts are all there is."""
    trainer = jaxrnn.Trainer(data, devices=2, lanes=lanes)
    members = [LSTM, GRU, LSTM, GRU, LSTM, LSTM]
    population = trainer.train(trainer.start(members, range(6)), [0, 1, 1, 0, 2, 0])
    assert len(population.cohorts) == 2
    with jax.transfer_guard("disallow"):
        population = trainer.train(population, [4, 3, 4, 4, 4, 2])
        scores = trainer.evaluate(population)
    assert population.epochs.tolist() == [4, 3, 4, 4, 4, 2]
    assert np.isfinite(scores["loss"]).all()


def test_rungs_compile_nothing(data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two programs for each of two cohorts, all of them before the first score."""
    space = search.Space(cell=["lstm", "gru"], hidden_size=[4, 6, 8], learning_rate=[0.003, 0.01])
    rounds: list[tuple[int, int]] = []
    with compiling() as compiled:
        trainer = jaxrnn.Trainer(data, devices=2)
        train = trainer.train

        def watched(*given: Any) -> Any:
            rounds.append((len(given[0]), len(compiled)))
            return train(*given)

        monkeypatch.setattr(trainer, "train", watched)
        found = search.optimize(trainer, space, 9, scheduler="halving", max_epochs=9, eta=3)
    assert found.best is not None and found.best.epochs == 9
    first = [members for members, _ in rounds if members == 9]  # trains in parts
    assert 1 <= len(first) <= 2
    assert [members for members, _ in rounds] == [*first, *[3] * 2, *[1] * 6]
    assert len({trial.configuration["cell"] for trial in found.trials}) == 2
    assert trainer.compiler.programs == 4 and len(compiled) == 4
    assert {count for _, count in rounds[2:]} == {4}
    assert found.clock.train > 0
