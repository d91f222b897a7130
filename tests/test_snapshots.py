"""Members at epochs of their own, snapshots and placed anywhere: no bit of their future changes."""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.streams import in_memory, streamed

import jaxrnn
from jaxrnn.data.text import to_blocks
from jaxrnn.data.vocabulary import Vocabulary
from jaxrnn.population.devices import population_mesh
from jaxrnn.population.layout import Layout
from jaxrnn.tasks.language import Language

EPOCHS = 5
LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 10}
GRU: dict[str, Any] = {"cell": "gru", "hidden_size": 7}
WILD = {**LSTM, "optimizer": "sgd", "learning_rate": 1e30, "clip_norm": float("inf")}
GROWN = {**LSTM, "batch_size": 24, "schedule": "cosine", "warmup_epochs": 1.5, "dropout": 0.3}
STOPPED = {**LSTM, "patience": 1, "min_delta": 0.2, "learning_rate": 0.03, "hidden_size": 6}
STALLED = {**LSTM, "schedule": "plateau", "plateau_patience": 1, "plateau_min_delta": 0.1}
SHORT = {**LSTM, "epochs": 2, "batch_growth_epochs": 1, "batch_growth": 1.5}
LSTMS = [WILD, GROWN, STOPPED, STALLED, SHORT]
GRUS = [{**GRU, "dropout": 0.3}, {**GRU, "hidden_size": 5, "recurrent_dropout": 0.2}]
MIXED = [*LSTMS[:2], GRUS[0], *LSTMS[2:], GRUS[1]]


def text() -> jaxrnn.Data:
    """State is carried from block to block."""
    tokens = ("?", *"abcdef")
    rng = np.random.default_rng(0)
    parts = [to_blocks(np.sort(rng.integers(1, 7, size)), 4) for size in (240, 120, 90)]
    task, encoder = Language(tokens, "character"), Vocabulary(tokens, "character")
    return jaxrnn.Data("text", task, parts[0], parts[1], parts[2], encoder)


class Case(NamedTuple):
    """A trainer, and the snapshots of members that train together, epoch by epoch."""

    trainer: jaxrnn.Trainer
    reference: list[list[jaxrnn.Snapshot]]  # by number of epochs, then by member

    @property
    def members(self) -> int:
        return len(self.reference[0])


TEXTS = [GROWN, {**STOPPED, "min_delta": 9.0}, {**LSTM, "recurrent_dropout": 0.2}]
CASES = {
    "one lane": (lambda: in_memory(), MIXED, 1, 1),
    "one lane, apart": (lambda: in_memory(), MIXED, 1, 3),
    "two lanes": (lambda: in_memory(), MIXED, 2, 1),
    "two lanes, apart": (lambda: in_memory(), MIXED, 2, 3),
    "a stream": (lambda: streamed(in_memory(), 1), LSTMS, 2, 1),
    "a text": (text, TEXTS, 2, 1),
    "a text, apart": (text, TEXTS, 2, 5),
}
"""Data, members, lanes, and how many epochs those may be apart who take the same turn."""


QUICK = ["two lanes, apart", "a text"]


@pytest.fixture(
    scope="module",
    params=[pytest.param(one, marks=[] if one in QUICK else pytest.mark.slow) for one in CASES],
)
def case(request: pytest.FixtureRequest) -> Any:
    data, members, lanes, spread = CASES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxrnn.population.input_pipeline.MAX_STEPS", 2)
        patch.setattr("jaxrnn.population.input_pipeline.MAX_EPOCH_WINDOW", spread)
        trainer = jaxrnn.Trainer(data(), microbatch=8, lanes=lanes, devices=2)
        if spread > 1:
            trainer.plan_for(members, EPOCHS, 2 * len(members), synchronous=False)
        population = trainer.start(members, range(len(members)), EPOCHS)
        reference = [trainer.to_host(population)]
        for epochs in range(1, EPOCHS + 1):
            population = trainer.train(population, epochs)
            reference.append(trainer.to_host(population))
        yield Case(trainer, reference)


