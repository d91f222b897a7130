"""A trained member by itself: the same answers from memory, from its folder, at its true width.

And, alone or in a cohort, blind to whatever lies behind the true length of a sequence.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.datasets import sequences, uneven
from support.marks import slow
from support.padding import merged
from support.splits import raw_of

import jaxrnn
from jaxrnn.configuration import rules
from jaxrnn.configuration.hyperparameters import PackedHyperparameters, hyperparameters
from jaxrnn.network import initial
from jaxrnn.network.architecture import architecture_of
from jaxrnn.network.packing import Packing
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.batches import Samples
from jaxrnn.training.member import Member
from jaxrnn.training.step import EpochContext, Step
from jaxrnn.training.update import Update

BOTH_WAYS: dict[str, Any] = {"cell": "gru", "layers": 2, "bidirectional": True, "hidden_size": 9}
COHORT: list[dict[str, Any]] = [
    {**BOTH_WAYS, "hidden_size_2": 14, "patience": 1},
    {**BOTH_WAYS, "residual": True, "activation": "sigmoid", "dropout": 0.2},
    {**BOTH_WAYS, "residual": True, "hidden_size_2": 5},
    {**BOTH_WAYS, "residual": True, "hidden_size_2": 16, "dense_after": 2},
    {**BOTH_WAYS, "layer_norm": True, "learned_start": True, "crop_length": 4},
    {**BOTH_WAYS, "dense_before": 2, "dense_before_units": 7, "crop_length": 3, "crop_at": "start"},
    {**BOTH_WAYS, "dense_before": 1, "dense_after": 1, "crop_length": 2, "crop_at": "random"},
]


@pytest.fixture(scope="module")
def predictor() -> jaxrnn.Predictor:
    inputs, labels = sequences(900)
    data = jaxrnn.from_arrays(inputs * 3 + 5, np.array(["left", "mid", "right"])[labels])
    trainer = jaxrnn.Trainer(data, devices=1)
    population = trainer.start([{"cell": "gru", "hidden_size": 11, "layers": 2}], [1])
    return trainer.predictor(trainer.train(population, 20))


@pytest.fixture(scope="module")
def cohort(uneven_data: jaxrnn.Data) -> tuple[jaxrnn.Trainer, jaxrnn.Population]:
    """Everything that shapes a network, in one program for sequences of all lengths."""
    trainer = jaxrnn.Trainer(uneven_data, devices=1)
    population = trainer.start(COHORT, range(len(COHORT)))
    assert len(population.cohorts) == 1
    return trainer, trainer.train(population, 4)


@pytest.fixture(scope="module")
def members(cohort: tuple[jaxrnn.Trainer, jaxrnn.Population]) -> list[jaxrnn.Predictor]:
    trainer, population = cohort
    return [trainer.predictor(population, position) for position in range(len(COHORT))]


def test_it_learned_and_speaks_the_users_labels(predictor: jaxrnn.Predictor) -> None:
    inputs, labels = sequences(300, seed=9)
    answers = predictor.predict(inputs * 3 + 5)
    right = (answers == np.array(["left", "mid", "right"])[labels]).mean()
    assert right > 0.6  # chance is 1/3, the label noise allows 0.83
    np.testing.assert_allclose(predictor.probabilities(inputs).sum(1), 1.0, rtol=1e-5)


def test_parameters_have_the_true_width(predictor: jaxrnn.Predictor) -> None:
    expected = architecture_of(predictor.configuration, TaskSpec(3, 3, True)).shapes()
    assert expected["layer_0"]["recurrent_kernel"] == (11, 3, 11)
    assert set(predictor.parameters) == set(expected)
    for layer, own in predictor.parameters.items():
        assert {name: leaf.shape for name, leaf in own.items()} == expected[layer]
        for name, leaf in own.items():
            assert name.endswith("bias") or np.all(np.any(leaf, axis=-1))


@pytest.mark.parametrize("position", range(len(COHORT)))
def test_true_width_scores_as_the_padded_one(
    cohort: tuple[jaxrnn.Trainer, jaxrnn.Population],
    members: list[jaxrnn.Predictor],
    uneven_data: jaxrnn.Data,
    position: int,
) -> None:
    """What a program scores in wide arrays, the member's own network scores without padding."""
    (trainer, population), split = cohort, uneven_data.test
    raw = raw_of(uneven_data, split)
    own = members[position].probabilities(raw, split.lengths)
    loss = -np.log(own[np.arange(len(split)), split.targets]).mean()
    assert loss == pytest.approx(trainer.evaluate(population, "test")["loss"][position], rel=1e-5)


def test_folder_gives_the_same_bits(predictor: jaxrnn.Predictor, tmp_path: Path) -> None:
    inputs, _ = sequences(50, seed=3)
    predictor.save(tmp_path / "a" / "best")
    loaded = jaxrnn.load(tmp_path / "a" / "best")
    np.testing.assert_array_equal(loaded.probabilities(inputs), predictor.probabilities(inputs))
    assert loaded.configuration == predictor.configuration
    assert loaded.configuration["clip_value"] == float("inf")
    assert loaded.predict(inputs).tolist() == predictor.predict(inputs).tolist()
    with pytest.raises(FileExistsError):
        predictor.save(tmp_path / "a" / "best")


def test_folder_keeps_what_a_member_of_a_cohort_has(
    members: list[jaxrnn.Predictor], tmp_path: Path
) -> None:
    inputs, _, lengths = uneven(20, seed=5)
    for position in (0, 4):
        own = members[position]
        own.save(tmp_path / str(position))
        loaded = jaxrnn.load(tmp_path / str(position))
        assert loaded.configuration == own.configuration
        jax.tree.map(np.testing.assert_array_equal, loaded.parameters, own.parameters)
        np.testing.assert_array_equal(
            loaded.probabilities(inputs, lengths), own.probabilities(inputs, lengths)
        )


