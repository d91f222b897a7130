"""The trainer's four verbs: what they keep, what they refuse, what they compile."""

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn import configuration
from jaxrnn.devices import population_mesh
from jaxrnn.layout import Layout
from jaxrnn.member import epoch_order
from jaxrnn.network import RecurrentNetwork

LSTM = {"cell": "lstm", "hidden_size": 8}
GRU = {"cell": "gru", "hidden_size": 16, "dropout": 0.3}


@pytest.fixture(scope="module")
def trainer(data: jaxrnn.Data) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(data, devices=2)


def weights(trainer: jaxrnn.Trainer, population: jaxrnn.Population) -> list[dict]:
    return [trainer.predictor(population, k).parameters for k in range(len(population))]


def assert_same(one: object, other: object) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_training_has_no_seam(trainer: jaxrnn.Trainer) -> None:
    """Eight epochs at once, one by one, or with selections between: the same bits."""
    mixed, seeds = [LSTM, GRU, LSTM, GRU], [1, 2, 3, 4]
    whole = trainer.train(trainer.start(mixed, seeds), 8)
    steps = trainer.start(mixed, seeds)
    for epochs in range(1, 9):
        steps = trainer.train(steps, epochs)
    assert_same(weights(trainer, steps), weights(trainer, whole))
    cut = trainer.train(trainer.start(mixed, seeds), 3)
    cut = trainer.train(trainer.select(cut, [3, 0, 1]), 5)
    cut = trainer.train(trainer.select(cut, [2, 0]), 8)  # members 1 and 3 of the first
    expected = weights(trainer, whole)
    assert_same(weights(trainer, cut), [expected[1], expected[3]])