def assert_same(one: jaxrnn.Snapshot, other: jaxrnn.Snapshot) -> None:
    """In every bit, NaN included, and in kind."""
    assert (one.configuration, one.seed, one.max_epochs) == (
        other.configuration,
        other.seed,
        other.max_epochs,
    )
    assert one.architecture == other.architecture and one.epochs == other.epochs
    leaves = [jax.tree.flatten((each.packed, each.state, each.metrics)) for each in (one, other)]
    assert leaves[0][1] == leaves[1][1]
    for first, second in zip(leaves[0][0], leaves[1][0], strict=True):
        assert (first.dtype, first.shape) == (second.dtype, second.shape)
        assert first.tobytes() == second.tobytes()


def check(case: Case, population: jaxrnn.Population, members: list[int], seen: list[int]) -> None:
    """Every member equals its reference after as many epochs."""
    assert population.epochs.tolist() == seen
    for member, epochs, snapshot in zip(
        members, seen, case.trainer.to_host(population), strict=True
    ):
        assert_same(snapshot, case.reference[epochs][member])
    history = case.trainer.history(population)
    for position, (member, epochs) in enumerate(zip(members, seen, strict=True)):
        reports = np.stack([rows[:, position] for rows in history.values()], axis=1)
        assert len(reports) == max(seen) and np.isnan(reports[epochs:]).all()
        np.testing.assert_array_equal(reports[:epochs], case.reference[epochs][member].metrics)


def test_reference_members_differ(case: Case) -> None:
    """Or the tests that follow could not fail."""
    for member in range(case.members):
        states = [snapshots[member].state for snapshots in case.reference]
        moved = np.any(
            states[0].train_state.parameters.kernels != states[2].train_state.parameters.kernels
        )
        assert moved or states[2].train_state.diverged
    last = case.reference[-1]
    ran = [int(one.state.epochs) for one in last]
    assert min(ran) < max(ran) == EPOCHS  # a member stopped
    assert all(len(one.metrics) == one.epochs == EPOCHS for one in last)
    assert [one.seed for one in last] == list(range(case.members))
    if case.members > 3:
        assert [bool(one.state.train_state.diverged) for one in last].count(True) == 1


def test_own_totals_change_no_bit(case: Case) -> None:
    trainer, count = case.trainer, case.members
    population = trainer.to_device(case.reference[0])
    members, programs = [*range(count)], trainer.compiler.programs
    for seed in range(3):
        rng = np.random.default_rng(seed)
        goals = [int(rng.integers(low, EPOCHS)) for low in population.epochs]
        increments: list[float] = []
        asked = sum(goals) - population.epochs.sum()
        population = trainer.train(population, goals, increments.append)
        assert all(one > 0 for one in increments)
        assert sum(increments) == pytest.approx(asked)
        check(case, population, members, goals)
    population = trainer.train(population, EPOCHS)
    check(case, population, members, [EPOCHS] * count)
    assert trainer.compiler.programs == programs


@pytest.mark.parametrize("seed", range(3))
def test_to_host_and_to_device_anywhere(case: Case, seed: int) -> None:
    """Fewer or the same ones twice, from any epoch, in any order, among others or alone."""
    trainer, rng = case.trainer, np.random.default_rng(seed)
    for count in (case.members, 1, 2):
        members = rng.integers(case.members, size=count).tolist()
        seen = rng.integers(EPOCHS, size=count).tolist()
        snapshots = [case.reference[epochs][k] for k, epochs in zip(members, seen, strict=True)]
        for _ in range(2):
            population = trainer.to_device(snapshots)
            check(case, population, members, seen)
            seen = [int(rng.integers(low, EPOCHS + 1)) for low in seen]
            population = trainer.train(population, seen)
            check(case, population, members, seen)
            order = rng.permutation(count).tolist()
            snapshots = trainer.to_host(population)
            snapshots = [snapshots[k] for k in order]
            members, seen = [members[k] for k in order], [seen[k] for k in order]


