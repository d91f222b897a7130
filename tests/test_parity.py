"""A population trains as a plain loop over its members does, and no member feels another."""

from typing import Any

import numpy as np
import pytest
import reference

import jaxrnn
from jaxrnn import configuration, initial

ORDER_SEED, BATCH, EPOCHS = 5, 20, 17  # 3 steps an epoch, 4 samples left out: 51 steps

MIXED: list[dict[str, Any]] = [
    {"cell": "lstm", "hidden_size": 7},
    {"cell": "gru", "hidden_size": 7, "learning_rate": 1e-2},
    {"cell": "lstm", "hidden_size": 64, "learning_rate": 5e-3, "dropout": 0.3},
    {"cell": "gru", "hidden_size": 33, "weight_decay": 0.1, "dropout": 0.5},
    {"cell": "lstm", "hidden_size": 20, "layers": 3, "dropout": 0.2},
    {"cell": "gru", "hidden_size": 12, "layers": 2, "clip_norm": 0.05},
    {"cell": "lstm", "hidden_size": 70, "clip_norm": 0.05, "weight_decay": 0.0},
]
SEEDS = [11, 12, 13, 14, 15, 16, 17]


def curves(
    trainer: jaxrnn.Trainer, configurations: list[dict[str, Any]], seeds: list[int], epochs: int
) -> tuple[np.ndarray, jaxrnn.Population]:
    """Training loss `(population, epochs)`, and the population at its end."""
    population = trainer.start(configurations, seeds)
    losses = []
    for epoch in range(epochs):
        population = trainer.train(population, epoch + 1)
        losses.append(trainer.evaluate(population)["train_loss"])
    return np.array(losses).T, population


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_mixed_population_equals_a_loop_of_flax_and_optax(data: jaxrnn.Data, lanes: int) -> None:
    trainer = jaxrnn.Trainer(data, batch_size=BATCH, lanes=lanes, devices=2, seed=ORDER_SEED)
    ours, population = curves(trainer, MIXED, SEEDS, EPOCHS)
    for position, (given, seed) in enumerate(zip(MIXED, SEEDS, strict=True)):
        entries = configuration.complete(given)
        architecture = configuration.architecture(entries, 3, 3)
        first = initial.draw(architecture, entries["hidden_size"], seed)
        plain, last = reference.loss_curve(
            entries,
            first,
            data.train.inputs,
            data.train.labels,
            seed=seed,
            order_seed=ORDER_SEED,
            epochs=EPOCHS,
            batch=BATCH,
        )
        assert plain[-1] < plain[0]  # it learns, or equality would say little
        np.testing.assert_allclose(ours[position], plain, rtol=1e-5, err_msg=str(given))
        trained = trainer.predictor(population, position).parameters
        trained = reference.flax_parameters(entries["cell"], trained)
        np.testing.assert_allclose(
            trained["head"]["kernel"], last["head"]["kernel"], rtol=1e-3, atol=1e-5
        )


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_bits_do_not_depend_on_lane_neighbours_or_dummies(data: jaxrnn.Data, lanes: int) -> None:
    """The same member alone, first, last, beside diverging ones: the same bits."""
    trainer = jaxrnn.Trainer(data, lanes=lanes, devices=2)
    mine, seed = {"cell": "lstm", "hidden_size": 9, "dropout": 0.2}, 42
    alone, _ = curves(trainer, [mine], [seed], 4)
    others = [{"cell": "lstm", "hidden_size": h, "learning_rate": 1e6} for h in (64, 3, 20, 31, 5)]
    for place in (0, 2, 5):
        crowd = [*others[:place], mine, *others[place:]]
        seeds = [*range(place), seed, *range(place, 5)]
        losses, _ = curves(trainer, crowd, seeds, 4)
        np.testing.assert_array_equal(losses[place], alone[0])
    again, _ = curves(trainer, crowd[::-1], seeds[::-1], 4)
    np.testing.assert_array_equal(again[::-1], losses)


@pytest.mark.parametrize("lanes", [1, 2])
def test_eight_devices_agree_with_one(data: jaxrnn.Data, lanes: int) -> None:
    results = []
    for count in (1, 8):
        trainer = jaxrnn.Trainer(data, lanes=lanes, devices=count)
        assert trainer.mesh.size == count
        losses, population = curves(trainer, MIXED * 3, list(range(21)), 5)
        population = trainer.select(population, [20, 3, 4, 11])
        population = trainer.train(population, 8)
        results.append((losses, *trainer.evaluate(population).values()))
    for one, eight in zip(*results, strict=True):
        np.testing.assert_allclose(eight, one, rtol=1e-5)


def test_padded_units_stay_exactly_zero(data: jaxrnn.Data) -> None:
    """Weights and both moments of AdamW, after 50 steps with decay, clipping and dropout."""
    trainer = jaxrnn.Trainer(data, batch_size=BATCH, devices=1)
    for cell in ("lstm", "gru"):
        entries = {"cell": cell, "hidden_size": 10, "layers": 2, "dropout": 0.3}
        _, population = curves(trainer, [entries], [3], EPOCHS)
        (cohort,) = population.cohorts
        inner: Any = cohort.state.optimizer
        adam = inner.inner_state[1][0]
        for tree in (cohort.state.parameters, adam.mu, adam.nu):
            for layer in ("layer_0", "layer_1"):
                for name, leaf in tree[layer].items():
                    padded = np.asarray(leaf)[0, 0]
                    assert np.any(padded[..., :10]), name
                    assert not np.any(padded[..., 10:]), name
                    if name == "recurrent_kernel" or (name, layer) == ("input_kernel", "layer_1"):
                        assert not np.any(padded[10:]), name
            assert not np.any(np.asarray(tree["head"]["kernel"])[0, 0, 10:])


def test_common_order_and_seed(data: jaxrnn.Data) -> None:
    """Twins train alike, another trial seed or another order seed does not."""
    trainer = jaxrnn.Trainer(data, devices=1)
    twin = {"cell": "gru", "hidden_size": 8}
    losses, _ = curves(trainer, [twin, twin, twin], [7, 7, 8], 3)
    np.testing.assert_array_equal(losses[0], losses[1])
    assert np.all(losses[0] != losses[2])
    other, _ = curves(jaxrnn.Trainer(data, devices=1, seed=1), [twin], [7], 3)
    assert np.all(other[0] != losses[0])