@pytest.mark.parametrize("position", [4, *slow(1, 5)])
def test_predictions_end_at_the_true_length(members: list[jaxrnn.Predictor], position: int) -> None:
    """Anything behind it gives the same bits, and cutting it off the same numbers."""
    own, (inputs, _, lengths) = members[position], uneven(20, seed=5)
    zeros = np.where(np.isnan(inputs), 0.0, inputs)
    expected = own.probabilities(zeros, lengths)
    for garbage in (np.nan, np.inf, -1e30):
        wild = np.where(np.isnan(inputs), garbage, inputs)
        np.testing.assert_array_equal(own.probabilities(wild, lengths), expected)
        longer = np.pad(wild, [(0, 0), (0, 3), (0, 0)], constant_values=garbage)
        np.testing.assert_allclose(own.probabilities(longer, lengths), expected, rtol=1e-5)
    for length in (2, 5):
        same = lengths == length
        cut = own.probabilities(zeros[same, :length])
        np.testing.assert_allclose(cut, expected[same], rtol=1e-5)
    assert np.any(own.probabilities(zeros) != expected)  # zeros are read where they are true


def test_padding_too_large_for_single_precision_is_ignored(
    predictor: jaxrnn.Predictor,
) -> None:
    inputs, _, lengths = uneven(50, seed=5)
    wild = np.where(np.isnan(inputs), 1e300, inputs.astype(np.float64))
    np.testing.assert_array_equal(
        predictor.probabilities(wild, lengths), predictor.probabilities(inputs, lengths)
    )


LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 6, "batch_size": 8}
NETWORKS: dict[str, dict[str, Any]] = {
    "both ways": {
        **{**LSTM, "layers": 2, "bidirectional": True, "residual": True, "layer_norm": True},
        **{"target_replication": 0.5, "recurrent_dropout": 0.2, "dense_before": 1},
    },
    "blocks": {
        **{**LSTM, "tbptt_length": 4, "tbptt_overlap": 0.5, "target_replication": 0.5},
        **{"dropout": 0.2, "input_noise": 0.1, "input_dropout": 0.1},
    },
    "crop": {
        **{**LSTM, "cell": "rnn", "layers": 2, "crop_length": 3, "crop_at": "random"},
        **{"target_replication": 1.0, "dense_after": 1, "bidirectional": True},
    },
}


@pytest.mark.parametrize("name", ["crop", *slow("both ways", "blocks")])
def test_no_step_of_training_sees_behind_the_true_length(name: str) -> None:
    """Loss, gradients and update keep their bits, whatever the padding holds."""
    problem, entries = TaskSpec(3, 3, True), rules.complete(NETWORKS[name], 8, 10)
    architecture = merged([entries], problem, 16, 8)
    packing = Packing(architecture.shapes())
    member = Member(
        Step(architecture, Classification((0, 1, 2)), Update(architecture.optimizers, packing)), 8
    )
    weights = initial.init(architecture_of(entries, problem), entries, 3)
    train_state = member.start(
        packing.pack(initial.pad(weights, packing.shapes)), "adamw"
    ).train_state
    packed = PackedHyperparameters.of(
        hyperparameters(entries, architecture.optimizers), jnp.uint32(3)
    )
    epoch = EpochContext(jnp.int32(1), jnp.int32(4), jnp.int32(1), jnp.float32(1))

    @jax.jit
    def stepped(inputs: jax.Array) -> Any:
        samples = Samples(inputs, labels, lengths)
        index = jnp.int32(2)
        found = member.step.gradient(packed, epoch, train_state.parameters, samples, index)
        return member.step(packed, epoch, train_state, None, found, index)

    inputs, labels, lengths = uneven(8, seed=2)
    behind = np.isnan(inputs)
    expected = stepped(np.where(behind, 0.0, inputs))
    wild = np.random.default_rng(0).normal(size=inputs.shape) * 1e3
    found = stepped(np.where(behind, wild, inputs).astype(np.float32))
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    assert np.isfinite(found[-1].loss) and found[-1].norm > 0


def test_bad_folders_and_inputs(predictor: jaxrnn.Predictor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must hold configuration\.json; a run's is `best`"):
        jaxrnn.load(tmp_path)
    with pytest.raises(ValueError, match=r"`predict` inputs have the shape \(4, 3\), but must be"):
        predictor.predict(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="`predict` inputs must be finite, but sample 0 holds"):
        predictor.predict(np.full((4, 6, 3), np.nan))
    with pytest.raises(ValueError, match=r"`inputs` have the shape \(4, 6, 2\)"):
        predictor.predict(np.zeros((4, 6, 2)))


BAD_LENGTHS: list[tuple[Any, str]] = [
    ([6, 6, 6], r"`predict` lengths are int64 of the shape \(3,\), but must be a whole number per"),
    ([1.0, 2.0, 3.0, 4.0], "`predict` lengths are float64"),
    ([0, 1, 2, 3], "`predict` lengths are from 0 to 3, but must be from 1 to 6, the time steps"),
    ([7, 1, 2, 3], "`predict` lengths are from 1 to 7"),
    ([6, 6, 6, 2], "`predict` inputs must be finite, but sample 2 holds NaN or inf"),
]


@pytest.mark.parametrize(("lengths", "message"), BAD_LENGTHS)
def test_bad_lengths(predictor: jaxrnn.Predictor, lengths: Any, message: str) -> None:
    inputs = np.zeros((4, 6, 3))
    inputs[2:, 5] = np.nan
    with pytest.raises(ValueError, match=message):
        predictor.predict(inputs, lengths)
