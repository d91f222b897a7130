"""Going on with another configuration: what may change, what is kept, what acts from then on."""

from typing import Any

import jax
import numpy as np
import pytest

import jaxrnn
from jaxrnn.network.architecture import architecture_of

LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 8}
CHANGEABLE = {
    *("input_dropout", "dropout", "recurrent_dropout", "weight_decay", "l2", "input_noise"),
    *("label_smoothing", "momentum", "b1", "b2", "eps", "learning_rate", "decay_rate"),
    *("final_rate", "plateau_factor", "plateau_patience", "plateau_min_delta"),
    *("batch_size", "batch_growth", "clip_norm", "clip_value"),
}


@pytest.fixture(scope="module")
def trainer(data: jaxrnn.Data) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(data, devices=1)


@pytest.fixture(scope="module")
def snapshot(trainer: jaxrnn.Trainer) -> jaxrnn.Snapshot:
    (one,) = trainer.to_host(trainer.train(trainer.start([LSTM], [1], 9), 2))
    return one


def gone_on(trainer: jaxrnn.Trainer, *snapshots: jaxrnn.Snapshot) -> list[jaxrnn.Snapshot]:
    """An epoch later."""
    totals = [one.epochs + 1 for one in snapshots]
    return trainer.to_host(trainer.train(trainer.to_device(snapshots), totals))


def assert_same(one: Any, other: Any) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_what_may_change(trainer: jaxrnn.Trainer) -> None:
    assert {name for name in jaxrnn.HYPERPARAMETERS if trainer.can_change(name)} == CHANGEABLE
    assert not trainer.can_change("no entry")


def test_weights_optimizer_and_past_are_kept(
    trainer: jaxrnn.Trainer, snapshot: jaxrnn.Snapshot
) -> None:
    heir = trainer.fork(snapshot, {**LSTM, "learning_rate": 0.0}, 5)
    assert_same((heir.state, heir.metrics), (snapshot.state, snapshot.metrics))
    assert (heir.seed, heir.epochs, heir.max_epochs) == (5, 2, 9)
    assert heir.configuration == {**snapshot.configuration, "learning_rate": 0.0}
    assert snapshot.seed == 1 and snapshot.configuration["learning_rate"] == 3e-3
    assert heir.architecture == snapshot.architecture
    later, usual = gone_on(trainer, heir, snapshot)
    assert_same(later.state.train_state.parameters, snapshot.state.train_state.parameters)
    assert later.metrics[:, 3].tolist() == [*snapshot.metrics[:, 3], 0.0]
    for own, other, before in zip(
        *(one.state.train_state.opt_state for one in (later, usual, snapshot)), strict=True
    ):
        if own.ndim == 0:  # steps
            assert own == other == before + 8
        else:
            assert np.any(own != before)


def test_the_same_configuration_and_seed_go_on_as_the_snapshot_does(
    trainer: jaxrnn.Trainer, snapshot: jaxrnn.Snapshot
) -> None:
    heir = trainer.fork(snapshot, LSTM, 1)
    one, other = gone_on(trainer, heir, snapshot)
    assert_same((one.state, one.metrics), (other.state, other.metrics))


def test_code_that_was_not_compiled_yet_acts_from_now_on(
    trainer: jaxrnn.Trainer, snapshot: jaxrnn.Snapshot
) -> None:
    """And only where it is new a program is compiled."""
    programs = trainer.compiler.programs
    changes: list[tuple[dict[str, Any], int]] = [
        ({"dropout": 0.5, "batch_size": 16}, 3),
        ({"dropout": 0.5, "batch_size": 16}, 4),
        ({"dropout": 0.4, "batch_size": 32}, 3),
        ({"dropout": 0.0, "batch_size": 16}, 3),
    ]
    heirs = [trainer.fork(snapshot, {**LSTM, **given}, seed) for given, seed in changes]
    assert [one.architecture.uses.dropout for one in heirs] == [True, True, True, False]
    assert all(one.architecture.uses.accumulation for one in heirs)
    later = gone_on(trainer, *heirs, snapshot)
    assert trainer.compiler.programs == programs + 4
    kernels = [one.state.train_state.parameters.kernels for one in later]
    assert len({one.tobytes() for one in kernels}) == 5
    back = trainer.fork(later[0], LSTM, 1)
    assert back.architecture == heirs[0].architecture  # it stays where it can live