def test_chosen_positions_score_as_all_do(case: Case) -> None:
    trainer, snapshots = case.trainer, case.reference[2]
    population = trainer.to_device(snapshots)
    for split in ("validation", "test"):
        whole = trainer.evaluate(population, split)
        for positions in ([case.members - 1], [1, 0], [2, 2], []):
            others = [k for k in range(case.members) if k not in positions]
            some = trainer.evaluate(population, split, positions)
            assert some.keys() == whole.keys()
            for name, values in some.items():
                np.testing.assert_array_equal(values[positions], whole[name][positions])
                assert np.isnan(values[others]).all() and values.shape == (case.members,)
    scores = trainer.evaluate(population, positions=np.array([1]))["loss"]  # type: ignore[arg-type]
    assert np.isfinite(scores).tolist() == [k == 1 for k in range(case.members)]


def test_saved_and_restored(case: Case, tmp_path: Path) -> None:
    """All epochs at once, in order; the future of the restored ones is the same."""
    trainer, rng = case.trainer, np.random.default_rng(0)
    snapshots = [one for snapshots in case.reference for one in snapshots]
    snapshots = [snapshots[k] for k in rng.permutation(len(snapshots))]
    trainer.save(snapshots, tmp_path / "new")
    restored = trainer.restore(str(tmp_path / "new"))
    for one, other in zip(restored, snapshots, strict=True):
        assert_same(one, other)
        assert jax.tree.map(type, one.configuration) == jax.tree.map(type, other.configuration)
    population = trainer.train(trainer.to_device(restored[:4]), EPOCHS)
    check(case, population, [one.seed for one in restored[:4]], [EPOCHS] * 4)


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [1, 2])
def test_members_that_may_be_apart_learn_the_same(
    lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other programs, for the data is each member's own, but no other numbers."""
    monkeypatch.setattr("jaxrnn.population.input_pipeline.MAX_EPOCH_WINDOW", EPOCHS)
    snapshots = []
    for synchronous in (True, False):
        trainer = jaxrnn.Trainer(in_memory(), microbatch=8, lanes=lanes, devices=2)
        trainer.plan_for(MIXED, EPOCHS, 9, synchronous)
        population = trainer.start(MIXED, range(len(MIXED)), EPOCHS)
        assert population.epoch_window == (1 if synchronous else EPOCHS)
        population = trainer.train(population, [2, 0, 1, 1, 0, 3, 4])
        snapshots.append(trainer.to_host(trainer.train(population, EPOCHS)))
    for one, other in zip(*snapshots, strict=True):
        np.testing.assert_allclose(one.metrics, other.metrics, rtol=1e-5, atol=1e-7)
        for first, second in zip(
            jax.tree.leaves(one.state.train_state),
            jax.tree.leaves(other.state.train_state),
            strict=True,
        ):
            np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


def test_turns_of_members_that_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As few as hold all who are due, those who lag behind first."""
    monkeypatch.setattr("jaxrnn.population.input_pipeline.MAX_EPOCH_WINDOW", 3)
    trainer = jaxrnn.Trainer(in_memory(), devices=1)
    trainer.plan_for([LSTM], 9, 5, synchronous=False)
    begun = trainer.start([LSTM] * 5, range(5), 9)
    asked: list[tuple[int, int]] = []
    epochs = trainer.training_data.epochs

    class Told:
        streaming, segments = trainer.training_data.streaming, trainer.training_data.segments

        def epochs(self, first: int, spread: int) -> Any:
            asked.append((first, spread))
            return epochs(first, spread)

    loop = trainer._loop
    monkeypatch.setattr(trainer, "_loop", replace(loop, training_data=Told()))  # type: ignore[arg-type]
    population = trainer.train(begun, [0, 1, 2, 4, 7])
    assert asked == [(first, 3) for first in range(7)]
    asked.clear()
    population = trainer.train(population, [1, 2, 3, 5, 8])
    assert asked == [(0, 3), (4, 3), (7, 3)]
    assert population.epochs.tolist() == [1, 2, 3, 5, 8]


# One cohort


@pytest.fixture(scope="module")
def small(data: jaxrnn.Data) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(data, lanes=2, devices=1)


def test_snapshots_do_not_change_when_the_population_trains(small: jaxrnn.Trainer) -> None:
    """On one device, where arrays on the host may be those of the device."""
    population = small.train(small.start([LSTM] * 3, range(3)), 1)
    snapshots, again = small.to_host(population), small.to_host(population)
    copies = [jax.tree.map(np.copy, (one.state, one.metrics)) for one in snapshots]
    population = small.train(population, [4, 1, 2])
    for one, other, (state, reports) in zip(snapshots, again, copies, strict=True):
        jax.tree.map(np.testing.assert_array_equal, (one.state, one.metrics), (state, reports))
        assert_same(one, other)
        assert all(leaf.base is None for leaf in jax.tree.leaves(one.state.train_state.parameters))
    twice = small.train(small.to_device([snapshots[1], *snapshots]), 4)
    alone = small.train(small.to_device(snapshots[1:2]), 4)
    assert_same(small.to_host(twice)[0], small.to_host(twice)[2])
    assert_same(small.to_host(twice)[0], small.to_host(alone)[0])
    assert_same(small.to_host(twice)[1], small.to_host(small.train(population, 4))[0])


def test_who_is_at_one_epoch_shares_rows(small: jaxrnn.Trainer) -> None:
    """So that rows run, or rest, as a whole; order in the population is as asked."""
    snapshots = [
        small.to_host(small.train(small.start([LSTM], [seed]), seed % 2)) for seed in range(6)
    ]
    population = small.to_device([one for (one,) in snapshots])
    assert population.epochs.tolist() == [0, 1, 0, 1, 0, 1]
    assert [one.seed for one in small.to_host(population)] == [*range(6)]
    (cohort,) = population.cohorts
    assert cohort.active_waves(population.epochs == 0).busiest == 2
    assert cohort.active_waves(population.epochs == 1).busiest == 2
    assert cohort.active_waves(np.full(6, True)).busiest == 3


def test_rows_without_a_chosen_member_do_not_run(small: jaxrnn.Trainer) -> None:
    population = small.start([LSTM] * 6, range(6))
    (cohort,) = population.cohorts
    turn = cohort.active_waves(np.arange(6) == 3)
    metrics = np.asarray(cohort.evaluate(turn, small._splits["validation"]))
    rows = np.flatnonzero(np.isfinite(metrics[..., 0]).all(1))
    assert rows.tolist() == [1]
    samples, segment = small.training_data.example(1)
    before = np.asarray(cohort.state.epochs).copy()
    after = cohort.train(turn, samples, small._splits["validation"], segment)
    ran = np.argwhere(np.asarray(after.state.epochs) != before)
    assert ran.tolist() == [[1, 1]]  # and its neighbour in the row rests


def test_no_transfer_while_training_at_own_epochs(small: jaxrnn.Trainer) -> None:
    population = small.start([LSTM] * 3, range(3))
    with jax.transfer_guard("disallow"):
        population = small.train(small.train(population, [0, 2, 1]), [3, 2, 3])
    assert population.epochs.tolist() == [3, 2, 3]


def test_nothing_to_do_is_done(small: jaxrnn.Trainer) -> None:
    increments: list[float] = []
    population = small.train(small.start([LSTM] * 2, [1, 2]), 0, increments.append)
    assert increments == [] and population.epochs.tolist() == [0, 0]
    assert small.evaluate(population)["loss"].shape == (2,)
    small.train(population, [0, 2], increments.append)
    assert increments == [1.0, 1.0]


@given(st.data())
def test_a_turn_holds_the_active_members(draw: st.DataObject) -> None:
    devices, lanes = draw.draw(st.sampled_from([(1, 1), (2, 1), (2, 3), (8, 2)]))
    layout = Layout(population_mesh(devices), draw.draw(st.integers(1, 4)), lanes)
    room = layout.shape[0] * lanes
    due: Any = np.array(draw.draw(st.lists(st.booleans(), min_size=1, max_size=room)))
    turn = layout.active_waves(due)
    np.testing.assert_array_equal(turn.active.reshape(-1)[layout.flat_positions(len(due))], due)
    assert turn.active.sum() == due.sum()  # free lanes rest
    rows = np.arange(layout.shape[0]).reshape(devices, -1)
    whole = [list(turn.order[k, slice(*turn.bounds[k])]) for k in range(devices)]
    for k in range(devices):
        assert whole[k] == [*np.flatnonzero(turn.active[rows[k]].any(1))]
    cuts = sorted(draw.draw(st.lists(st.integers(0, turn.busiest), max_size=3)))
    parts = [turn.part(*cut) for cut in zip([0, *cuts], [*cuts, turn.busiest], strict=True)]
    for k in range(devices):
        assert [row for one in parts for row in one.order[k, slice(*one.bounds[k])]] == whole[k]
    assert turn.busiest == max(map(len, whole))


# What is compiled


def test_fewer_members_need_no_program_and_more_need_few(data: jaxrnn.Data) -> None:
    trainer = jaxrnn.Trainer(data, devices=2)

    def waves(members: int, kind: dict[str, Any] = LSTM) -> int:
        (cohort,) = trainer.start([kind] * members, range(members)).cohorts
        return cohort.layout.waves

    assert [waves(count) for count in (3, 1, 4, 2)] == [2, 2, 2, 2]
    assert trainer.compiler.programs == 2
    assert [waves(count) for count in (5, 3, 8)] == [4, 2, 4]  # twice as many as before
    assert trainer.compiler.programs == 4
    assert [waves(count) for count in (20, 9)] == [10, 10]
    assert trainer.compiler.programs == 6
    again = trainer.to_device(trainer.to_host(trainer.start([LSTM] * 6, range(6))))
    assert again.cohorts[0].layout.waves == 4 and trainer.compiler.programs == 6
    assert waves(1, GRU) == 1 and trainer.compiler.programs == 8  # whatever others have


@pytest.mark.slow
def test_members_that_come_later_compile_nothing_new(data: jaxrnn.Data) -> None:
    trainer = jaxrnn.Trainer(data, devices=2)
    expected = [
        {**LSTM, "dropout": 0.2, "hidden_size": 14},
        {**LSTM, "optimizer": "sgd", "patience": 2},
        {**GRU, "input_noise": 0.1},
    ]
    trainer.plan_for(expected, 9)
    planned = trainer.plan(expected, 9)
    assert [group.members for group in planned] == [(0, 1), (2,)]
    population = trainer.train(trainer.start(expected, range(3), 9), 1)
    assert [one.architecture for one in population.cohorts] == [one.architecture for one in planned]
    assert trainer.compiler.programs == 4
    later = [{**LSTM, "hidden_size": 3}, GRU, {**LSTM, "dropout": 0.5, "optimizer": "sgd"}]
    for number, one in enumerate(later):  # each takes the place of the first
        snapshots = [*trainer.to_host(population)[1:], *trainer.init([one], [number], 9)]
        population = trainer.train(trainer.to_device(snapshots), [4, 3, 2])
    assert trainer.compiler.programs == 4
    (own,) = trainer.plan([{**LSTM, "hidden_size": 17}], 9)
    assert own.architecture.sizes.layers == (32,)
    among = trainer.plan([*expected, {**LSTM, "hidden_size": 17}, {**LSTM, "hidden_size": 60}], 9)
    assert [one.architecture for one in among[:2]] == [one.architecture for one in planned]
    assert among[2].architecture == own.architecture and len(among) == 4
    trainer.start([{**LSTM, "hidden_size": 17}], [1], 9)
    assert trainer.compiler.programs == 6
