"""What is drawn while a network trains: the same at every width, at the rates asked for."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.marks import slow
from support.single_member import (
    TIME,
    SingleMember,
    alone,
    among,
    assert_close,
    hp_of,
    outputs,
    sequences,
)

from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.network import dropout
from jaxrnn.network.dropout import RngStream, uniform
from jaxrnn.network.inputs import crop
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.tasks.spec import Outputs
from jaxrnn.training.batches import Samples

KEY = jax.random.key(8)
DEEP: dict[str, Any] = {"layers": 2, "hidden_size": 5, "hidden_size_2": 7}
KINDS: dict[str, dict[str, Any]] = {
    "input_dropout": {"input_dropout": 0.4},
    "dropout": {"dropout": 0.4},
    "recurrent_dropout": {"recurrent_dropout": 0.4},
    "input_noise": {"input_noise": 0.5},
    "crop": {"crop_length": 3, "crop_at": "random"},
}

# Padding


@pytest.mark.parametrize(
    ("cell", "bidirectional"),
    [
        *(("lstm", True), ("rnn", False)),
        *slow(("lstm", False), ("gru", False), ("gru", True), ("rnn", True)),
    ],
)
def test_draws_do_not_depend_on_padding(cell: str, bidirectional: bool) -> None:
    """All kinds at once, at every step, in a program that holds members with dense layers."""
    given = {"cell": cell, **DEEP, "bidirectional": bidirectional, "target_replication": 0.5}
    for kind in KINDS.values():
        given |= kind
    samples = sequences(4)
    narrow = alone(given).apply(samples, KEY)
    wide = among(given, [{**given, "dense_after": 1, "dense_before": 1}], width=24)
    assert_close(wide.apply(samples, KEY), narrow, rtol=1e-4)


@pytest.mark.parametrize("shape", [(4, 5), (4, 7, 5)])
def test_what_is_kept_of_a_unit_does_not_depend_on_the_others(shape: tuple[int, ...]) -> None:
    narrow = dropout.dropout_mask(KEY, jnp.float32(0.5), shape)
    wide = dropout.dropout_mask(KEY, jnp.float32(0.5), (*shape[:-1], 32))
    np.testing.assert_array_equal(wide[..., :5], narrow)


# Rates, in networks that pass on what they are given: h' = relu(x W + h R), all matrices 1

WIDTH, BATCH, RATE = 8, 3000, 0.3
KEPT = 1 / (1 - RATE)
TOLERANCE = 4 * np.sqrt(RATE * (1 - RATE) / (WIDTH * BATCH))  # four deviations


def passed_on(given: dict[str, Any], x: np.ndarray, key: Any = KEY) -> Outputs:
    """Outputs of a simple network of identities, for inputs (batch, time, `WIDTH`)."""
    given = {"cell": "rnn", "activation": "relu", "hidden_size": WIDTH, **given}
    member = alone(given)
    one, zero = np.eye(WIDTH, dtype=np.float32), np.zeros(WIDTH, np.float32)
    gates = {"input_kernel": one[:, None], "recurrent_kernel": one[:, None], "bias": zero[None]}
    layers = {f"layer_{k}": gates for k in range(given.get("layers", 1))}
    # The head and the inputs are as wide as the layers here, which no problem of ours is.
    sizes = member.architecture.sizes._replace(inputs=WIDTH, outputs=WIDTH)
    weights = layers | {"head": {"kernel": one, "bias": zero}}
    samples = Samples(x, np.zeros(len(x), int), np.full(len(x), x.shape[1]))
    wide = replace(member.architecture, sizes=sizes)
    return outputs(wide, weights, samples, member.hp, key, None)


def shares(found: Any) -> dict[float, float]:
    """How often each value occurs."""
    values, counts = np.unique(np.asarray(found, float).round(4), return_counts=True)
    return dict(zip(values.tolist(), (counts / counts.sum()).tolist(), strict=True))


def steps(*values: float) -> np.ndarray:
    """The same numbers for every sample and feature, `(BATCH, steps, WIDTH)`."""
    return np.broadcast_to(
        np.asarray(values, np.float32)[None, :, None], (BATCH, len(values), WIDTH)
    )


def check_shares(found: dict[float, float], expected: dict[float, float]) -> None:
    assert found.keys() == {round(value, 4) for value in expected}
    for value, share in expected.items():
        assert found[round(value, 4)] == pytest.approx(share, abs=TOLERANCE)


def test_inputs_drop_out_one_by_one() -> None:
    out = passed_on({"input_dropout": RATE}, steps(1.0)).last
    check_shares(shares(out), {0.0: RATE, KEPT: 1 - RATE})
    two = passed_on({"input_dropout": RATE}, steps(1.0, 1.0)).last  # sums of two draws
    expected = {0.0: RATE**2, KEPT: 2 * RATE * (1 - RATE), 2 * KEPT: (1 - RATE) ** 2}
    check_shares(shares(two), expected)


def test_outputs_drop_out_between_layers_and_before_the_head() -> None:
    check_shares(shares(passed_on({"dropout": RATE}, steps(1.0)).last), {0.0: RATE, KEPT: 1 - RATE})
    both = passed_on({"dropout": RATE, "layers": 2}, steps(1.0)).last
    check_shares(shares(both), {0.0: 1 - (1 - RATE) ** 2, KEPT**2: (1 - RATE) ** 2})


def test_every_step_has_the_mask_of_the_last_one() -> None:
    seen = passed_on({"dropout": RATE, "target_replication": 0.5}, steps(1.0, 0.0, 0.0))
    assert seen.per_step is not None
    for step in range(3):
        np.testing.assert_array_equal(seen.per_step[:, step], seen.last)
    check_shares(shares(seen.last), {0.0: RATE, KEPT: 1 - RATE})


def test_the_state_drops_out_with_one_mask_for_all_steps() -> None:
    """And only where it enters the next step: the first output is whole."""
    given = {"recurrent_dropout": RATE, "target_replication": 0.5}
    seen = passed_on(given, steps(1.0, 0.0, 0.0))
    assert seen.per_step is not None
    assert shares(seen.per_step[:, 0]) == {1.0: 1.0}
    check_shares(shares(seen.per_step[:, 1]), {0.0: RATE, KEPT: 1 - RATE})
    np.testing.assert_allclose(seen.last, seen.per_step[:, 1] ** 2, rtol=1e-6)


def test_layers_have_masks_of_their_own() -> None:
    """Of two layers, each sums its inputs: x1 + m2 * (x1 * (1 + m1)), by hand."""
    given = {"recurrent_dropout": RATE, "layers": 2}
    out = passed_on(given, steps(1.0, 0.0)).last
    expected = {  # m1 + m2
        0.0: RATE**2,
        KEPT: 2 * RATE * (1 - RATE),
        2 * KEPT: (1 - RATE) ** 2,
    }
    check_shares(shares(out), expected)


def test_noise_has_its_deviation() -> None:
    out = np.asarray(passed_on({"input_noise": 0.5}, steps(10.0)).last)
    assert out.mean() == pytest.approx(10, abs=4 * 0.5 / np.sqrt(out.size))
    assert out.std() == pytest.approx(0.5, rel=4 / np.sqrt(2 * out.size))
    fourth = ((out - 10) ** 4).mean() / out.std() ** 4  # 3 for a normal distribution
    assert fourth == pytest.approx(3, abs=0.2)


def test_uses_of_a_key_never_meet() -> None:
    layers = range(4)
    given = [RngStream.NOISE, RngStream.INPUTS, RngStream.CROP, RngStream.READOUT]
    given += [RngStream.LAYER + layer for layer in layers]
    given += [RngStream.RECURRENT + 2 * layer + side for layer in layers for side in (0, 1)]
    assert len(set(map(int, given))) == len(given)


def test_directions_have_masks_of_their_own_in_every_layer() -> None:
    given = {"cell": "rnn", "layers": 3, "hidden_size": 8, "bidirectional": True}
    member = alone({**given, "recurrent_dropout": 0.5})
    network, places = (
        RecurrentNetwork(member.architecture),
        [(k, d) for k in range(3) for d in (0, 1)],
    )
    masks = [network._constants(*place, 4, member.hp, KEY).dropout_mask for place in places]
    assert len({np.asarray(mask).tobytes() for mask in masks}) == 6


# Without a key


def outputs_of(member: SingleMember, key: Any, **replaced: Any) -> np.ndarray:
    entries = member.configuration | replaced
    hp = hyperparameters(entries, member.architecture.optimizers)
    given = member.architecture, member.weights(), sequences(4), hp, key, None
    return np.asarray(outputs(*given).last)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_key_nothing_is_random(kind: str) -> None:
    member = alone({"cell": "gru", **DEEP, **KINDS[kind]})
    still = outputs_of(member, None)
    np.testing.assert_array_equal(outputs_of(member, None), still)
    zero = {name: 0.0 for name in KINDS[kind] if name != "crop_at"}
    if kind == "crop":
        zero = {"crop_length": 0}
    np.testing.assert_array_equal(outputs_of(member, None, **zero), still)
    first, second = (outputs_of(member, jax.random.key(seed)) for seed in (0, 1))
    assert np.abs(first - still).max() > 1e-3 and np.abs(first - second).max() > 1e-3
    np.testing.assert_allclose(outputs_of(member, KEY, **zero), still, rtol=1e-5, atol=1e-6)


# Crops


@pytest.mark.parametrize("at", ["end", "start", "random"])
def test_crops_lie_inside_the_true_length(at: str) -> None:
    """Inputs say their own step, and NaN behind the true length would show."""
    lengths = np.tile(np.arange(1, TIME + 1), 300)
    x = np.broadcast_to(np.arange(TIME, dtype=np.float32)[None], (len(lengths), TIME)).copy()
    x[np.arange(TIME)[None] >= lengths[:, None]] = np.nan
    hp = hp_of(crop_length=3, crop_at=at)
    cropped, kept = crop(hp, jnp.asarray(x[..., None]), jnp.asarray(lengths), KEY)
    np.testing.assert_array_equal(kept, np.minimum(lengths, 3))
    begins: dict[int, list[int]] = {}
    for row, whole, size in zip(
        np.asarray(cropped)[..., 0], lengths, np.asarray(kept), strict=True
    ):
        begin = int(row[0])
        np.testing.assert_array_equal(row[:size], np.arange(begin, begin + size))
        begins.setdefault(int(whole), []).append(begin)
    for whole, found in begins.items():
        spare = max(0, whole - 3)
        expected = {"end": [spare], "start": [0], "random": list(range(spare + 1))}[at]
        counts = [found.count(begin) for begin in expected]
        assert sum(counts) == len(found) == 300
        share = 300 / len(expected)
        assert all(abs(count - share) < 4 * np.sqrt(share) for count in counts), (whole, counts)


def test_random_crops_are_for_training() -> None:
    x = jnp.arange(TIME, dtype=jnp.float32).reshape(1, TIME, 1)
    for at, first in (("end", 4), ("start", 0), ("random", 0)):
        hp = hp_of(crop_length=3, crop_at=at)
        cropped, kept = crop(hp, x, jnp.array([TIME]), None)
        assert (int(kept[0]), float(cropped[0, 0, 0])) == (TIME if at == "random" else 3, first)
    cropped, kept = crop(hp_of(), x, jnp.array([5]), KEY)
    assert int(kept[0]) == 5
    np.testing.assert_array_equal(cropped, x)


@pytest.mark.parametrize("shape", [(), (7, 3), *slow(((1,),), ((16, 32),), ((5, 4, 9),))])
def test_own_threefry_draws_what_jax_draws(shape: tuple[int, ...]) -> None:
    keys = jax.vmap(lambda n: jax.random.fold_in(jax.random.key(n), n * n))(jnp.arange(6))
    ours = jax.jit(jax.vmap(lambda key: uniform(key, shape)))(keys)
    theirs = jax.vmap(lambda key: jax.random.uniform(key, shape))(keys)
    np.testing.assert_array_equal(ours, theirs)