def test_planned_configurations_need_no_new_program(data: jaxrnn.Data) -> None:
    trainer = jaxrnn.Trainer(data, devices=1)
    trainer.plan_for([{**LSTM, "dropout": 0.1}], 9)
    population = trainer.train(trainer.start([LSTM], [1], 9), 1)
    heir = trainer.fork(trainer.to_host(population)[0], {**LSTM, "dropout": 0.3}, 1)
    gone_on(trainer, heir)
    assert trainer.compiler.programs == 2


PARENTS = {
    "momentum": {"optimizer": "momentum"},
    "decay_rate": {"schedule": "exponential"},
    "final_rate": {"schedule": "cosine"},
    "batch_growth": {"batch_growth_epochs": 2},
}
OTHER = {"batch_size": 24, "plateau_patience": 7, "batch_growth": 3.5}


@pytest.mark.parametrize("name", sorted(CHANGEABLE))
def test_no_change_asks_for_another_state(trainer: jaxrnn.Trainer, name: str) -> None:
    """The widened architecture starts from a state of the very same arrays."""
    parents = PARENTS.get(name) or ({"schedule": "plateau"} if "plateau" in name else {})
    (before,) = trainer.init([{**LSTM, **parents}], [1], 9)
    value = OTHER.get(name, 0.25)
    assert before.configuration[name] != value
    heir = trainer.fork(before, {**LSTM, **parents, name: value}, 1)
    entries = {**before.configuration, name: value}
    assert heir.configuration == entries
    assert heir.architecture.covers(architecture_of(entries, trainer.data.spec, 8))
    assert float(getattr(heir.packed.hp, name)) == value
    packing = trainer.compiler.member(heir.architecture).step.update.packing
    own = trainer.compiler.member(before.architecture).step.update.packing
    assert packing.shapes == own.shapes
    member = trainer.compiler.member(heir.architecture)
    fresh = member.start(before.state.train_state.parameters, entries["optimizer"])
    assert jax.tree.structure(fresh) == jax.tree.structure(heir.state)
    shapes = [
        [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(t)] for t in (fresh, heir.state)
    ]
    assert shapes[0] == shapes[1]


FIXED = [
    ({"hidden_size": 9}, "`hidden_size` is 9, but must be 8 as in the snapshot: it can't change"),
    ({"cell": "gru"}, "`cell` is 'gru', but must be 'lstm'"),
    ({"optimizer": "sgd"}, "`optimizer` is 'sgd', but must be 'adamw'"),
    ({"epochs": 5}, "`epochs` is 5, but must be 9"),
    ({"patience": 3}, "`patience` is 3, but must be 0"),
    ({"schedule": "cosine"}, "`schedule` is 'cosine', but must be 'constant'"),
    ({"warmup_epochs": 1.0}, "`warmup_epochs` is 1.0, but must be 0.0"),
    ({"forget_bias": 0.0}, "`forget_bias` is 0.0, but must be 1.0"),
    ({"layers": 2}, "`layers` is 2, but must be 1"),
    ({"tbptt_length": 2}, "`tbptt_length` is 2, but must be 0"),
    ({"batch_growth_epochs": 2}, "`batch_growth_epochs` is 2, but must be 0"),
    ({"momentum": 0.5}, "`momentum` is 0.5, but acts only where"),
    ({"learning_rate": -1.0}, "`learning_rate` is -1.0, but must be a number"),
    ({"batch_size": 20}, "`batch_size` is 20, but must be a multiple"),
]


@pytest.mark.parametrize(("change", "message"), FIXED)
def test_what_may_not_change(
    trainer: jaxrnn.Trainer, snapshot: jaxrnn.Snapshot, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError) as error:
        trainer.fork(snapshot, {**LSTM, **change}, 1)
    assert message in str(error.value)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_are_checked(trainer: jaxrnn.Trainer, snapshot: jaxrnn.Snapshot, seed: int) -> None:
    with pytest.raises(ValueError, match=f"`seed` is {seed}, but must be from 0"):
        trainer.fork(snapshot, LSTM, seed)
