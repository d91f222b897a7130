"""The trainer's verbs: what they keep, what they refuse, what they compile."""

import ast
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.marks import slow
from support.padding import merged
from support.splits import raw_of

import jaxrnn
from jaxrnn.configuration import rules
from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.population.devices import enable_x64, population_mesh
from jaxrnn.population.layout import Layout
from jaxrnn.population.loop import TimeSlices
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.buckets import epoch_order
from jaxrnn.training.epoch_metrics import EpochMetrics

# Two cohorts of the narrowest bucket. Every number of waves compiles anew, so most tests have one
# or two members of each, for which `trainer` has one wave.
LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 8}
GRU: dict[str, Any] = {"cell": "gru", "hidden_size": 16, "dropout": 0.3}
PAIRS, SEEDS = [LSTM, GRU, LSTM, GRU], [1, 2, 3, 4]


@pytest.fixture(scope="module")
def trainer(data: jaxrnn.Data) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(data, devices=2)


@pytest.fixture(scope="module")
def two_lanes(data: jaxrnn.Data) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(data, devices=2, lanes=2)


@pytest.fixture
def by_lanes(
    lanes: int, trainer: jaxrnn.Trainer, two_lanes: jaxrnn.Trainer
) -> Iterator[jaxrnn.Trainer]:
    yield {1: trainer, 2: two_lanes}[lanes]


def weights(trainer: jaxrnn.Trainer, population: jaxrnn.Population) -> list[dict]:
    return [trainer.predictor(population, k).parameters for k in range(len(population))]


def assert_same(one: object, other: object) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def columns(table: dict[str, np.ndarray], chosen: list[int]) -> dict[str, np.ndarray]:
    return {name: rows[..., chosen] for name, rows in table.items()}


def test_training_has_no_seam(trainer: jaxrnn.Trainer) -> None:
    """Eight epochs at once, one by one, or with selections between: the same bits."""
    whole = trainer.train(trainer.start(PAIRS, SEEDS), 8)
    steps = trainer.start(PAIRS, SEEDS)
    for epochs in range(1, 9):
        steps = trainer.train(steps, epochs)
    assert_same(weights(trainer, steps), weights(trainer, whole))
    assert_same(trainer.history(steps), trainer.history(whole))
    cut = trainer.train(trainer.start(PAIRS, SEEDS), 3)
    cut = trainer.train(trainer.select(cut, [3, 0, 1]), 5)
    cut = trainer.train(trainer.select(cut, [2, 0]), 8)  # members 1 and 3 of the first
    expected = weights(trainer, whole)
    assert_same(weights(trainer, cut), [expected[1], expected[3]])
    assert_same(trainer.history(cut), columns(trainer.history(whole), [1, 3]))


