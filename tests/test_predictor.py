"""A trained member by itself: the same answers from memory, from its folder, at its true width."""

from pathlib import Path

import numpy as np
import pytest
from conftest import sequences

import jaxrnn
from jaxrnn.cells import CELLS


@pytest.fixture(scope="module")
def predictor() -> jaxrnn.Predictor:
    inputs, labels = sequences(900)
    data = jaxrnn.from_arrays(inputs * 3 + 5, np.array(["left", "mid", "right"])[labels])
    trainer = jaxrnn.Trainer(data, devices=1)
    population = trainer.start([{"cell": "gru", "hidden_size": 11, "layers": 2}], [1])
    return trainer.predictor(trainer.train(population, 20))


def test_it_learned_and_speaks_the_users_labels(predictor: jaxrnn.Predictor) -> None:
    inputs, labels = sequences(300, seed=9)
    answers = predictor.predict(inputs * 3 + 5)
    right = (answers == np.array(["left", "mid", "right"])[labels]).mean()
    assert right > 0.6  # chance is 1/3, the label noise allows 0.83
    np.testing.assert_allclose(predictor.probabilities(inputs).sum(1), 1.0, rtol=1e-5)


def test_parameters_have_the_true_width(predictor: jaxrnn.Predictor) -> None:
    expected = CELLS["gru"].shapes(3, 11)
    for name, leaf in predictor.parameters["layer_0"].items():
        assert leaf.shape == expected[name]
        assert name.endswith("bias") or np.all(np.any(leaf, axis=-1))


def test_folder_gives_the_same_bits(predictor: jaxrnn.Predictor, tmp_path: Path) -> None:
    inputs, _ = sequences(50, seed=3)
    predictor.save(tmp_path / "a" / "best")
    loaded = jaxrnn.load(tmp_path / "a" / "best")
    np.testing.assert_array_equal(loaded.probabilities(inputs), predictor.probabilities(inputs))
    assert loaded.configuration == predictor.configuration
    assert loaded.predict(inputs).tolist() == predictor.predict(inputs).tolist()
    with pytest.raises(FileExistsError):
        predictor.save(tmp_path / "a" / "best")


def test_bad_folders_and_inputs(predictor: jaxrnn.Predictor, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must hold configuration\.json; a run's is `best`"):
        jaxrnn.load(tmp_path)
    with pytest.raises(ValueError, match=r"`inputs` have the shape \(4, 3\), but must be"):
        predictor.predict(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="`inputs` must be finite"):
        predictor.predict(np.full((4, 6, 3), np.nan))
    with pytest.raises(ValueError, match=r"`inputs` have the shape \(4, 6, 2\)"):
        predictor.predict(np.zeros((4, 6, 2)))