@pytest.mark.parametrize("lanes", [1, 2])
def test_slices_change_nothing(
    data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch, lanes: int
) -> None:
    """One wave at a time or all at once: the same bits, and the share told only grows."""
    mixed, results = [LSTM, GRU, LSTM, LSTM, GRU, LSTM, LSTM], []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr("jaxrnn.slices.SECONDS", seconds)
        trainer = jaxrnn.Trainer(data, devices=2, lanes=lanes)
        told: list[float] = []
        population = trainer.train(trainer.start(mixed, range(7)), 1, told.append)
        population = trainer.train(population, 3, told.append)
        results.append(trainer.evaluate(population))
        waves = -(-5 // (2 * lanes))  # of the larger cohort
        assert len(told) == (2 * waves if seconds == 0 else 3 - (waves == 1))
        assert told[-1] == 1.0
        first = told[: told.index(1.0) + 1]
        assert first == sorted(set(first))
    for name, values in results[0].items():
        np.testing.assert_array_equal(values, results[1][name])


def test_select_keeps_the_order_asked_for(trainer: jaxrnn.Trainer) -> None:
    population = trainer.start([LSTM, GRU, LSTM, GRU, LSTM], [1, 2, 3, 4, 5])
    before = trainer.evaluate(population)["loss"]
    for indices in ([4, 1, 0], [3], [2, 4, 3, 1, 0], [0, 0, 1]):
        chosen = trainer.select(population, indices)
        np.testing.assert_array_equal(trainer.evaluate(chosen)["loss"], before[indices])
        assert [c["cell"] for c in chosen.configurations] == [
            population.configurations[i]["cell"] for i in indices
        ]


def test_every_sample_once_an_epoch() -> None:
    first, second = (np.asarray(epoch_order(3, epoch, 10, 4)) for epoch in (0, 1))
    assert first.shape == (2, 4)  # two whole batches of four; two samples sit out this epoch
    assert len(set(first.ravel())) == 8
    assert set(first.ravel()) <= set(range(10))
    assert np.any(first != second)


def test_values_compile_nothing_and_verbs_compile_once(data: jaxrnn.Data) -> None:
    jax.clear_caches()  # or what an earlier test compiled would not be counted
    compiled: list[str] = []

    def count(event: str, duration_secs: float, **_: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        trainer = jaxrnn.Trainer(data, devices=2)
        for rate, width, seed in ((1e-3, 8, 0), (3e-2, 40, 5)):
            own = {"learning_rate": rate, "hidden_size": width, "dropout": rate, "clip_norm": rate}
            mixed = [{"cell": cell, **own} for cell in ("lstm", "gru") * 3]
            population = trainer.start(mixed, range(seed, seed + 6))
            population = trainer.train(population, 1)
            trainer.evaluate(population)
            population = trainer.train(trainer.select(population, [5, 0, 2]), 4)
            trainer.evaluate(population, "test")
            trainer.evaluate(trainer.select(population, [1]))
        assert trainer.programs == 8  # start, train, evaluate, gather for each of two cells
        assert len(compiled) == 8
    finally:
        jax.monitoring.clear_event_listeners()


@pytest.mark.parametrize("devices", [2, 8])
def test_training_program_has_no_collectives(data: jaxrnn.Data, devices: int) -> None:
    trainer = jaxrnn.Trainer(data, devices=devices)
    (cohort,) = trainer.start([LSTM] * 8, range(8)).cohorts
    text = cohort.programs.train.as_text()  # type: ignore[attr-defined]
    assert "while" in text
    for collective in ("all-reduce", "all-gather", "all-to-all", "collective-permute"):
        assert collective not in text


def test_no_transfer_while_training(trainer: jaxrnn.Trainer) -> None:
    population = trainer.start([LSTM, GRU], [1, 2])
    with jax.transfer_guard("disallow"):  # explicit puts of epochs and rows are all that is left
        population = trainer.train(population, 3)
    assert np.isfinite(trainer.evaluate(population)["loss"]).all()


def test_linen_holds_the_parameters_that_are_drawn() -> None:
    """Same tree, same shapes as Linen's own init, whose values nobody can use by mistake."""
    for cell in ("lstm", "gru"):
        entries = configuration.complete({"cell": cell, "layers": 3, "hidden_size": 9})
        architecture = configuration.architecture(entries, 4, 5)
        network = RecurrentNetwork(architecture)
        variables = network.init(jax.random.key(0), np.zeros((2, 6, 4), np.float32))
        shapes = jax.tree.map(lambda leaf: tuple(leaf.shape), variables["params"])
        assert shapes == architecture.shapes()
        assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(variables))


def test_scores_are_those_of_numpy(data: jaxrnn.Data, trainer: jaxrnn.Trainer) -> None:
    """Loss and accuracy on both splits, from the probabilities of each member by itself."""
    population = trainer.train(trainer.start([LSTM, GRU], [1, 2]), 5)
    assert_same(trainer.evaluate(population), trainer.evaluate(population, "validation"))
    for name, split in (("validation", data.validation), ("test", data.test)):
        metrics = trainer.evaluate(population, name)
        raw = split.inputs * data.scale + data.mean
        for position in range(2):
            probabilities = trainer.predictor(population, position).probabilities(raw)
            own = probabilities[np.arange(len(split)), split.labels]
            np.testing.assert_allclose(metrics["loss"][position], -np.log(own).mean(), rtol=1e-5)
            right = (probabilities.argmax(1) == split.labels).mean()
            np.testing.assert_allclose(metrics["accuracy"][position], right, rtol=1e-6)


def test_many_evaluation_batches_score_as_one(
    data: jaxrnn.Data, trainer: jaxrnn.Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxrnn.member.EVALUATION_BATCH", 7)
    small = jaxrnn.Trainer(data, devices=2)
    for name in ("validation", "test"):
        expected = trainer.evaluate(trainer.start([LSTM], [1]), name)
        for metric, values in small.evaluate(small.start([LSTM], [1]), name).items():
            np.testing.assert_allclose(values, expected[metric], rtol=1e-5)


def test_what_is_pruned_no_longer_runs(trainer: jaxrnn.Trainer) -> None:
    """Rows out of use keep their loss, and the old buffers are used again."""
    before = trainer.train(trainer.start([LSTM] * 6, range(6)), 1)
    losses = trainer.evaluate(before)["train_loss"]
    population = trainer.select(before, [4, 1])
    np.testing.assert_array_equal(trainer.evaluate(population)["train_loss"], losses[[4, 1]])
    unused = np.asarray(population.cohorts[0].state.loss)
    after = trainer.train(population, 2)
    assert np.sum(np.asarray(after.cohorts[0].state.loss) != unused) == 2
    assert population.cohorts[0].state.diverged.is_deleted()
    assert not before.cohorts[0].state.diverged.is_deleted()


def test_test_split_is_not_trained_on(data: jaxrnn.Data) -> None:
    """Other validation and test data, same training bits."""
    swapped = jaxrnn.Data(
        data.name, data.train, data.test, data.validation, data.classes, data.mean, data.scale
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
        slots, rows = layout.slots(present), layout.rows_in_use(present)
        assert len(set(slots)) == present
        assert rows.shape == (devices,)
        device, place = np.divmod(slots, layout.waves * lanes)
        assert np.all(place // lanes < rows[device])  # every member is in a row that runs
        assert rows.max() == -(-present // (devices * lanes))  # and no device runs more
    assert layout.waves == -(-members // (devices * lanes))
    host = [{"a": np.full(2, k, np.float32)} for k in range(members)]
    placed = layout.place(host)
    assert placed["a"].shape == (*layout.shape, 2)
    np.testing.assert_array_equal(layout.collect(placed["a"], members)[:, 0], np.arange(members))


BAD_CALLS = [
    (lambda t, p: t.start([], []), "`seeds` are 0, but must be one for each of the 0"),
    (lambda t, p: t.start([LSTM], [1, 2]), "`seeds` are 2"),
    (lambda t, p: t.start([LSTM], [2**32]), "`seed` is 4294967296, but must be from 0 to"),
    (lambda t, p: t.train(p, -1), "`epochs` is -1, but must be a whole number of at least 0"),
    (lambda t, p: t.train(p, 1.5), "`epochs` is 1.5"),
    (lambda t, p: (t.train(p, 1), t.train(p, 1)), "`population` was trained before; go on with"),
    (lambda t, p: t.select(p, [True]), "`indices` are [True], but must be"),
    (lambda t, p: t.select(p, [0.0]), "`indices` are [0.0]"),
    (lambda t, p: t.evaluate(p, "train"), "`split` is 'train'"),
    (lambda t, p: t.select(p, []), "`indices` are []"),
    (
        lambda t, p: t.select(p, [1]),
        "`indices` are [1], but must be at least one whole number, each from 0",
    ),
    (lambda t, p: t.select(p, [-1]), "`indices` are [-1]"),
    (lambda t, p: t.select(p, [0] * 9), "`indices` ask for 9 members of one architecture"),
    (lambda t, p: t.predictor(p, 1), "`index` is 1, but must be from 0 to 0"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_calls(trainer: jaxrnn.Trainer, call, message: str) -> None:
    population = trainer.start([LSTM], [1])
    with pytest.raises(ValueError) as error:
        call(trainer, population)
    assert message in str(error.value)


BAD_SETTINGS = [
    ({"batch_size": 0}, "`batch_size` is 0, but must be from 1 to 64"),
    ({"batch_size": 65}, "`batch_size` is 65"),
    ({"seed": -1}, "`seed` is -1, but must be from 0 to 4294967295."),
    ({"lanes": 0}, "`lanes` is 0, but must be from 1 to 4096"),
    ({"devices": 0}, "`devices` is 0, but must be at least 1"),
    ({"devices": 9}, "`devices` is 9, but must be at most 8, the cpu devices"),
]


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS)
def test_bad_settings(data: jaxrnn.Data, settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError) as error:
        jaxrnn.Trainer(data, **settings)
    assert message in str(error.value)


BAD_CONFIGURATIONS = [
    ({"hiden_size": 3}, "`hiden_size` is no hyperparameter, known are `cell`"),
    ({"xyz": 3}, "`dropout`."),
    ({"cell": "rnn"}, "`cell` is 'rnn', but must be one of 'lstm', 'gru'"),
    ({"hidden_size": 0}, "`hidden_size` is 0, but must be a whole number from 1 to 4096"),
    ({"hidden_size": 8.0}, "`hidden_size` is 8.0, but must be a whole number"),
    ({"hidden_size": True}, "`hidden_size` is True"),
    ({"layers": 5}, "`layers` is 5, but must be a whole number from 1 to 4"),
    ({"dropout": 1.0}, "`dropout` is 1.0, but must be a number from 0 to 0.95"),
    ({"dropout": float("nan")}, "`dropout` is nan"),
    (
        {"learning_rate": -0.1},
        "`learning_rate` is -0.1, but must be a number of at least 0, below infinity",
    ),
    ({"learning_rate": float("inf")}, "`learning_rate` is inf"),
    ({"weight_decay": float("inf")}, "`weight_decay` is inf"),
    ({"hidden_size": np.float32(8)}, "`hidden_size` is np.float32(8.0)"),
    ({"learning_rate": "fast"}, "`learning_rate` is 'fast'"),
    ({"clip_norm": float("nan")}, "`clip_norm` is nan"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_CONFIGURATIONS)
def test_bad_configurations(trainer: jaxrnn.Trainer, bad: dict, message: str) -> None:
    with pytest.raises(ValueError) as error:
        trainer.start([LSTM, bad], [1, 2])
    assert message in str(error.value)


def test_numpy_numbers_are_numbers(trainer: jaxrnn.Trainer) -> None:
    given = {"hidden_size": np.int64(8), "dropout": np.float32(0.5), "layers": np.int32(1)}
    (kept,) = trainer.start([given], [1]).configurations
    assert (kept["hidden_size"], kept["dropout"], kept["layers"]) == (8, 0.5, 1)
    assert {type(kept[name]) for name in given} == {int, float}


def test_double_precision_mode_changes_nothing(data: jaxrnn.Data) -> None:
    results = []
    for wide in (False, True):
        with jax.enable_x64(wide):
            trainer = jaxrnn.Trainer(data, devices=1)
            population = trainer.train(trainer.start([GRU, LSTM], [1, 2]), 3)
            results.append(trainer.evaluate(population))
            assert results[-1]["loss"].dtype == np.float32
    for name in results[0]:
        np.testing.assert_allclose(results[1][name], results[0][name], rtol=1e-5)


def test_entries_do_what_they_say(trainer: jaxrnn.Trainer) -> None:
    """Each number changes the run, and no clipping is a norm of infinity."""
    changes = [
        {"clip_norm": 0.1},
        {"learning_rate": 0.0},
        {"weight_decay": 1.0},
        {"clip_norm": 1e-3},
        {"dropout": 0.5},
        {"clip_norm": 1e9},
        {"clip_norm": float("inf")},
    ]
    start = trainer.start([{**LSTM, **one} for one in changes], [1] * len(changes))
    first = weights(trainer, start)
    last = weights(trainer, trainer.train(start, 3))
    assert_same(first[1], last[1])
    norms = [np.linalg.norm(one["layer_0"]["recurrent_kernel"]) for one in last]
    assert norms[2] < norms[0]
    assert len(set(norms[:5])) == 5
    assert_same(last[5], last[6])