@pytest.mark.parametrize("lanes", [*slow(1), 2])
def test_slices_change_nothing(
    by_lanes: jaxrnn.Trainer, monkeypatch: pytest.MonkeyPatch, lanes: int
) -> None:
    """One wave at a time or all at once: the same bits, and increments that sum to all epochs."""
    trainer, mixed, results = by_lanes, [LSTM, GRU, LSTM, LSTM, GRU, LSTM, LSTM], []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr("jaxrnn.population.loop.SECONDS", seconds)
        monkeypatch.setattr(trainer, "_loop", replace(trainer._loop, time_slices=TimeSlices()))
        increments: list[float] = []
        population = trainer.start(mixed, range(7))
        assert all(one.programs.train and one.programs.evaluate for one in population.cohorts)
        population = trainer.train(population, 1, increments.append)
        first = len(increments)
        population = trainer.train(population, 3, increments.append)
        results.append(trainer.evaluate(population))
        waves = -(-5 // (2 * lanes))  # of the larger cohort
        # It knows the speed after a wave.
        assert len(increments) == (3 * waves if seconds == 0 else 4)
        assert min(increments) > 0
        assert sum(increments[:first]) == pytest.approx(7)
        assert sum(increments[first:]) == pytest.approx(14)
    assert_same(*results)


@pytest.mark.parametrize("lanes", [1, 2])
def test_lane_wave_and_neighbours_change_no_bit(by_lanes: jaxrnn.Trainer, lanes: int) -> None:
    """Alone, or anywhere among others of the same plan, whatever their numbers."""
    trainer = by_lanes
    other = {**LSTM, "hidden_size": 13, "learning_rate": 0.1, "clip_norm": 0.1, "epochs": 2}
    alone = trainer.train(trainer.start([LSTM], [7]), 3)
    for place in (0, 3, 4):
        members, seeds = [other] * 5, [1, 2, 3, 4, 5]
        members[place], seeds[place] = LSTM, 7
        crowd = trainer.train(trainer.start(members, seeds), 3)
        (cohort,) = crowd.cohorts
        assert cohort.active_waves(np.full(5, True)).busiest == (3 if lanes == 1 else 2)
        assert_same(trainer.evaluate(alone), columns(trainer.evaluate(crowd), [place]))
        assert_same(trainer.history(alone), columns(trainer.history(crowd), [place]))
        assert_same(weights(trainer, alone)[0], weights(trainer, crowd)[place])


@pytest.mark.slow
def test_other_plans_change_next_to_nothing(two_lanes: jaxrnn.Trainer) -> None:
    """Among wider members with every feature, a narrow one does the arithmetic it does alone."""
    trainer = two_lanes
    crowd = [
        {**LSTM, "hidden_size": 40, "layer_norm": True, "batch_size": 16, "input_noise": 0.1},
        LSTM,
        {**LSTM, "dense_before": 1, "dense_after": 2, "dropout": 0.2, "activation": "sigmoid"}
        | {"target_replication": 0.5, "input_dropout": 0.1, "tbptt_length": 2},
        {**LSTM, "optimizer": "sgd", "patience": 1, "learned_start": True, "crop_length": 3}
        | {"recurrent_dropout": 0.2, "label_smoothing": 0.1},
    ]
    alone = trainer.train(trainer.start([LSTM], [7]), 4)
    among = trainer.train(trainer.start(crowd, [3, 7, 1, 2]), 4)
    assert len(among.cohorts) == 1
    wide, narrow = among.cohorts[0].architecture, alone.cohorts[0].architecture
    assert wide.sizes.layers > narrow.sizes.layers
    assert sum(wide.uses) == 11 and sum(narrow.uses) == 0
    for name, values in trainer.evaluate(alone).items():
        np.testing.assert_allclose(trainer.evaluate(among)[name][1], values[0], rtol=1e-5)
    for name, values in trainer.history(alone).items():
        if name != "validation_loss":  # measured where a neighbour asks for it
            np.testing.assert_allclose(
                trainer.history(among)[name][:, 1], values[:, 0], rtol=1e-5, err_msg=name
            )


def test_select_keeps_the_order_asked_for(trainer: jaxrnn.Trainer) -> None:
    population = trainer.start(PAIRS, SEEDS)
    before = trainer.evaluate(population)["loss"]
    assert len(set(before)) == 4
    for indices in ([3, 1, 0], [2], [2, 3, 1, 0], [0, 0, 1], [3, 3, 2, 2]):
        chosen = trainer.select(population, indices)
        np.testing.assert_array_equal(trainer.evaluate(chosen)["loss"], before[indices])
        assert chosen.configurations == tuple(population.configurations[i] for i in indices)
        assert len(chosen) == len(indices)


def test_a_member_selected_twice_goes_on_twice(trainer: jaxrnn.Trainer) -> None:
    population = trainer.train(trainer.start(PAIRS, SEEDS), 2)
    twice = trainer.train(trainer.select(population, [2, 1, 2, 1]), 4)
    whole = trainer.train(population, 4)
    expected = weights(trainer, whole)
    assert_same(weights(trainer, twice), [expected[k] for k in (2, 1, 2, 1)])
    assert_same(trainer.evaluate(twice), columns(trainer.evaluate(whole), [2, 1, 2, 1]))
    assert_same(trainer.history(twice), columns(trainer.history(whole), [2, 1, 2, 1]))


def test_history_and_stopped_members(trainer: jaxrnn.Trainer) -> None:
    """One ends by `epochs`, one by early stopping, two go on; the stopped ones never change."""
    members = [
        {**LSTM, "epochs": 2},
        GRU,
        {**LSTM, "patience": 1, "min_delta": 100.0},  # nothing after the first epoch is progress
        {**LSTM, "patience": 50, "learning_rate": 0.01},
    ]
    population = trainer.start(members, SEEDS, max_epochs=6)
    none = trainer.history(population)
    assert {name: rows.shape for name, rows in none.items()} == dict.fromkeys(
        EpochMetrics._fields, (0, 4)
    )
    population = trainer.train(population, 1)
    first, best = trainer.evaluate(population), weights(trainer, population)[2]
    population = trainer.train(population, 2)
    second, early = weights(trainer, population), trainer.evaluate(population)
    population = trainer.train(population, 5)
    history, last = trainer.history(population), trainer.evaluate(population)
    assert tuple(history) == EpochMetrics._fields
    ran = np.arange(5)[:, None] < [2, 5, 2, 5]
    for name, rows in history.items():
        assert rows.shape == (5, 4)
        if name != "validation_loss":
            np.testing.assert_array_equal(np.isfinite(rows), ran, err_msg=name)
    watched = history["validation_loss"][:, [2, 3]]
    np.testing.assert_array_equal(np.isfinite(watched), ran[:, [2, 3]])
    np.testing.assert_allclose(watched[0], first["loss"][[2, 3]], rtol=1e-6)
    assert np.isnan(history["validation_loss"][:, 1]).all()  # nobody in its cohort asked
    rates = np.array([3e-3, 3e-3, 3e-3, 0.01], np.float32)
    np.testing.assert_array_equal(history["learning_rate"][0], rates)
    assert np.all(history["gradient_norm_max"][ran] > history["gradient_norm_mean"][ran])
    assert np.all(history["gradient_norm_mean"][ran] > 0)
    np.testing.assert_array_equal(history["train_loss"][[1, 4, 1, 4], range(4)], last["train_loss"])

    after = weights(trainer, population)
    assert_same([after[0], after[2]], [second[0], second[2]])
    assert_same(after[2], best)  # patience goes back to the best parameters
    assert last["loss"][2] == first["loss"][2]
    for name in (*trainer.data.task.metrics, "train_loss"):
        np.testing.assert_array_equal(last[name][[0, 2]], early[name][[0, 2]])
    for going in (1, 3):
        assert np.any(after[going]["head"]["kernel"] != second[going]["head"]["kernel"])
    chosen = trainer.select(population, [1, 2, 2, 0])
    assert_same(trainer.history(chosen), columns(history, [1, 2, 2, 0]))
    later = trainer.train(chosen, 6)
    assert_same(weights(trainer, later)[1:], [after[2], after[2], after[0]])
    assert_same(
        {name: rows[:5] for name, rows in trainer.history(later).items()},
        columns(history, [1, 2, 2, 0]),
    )
    assert np.isfinite(trainer.history(later)["train_loss"][5]).tolist() == [True] + [False] * 3


def test_every_sample_once_an_epoch() -> None:
    first, second = (epoch_order(np.full(10, 5), 4, 3, epoch, (5,)) for epoch in (0, 1))
    assert first.shape == (2, 4)  # two whole batches of four; two samples sit out this epoch
    assert len(set(first.ravel())) == 8
    assert set(first.ravel()) <= set(range(10))
    assert np.any(first != second)


def hp_of(rate: float, widths: tuple[int, int], schedule: str) -> list[dict[str, Any]]:
    """Two cohorts of three, with `rate` wherever a number goes."""
    names = "learning_rate dropout clip_norm weight_decay l2 label_smoothing input_noise"
    own = {**dict.fromkeys(names.split(), rate), "schedule": schedule, "patience": 2 + widths[0]}
    cells = "lstm", "gru", "lstm", "gru", "lstm", "gru"
    return [
        {"cell": cell, "hidden_size": widths[k // 2 % 2], "batch_size": 8 * (k + 1), **own}
        for k, cell in enumerate(cells)
    ]


def test_values_compile_nothing_and_verbs_compile_once(data: jaxrnn.Data) -> None:
    jax.clear_caches()  # or what an earlier test compiled would not be counted
    compiled: list[str] = []

    def count(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        trainer = jaxrnn.Trainer(data, devices=2)
        rounds = ((1e-3, (8, 40), "constant", 0), (3e-2, (37, 1), "cosine", 5))
        for rate, widths, schedule, seed in rounds:
            mixed = hp_of(rate, widths, schedule)
            planned = trainer.plan(mixed, 9)
            population = trainer.start(mixed, range(seed, seed + 6), 9)
            assert {one.architecture: (*one.members,) for one in population.cohorts} == {
                one.architecture: one.members for one in planned
            }
            population = trainer.train(population, 1)
            trainer.evaluate(population)
            population = trainer.train(trainer.select(population, [5, 0, 2]), 4)
            trainer.evaluate(population, "test")
            trainer.history(population)
            trainer.evaluate(trainer.select(population, [1]))
        # Each of two cells trains, evaluates, and reads a test split of another size.
        assert trainer.compiler.programs == len(compiled) == 6
        assert trainer.compiler.seconds > 0.1
    finally:
        jax.monitoring.clear_event_listeners()


def test_no_transfer_while_training(trainer: jaxrnn.Trainer) -> None:
    population = trainer.start([LSTM, GRU], [1, 2])
    with jax.transfer_guard("disallow"):  # explicit puts of epochs and rows are all that is left
        population = trainer.train(population, 3)
    assert np.isfinite(trainer.evaluate(population)["loss"]).all()


EVERYTHING = {
    "layers": 3,
    "hidden_size": 9,
    "hidden_size_2": 5,
    "bidirectional": True,
    "residual": True,
    "layer_norm": True,
    "learned_start": True,
    "dense_before": 2,
    "dense_after": 1,
    "dense_after_units": 3,
}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("more", [{"layers": 3, "hidden_size": 9}, EVERYTHING], ids=["few", "all"])
def test_linen_holds_the_parameters_that_are_drawn(cell: str, more: dict) -> None:
    """Same tree, same shapes as Linen's own init, whose values nobody can use by mistake."""
    entries = rules.complete({"cell": cell, **more}, 8, 1)
    # In a cohort: alone, layers of different sizes have no shortcut between them yet.
    architecture = merged([entries], TaskSpec(4, 5, False), 16, 8)
    numbers = hyperparameters(entries, architecture.optimizers)
    given = jnp.zeros((2, 6, 4)), jnp.full(2, 6), numbers
    init = jax.jit(RecurrentNetwork(architecture).init)  # compiles no more than the values
    variables = init(jax.random.key(0), *given)
    shapes = jax.tree.map(lambda leaf: tuple(leaf.shape), variables["params"])
    assert shapes == architecture.shapes()
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(variables))


def test_scores_are_those_of_numpy(data: jaxrnn.Data, trainer: jaxrnn.Trainer) -> None:
    """Loss and accuracy on both splits, from the probabilities of each member by itself."""
    population = trainer.train(trainer.start([LSTM, GRU], [1, 2]), 5)
    assert_same(trainer.evaluate(population), trainer.evaluate(population, "validation"))
    for name, split in (("validation", data.validation), ("test", data.test)):
        metrics = trainer.evaluate(population, name)
        raw = raw_of(data, split)
        for position in range(2):
            probabilities = trainer.predictor(population, position).probabilities(raw)
            own = probabilities[np.arange(len(split)), split.targets]
            np.testing.assert_allclose(metrics["loss"][position], -np.log(own).mean(), rtol=1e-5)
            right = (probabilities.argmax(1) == split.targets).mean()
            np.testing.assert_allclose(metrics["accuracy"][position], right, rtol=1e-6)


def test_many_evaluation_batches_score_as_one(
    data: jaxrnn.Data, trainer: jaxrnn.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxrnn.training.batches.EVALUATION_BATCH", 7)
    small = jaxrnn.Trainer(data, devices=2)
    one, many = trainer.start([LSTM], [1]), small.start([LSTM], [1])
    for name in ("validation", "test"):
        expected = trainer.evaluate(one, name)
        for metric, values in small.evaluate(many, name).items():
            np.testing.assert_allclose(values, expected[metric], rtol=1e-5)


def test_what_is_pruned_no_longer_runs(trainer: jaxrnn.Trainer) -> None:
    """Rows out of use keep their report, and the old buffers are used again."""
    before = trainer.train(trainer.start([LSTM] * 6, range(6)), 1)
    losses = trainer.evaluate(before)["train_loss"]
    population = trainer.select(before, [4, 1])
    np.testing.assert_array_equal(trainer.evaluate(population)["train_loss"], losses[[4, 1]])
    unused = np.asarray(population.cohorts[0].state.metrics.train_loss)
    after = trainer.train(population, 2)
    assert np.sum(np.asarray(after.cohorts[0].state.metrics.train_loss) != unused) == 2
    with pytest.raises(ValueError, match="was trained before"):
        population.check()
    # Of the report this test holds a view, which JAX 0.11 keeps.
    assert all(
        leaf.is_deleted() for leaf in jax.tree.leaves(population.cohorts[0].state.train_state)
    )
    before.check()
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(before.cohorts[0].state))


def test_test_split_is_not_trained_on(data: jaxrnn.Data) -> None:
    """Other validation and test data, same training bits."""
    swapped = jaxrnn.Data(
        data.name, data.task, data.train, data.test, data.validation, data.encoder
    )
    results = []
    for one in (data, swapped):
        trainer = jaxrnn.Trainer(one, devices=1)
        results.append(weights(trainer, trainer.train(trainer.start([GRU], [1]), 2)))
    assert_same(*results)


@pytest.mark.parametrize("members", [1, 2, 3, 7, 8, 9, 24])
@pytest.mark.parametrize(("devices", "lanes"), [(1, 1), (2, 1), (2, 3), (8, 2)])
def test_layout_holds_every_member_once(members: int, devices: int, lanes: int) -> None:
    mesh = population_mesh(devices)
    layout = Layout.for_members(members, mesh, lanes)
    for present in range(1, members + 1):
        slots, turn = layout.flat_positions(present), layout.active_waves(np.full(present, True))
        assert len(set(slots)) == present
        device, place = np.divmod(slots, layout.waves * lanes)
        begin, end = turn.bounds.T
        assert not begin.any() and begin.shape == (devices,)
        running = [set(turn.order[k, : end[k]]) for k in range(devices)]
        used = [set(place[device == k] // lanes) for k in range(devices)]
        assert running == used  # the rows that hold members, and no device runs more
        assert turn.busiest == max(map(len, used)) == -(-present // (devices * lanes))
    assert layout.waves == -(-members // (devices * lanes))
    rows = np.repeat(np.arange(members, dtype=np.float32), 2).reshape(-1, 2)
    placed = layout.to_device([{"a": row, "b": np.int32(row[0])} for row in rows])
    assert placed["a"].shape == (*layout.shape, 2) and placed["b"].shape == layout.shape
    free = np.ones(layout.capacity, bool)
    free[layout.flat_positions(members)] = False
    assert not np.asarray(placed["a"]).reshape(-1, 2)[free].any()
    np.testing.assert_array_equal(layout.gather(placed["a"], members), rows)
    chosen = [*range(members - 1, -1, -2)]
    for member, own in zip(chosen, layout.unstack(placed, chosen), strict=True):
        np.testing.assert_array_equal(own["a"], rows[member])
        assert (own["b"], own["b"].dtype, own["a"].base) == (member, np.int32, None)


BAD_CALLS = [
    (lambda t, p: t.start([], []), "`seeds` are 0, but must be one for each of the 0"),
    (lambda t, p: t.start([LSTM], [1, 2]), "`seeds` are 2"),
    (lambda t, p: t.start([LSTM], [2**32]), "`seed` is 4294967296, but must be from 0 to"),
    (
        lambda t, p: t.start([LSTM], [1], 0),
        "`max_epochs` is 0, but must be a whole number of at least 1; the nearest is 1.",
    ),
    (lambda t, p: t.start([LSTM], [1], 1.5), "`max_epochs` is 1.5"),
    (lambda t, p: t.start([LSTM], [1], True), "`max_epochs` is True"),
    (lambda t, p: t.plan([LSTM], 0), "`max_epochs` is 0"),
    (lambda t, p: t.plan([{"cel": 1}], 9), "`cel` is no hyperparameter; did you mean `cell`?"),
    (
        lambda t, p: t.train(p, -1),
        "`epochs` is -1 for the member at 0, but must be a whole number from 0, the epochs seen, "
        "to 100, `max_epochs` at the start.",
    ),
    (lambda t, p: t.train(t.train(p, 2), 1), "`epochs` is 1 for the member at 0, but must be a "),
    (lambda t, p: t.train(p, [1, 2]), "`epochs` are 2, but must be one for each of the 1 members."),
    (lambda t, p: t.train(p, []), "`epochs` are 0"),
    (lambda t, p: t.train(p, [1.0]), "`epochs` is 1.0 for the member at 0, but must be a whole"),
    (lambda t, p: t.train(p, True), "`epochs` is True"),
    (lambda t, p: t.train(p, [True]), "`epochs` is True"),
    (lambda t, p: t.train(p, 101), "`epochs` is 101"),
    (lambda t, p: t.train(p, 1.5), "`epochs` is 1.5"),
    (lambda t, p: (t.train(p, 1), t.train(p, 1)), "`population` was trained before; go on with"),
    (lambda t, p: (t.train(p, 1), t.to_host(p)), "`population` was trained before; go on with"),
    (lambda t, p: t.to_host(p, [1]), "`positions` are [1], but must be 0 or more whole"),
    (lambda t, p: t.select(p, [True]), "`indices` are [True], but must be"),
    (lambda t, p: t.select(p, [0.0]), "`indices` are [0.0]"),
    (lambda t, p: t.evaluate(p, "train"), "`split` is 'train'"),
    (lambda t, p: t.select(p, []), "`indices` are []"),
    (
        lambda t, p: t.select(p, [1]),
        "`indices` are [1], but must be 1 or more whole numbers, each from 0 to 0.",
    ),
    (lambda t, p: t.select(p, [-1]), "`indices` are [-1]"),
    (lambda t, p: t.evaluate(p, positions=[1]), "`positions` are [1], but must be 0 or more whole"),
    (lambda t, p: t.evaluate(p, positions=[-1]), "`positions` are [-1]"),
    (lambda t, p: t.evaluate(p, positions=[0.0]), "`positions` are [0.0]"),
    (
        lambda t, p: t.to_device([]),
        "`snapshots` have `max_epochs` [], but must be at least one, all",
    ),
    (
        lambda t, p: t.to_device([*t.to_host(p), *t.init([LSTM], [1], 9)]),
        "`snapshots` have `max_epochs` [9, 100], but must be at least one, all of the same.",
    ),
    (lambda t, p: t.predictor(p, 1), "`index` is 1, but must be from 0 to 0"),
    (lambda t, p: t.predictor(p, -1), "`index` is -1"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_calls(trainer: jaxrnn.Trainer, call, message: str) -> None:
    population = trainer.start([LSTM], [1])
    with pytest.raises(ValueError) as error:
        call(trainer, population)
    assert message in str(error.value)


BAD_SETTINGS = [
    ({"microbatch": 0}, "`microbatch` is 0, but must be from 1 to 64"),
    ({"microbatch": 65}, "`microbatch` is 65"),
    ({"seed": -1}, "`seed` is -1, but must be from 0 to 4294967295."),
    ({"lanes": 0}, "`lanes` is 0, but must be from 1 to 4096"),
    ({"devices": 0}, "`devices` is 0, but must be at least 1"),
    ({"precision": "float16"}, "`precision` is 'float16', but must be one of highest, high, def"),
    ({"autotune": "no"}, "`autotune` is 'no', but must be true, false, or Options."),
    ({"autotune": jaxrnn.Options(unroll=0)}, "`unroll` is 0, but must be a whole number of at"),
    ({"devices": 9}, "`devices` is 9, but must be at most 8, the cpu devices"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_bad_settings(data: jaxrnn.Data, settings: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        jaxrnn.Trainer(data, **settings)
    assert message in str(error.value)


@pytest.mark.parametrize("precision", ["default", *slow("high", "highest")])
def test_precision_is_decided_whatever_the_process_asks_for(
    data: jaxrnn.Data, precision: Any
) -> None:
    """Of every product of both programs; these tests run with `highest` for all others."""
    trainer = jaxrnn.Trainer(data, devices=1, precision=precision)
    (cohort,) = trainer.start([LSTM], [0]).cohorts
    for program in (cohort.programs.train, cohort.programs.evaluate):
        text = program.as_text() or ""
        products = re.findall(r" dot\(.*", text)
        precisions = {p for line in products for p in re.findall(r"operand_precision={(\w+)", line)}
        assert products and precisions == ({precision} - {"default"})


def test_an_epoch_has_eight_steps_or_more(data: jaxrnn.Data) -> None:
    assert jaxrnn.Trainer(data).microbatch == 8  # 64 samples
    assert jaxrnn.Trainer(jaxrnn.digits()).microbatch == 32  # 1,257
    assert jaxrnn.Trainer(data, microbatch=64).microbatch == 64


BAD_CONFIGURATIONS = [
    ({"hiden_size": 3}, "`hiden_size` is no hyperparameter; did you mean `hidden_size`?"),
    ({"xyz": 3}, "`xyz` is no hyperparameter; README.md lists them all."),
    ({"cell": "rn"}, "`cell` is 'rn', but must be one of 'lstm', 'gru', 'rnn'; the nearest is"),
    ({"cell": "Lstm"}, "the nearest is 'lstm'."),
    (
        {"hidden_size": 0},
        "`hidden_size` is 0, but must be a whole number from 1 to 4096; the nearest is 1.",
    ),
    ({"hidden_size": 8.0}, "`hidden_size` is 8.0, but must be a whole number"),
    ({"hidden_size": True}, "`hidden_size` is True"),
    ({"layer_norm": 1}, "`layer_norm` is 1, but must be true or false."),
    (
        {"layers": 5},
        "`layers` is 5, but must be a whole number from 1 to 4; the nearest is 4.",
    ),
    ({"dropout": 1.0}, "`dropout` is 1.0, but must be a number from 0 to 0.95; the nearest is 0.9"),
    ({"dropout": float("nan")}, "`dropout` is nan, but must be a number from 0 to 0.95."),
    (
        {"learning_rate": -0.1},
        "`learning_rate` is -0.1, but must be a number of at least 0, below infinity; the nearest",
    ),
    ({"learning_rate": float("inf")}, "`learning_rate` is inf"),
    ({"weight_decay": float("inf")}, "`weight_decay` is inf"),
    ({"hidden_size": np.float32(8)}, "`hidden_size` is np.float32(8.0)"),
    ({"learning_rate": "fast"}, "`learning_rate` is 'fast'"),
    ({"clip_norm": float("nan")}, "`clip_norm` is nan"),
    ({"batch_size": 20}, "a multiple of the microbatch, 8; the nearest is 16 ("),
    ({"optimizer": "adm"}, "`optimizer` is 'adm', but must be one of 'sgd', 'momentum'"),
    ({"optimizer": "optax.nothing"}, "`optimizer` is 'optax.nothing', but there is no such"),
    (
        {"momentum": 0.9},
        "`momentum` is 0.9, but acts only where `optimizer` is 'momentum' or 'nesterov', and "
        "`optimizer` is 'adamw'; leave it out.",
    ),
    ({"optimizer": "sgd", "weight_decay": 0.1}, "`weight_decay` is 0.1, but acts only where"),
    (
        {"hidden_size_2": 8},
        "`hidden_size_2` is 8, but acts only where `layers` is at least 2, and `layers` is 1",
    ),
    ({"layers": 2, "hidden_size_3": 8}, "`layers` is at least 3, and `layers` is 2"),
    (
        {"bidirectional": True, "tbptt_length": 4},
        "`tbptt_length` is 4, but acts only where `bidirectional` is false, and `bidirectional`",
    ),
    (
        {"bidirectional": True, "tbptt_overlap": 0.1},
        "`tbptt_overlap` is 0.1, but acts only where `tbptt_length` is at least 1, and "
        "`tbptt_length` does not act; leave it out.",
    ),
    ({"cell": "rnn", "forget_bias": 1.0}, "`cell` is 'lstm' or 'gru', and `cell` is 'rnn'"),
    ({"cell": "gru", "output_activation": "relu"}, "`output_activation` is 'relu', but acts only"),
    ({"min_delta": 0.1}, "`min_delta` is 0.1, but acts only where `patience` is at least 1"),
    ({"schedule": "cosine", "decay_rate": 0.9}, "`decay_rate` is 0.9, but acts only where"),
    (["cell"], "`configuration` is ['cell'], but must be a mapping of hyperparameters."),
]


@pytest.mark.parametrize(("bad", "message"), BAD_CONFIGURATIONS)
def test_bad_configurations(trainer: jaxrnn.Trainer, bad: dict, message: str) -> None:
    with pytest.raises(ValueError) as error:
        trainer.start([LSTM, bad], [1, 2])
    assert message in str(error.value)


@given(
    st.sampled_from(list(jaxrnn.HYPERPARAMETERS)),
    st.one_of(st.integers(), st.floats(), st.booleans(), st.text("abdehlmnorst_", max_size=9)),
)
def test_the_nearest_value_is_allowed(trainer: jaxrnn.Trainer, name: str, value: Any) -> None:
    try:
        trainer.check(name, value)
    except ValueError as error:
        message = str(error)
        assert message.startswith(f"`{name}` is {value!r}")
        if "; the nearest is " in message:
            nearest = message.rpartition("; the nearest is ")[2].partition(" (`")[0]
            trainer.check(name, ast.literal_eval(nearest.removesuffix(".")))


def test_inactive_defaults_are_absent(trainer: jaxrnn.Trainer) -> None:
    """And what is active is complete, in the order of `ENTRIES`, bounded by the run."""
    (kept,) = trainer.start([{**LSTM, "epochs": 200}], [1]).configurations
    order = list(jaxrnn.HYPERPARAMETERS)
    assert list(kept) == sorted(kept, key=order.index)
    assert (kept["batch_size"], kept["epochs"], kept["b2"]) == (8, 100, 0.999)
    absent = set(order) - set(kept)
    assert {"hidden_size_2", "momentum", "decay_rate", "min_delta", "tbptt_overlap"} <= absent
    assert {"residual", "dense_before_units", "crop_at", "batch_growth"} <= absent


HUGE = [
    *({name: 2**40} for name in ("patience", "crop_length", "tbptt_length", "batch_growth_epochs")),
    {"batch_size": 2**40},
    {"epochs": 2**40},
    {"tbptt_length": 4, "tbptt_growth_epochs": 2**40},
    {"schedule": "plateau", "plateau_patience": 2**40},
    {"learning_rate": 1e300},
]


@pytest.mark.parametrize("huge", HUGE, ids=str)
def test_numbers_beyond_32_bits_are_taken_or_refused(huge: dict[str, Any]) -> None:
    """Neither an OverflowError nor a warning: a sentence, or the greatest number there is."""
    try:
        entries = rules.complete(huge, 8, 100)
    except ValueError as error:
        assert str(error).startswith("`")
    else:
        hyperparameters(entries, ("adamw",))


def test_numpy_numbers_are_numbers(trainer: jaxrnn.Trainer) -> None:
    given = {"hidden_size": np.int64(8), "dropout": np.float32(0.5), "layers": np.int32(1)}
    given |= {"cell": np.str_("gru"), "layer_norm": np.bool_(False)}
    (kept,) = trainer.start([given], [1]).configurations
    assert (kept["hidden_size"], kept["dropout"], kept["layers"]) == (8, 0.5, 1)
    assert {type(kept[name]) for name in given} == {int, float, str, bool}


@contextmanager
def wide_everywhere() -> Iterator[None]:
    """Double precision as `JAX_ENABLE_X64=1` sets it: in the threads that compile, too."""
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", False)


@pytest.mark.slow
@pytest.mark.parametrize("wide", [lambda: enable_x64(True), wide_everywhere])
def test_double_precision_mode_changes_nothing(
    data: jaxrnn.Data, trainer: jaxrnn.Trainer, wide: Callable[[], AbstractContextManager]
) -> None:
    members = [{**GRU, "input_noise": 0.1, "recurrent_dropout": 0.1}, LSTM]
    narrow = trainer.evaluate(trainer.train(trainer.start(members, [1, 2]), 3))
    with wide():
        other = jaxrnn.Trainer(data, devices=2)
        metrics = other.evaluate(other.train(other.start(members, [1, 2]), 3))
    assert metrics["loss"].dtype == np.float32
    for name, values in metrics.items():
        np.testing.assert_allclose(values, narrow[name], rtol=1e-5)


def test_hyperparameters_do_what_they_say(trainer: jaxrnn.Trainer) -> None:
    """Each number changes the run, and no clipping is a norm of infinity."""
    changes: list[dict[str, Any]] = [
        {"clip_norm": 0.1},
        {"learning_rate": 0.0},
        {"weight_decay": 1.0},
        {"clip_norm": 1e-3},
        {"dropout": 0.5},
        {"clip_norm": 1e9},
        {"clip_norm": math.inf},
        {"clip_value": 1e-3},
        {"l2": 1.0},
        {"label_smoothing": 0.5},
        {"input_noise": 1.0},
        {"forget_bias": 0.0},
        {"recurrent_scale": 0.5},
    ]
    start = trainer.start([{**LSTM, **one} for one in changes], [1] * len(changes))
    first = weights(trainer, start)
    last = weights(trainer, trainer.train(start, 3))
    assert_same(first[1], last[1])
    norms = [np.linalg.norm(one["layer_0"]["recurrent_kernel"]) for one in last]
    assert norms[2] < norms[0] and norms[8] < norms[0]
    assert len({*norms[:6], *norms[7:]}) == 12
    assert_same(last[5], last[6])
