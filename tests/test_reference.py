"""The reference against Flax, Optax and definitions, so that it may judge the package."""

from itertools import pairwise
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import reference

from jaxrnn.training.buckets import epoch_buckets, epoch_order

pytestmark = pytest.mark.slow
TIME, FEATURES, CLASSES = 6, 3, 4
CELLS = ["lstm", "gru", "rnn"]


class Samples(NamedTuple):
    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray


def samples(count: int, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, TIME + 1, count).astype(np.int32)
    lengths[:2] = 1, TIME
    inputs = rng.normal(size=(count, TIME, FEATURES)).astype(np.float32)
    inputs *= np.arange(TIME)[None, :, None] < lengths[:, None, None]
    labels = (inputs.sum((1, 2)) > 0).astype(np.int32) + rng.integers(0, 2, count)
    return Samples(inputs, labels.astype(np.int32), lengths)


def complete(**given: Any) -> dict[str, Any]:
    """A complete configuration; entries that are inactive do no harm."""
    entries: dict[str, Any] = dict(cell="lstm", layer_norm=False, activation="tanh", layers=1)
    entries |= dict(hidden_size=5, bidirectional=False, residual=False, learned_start=False)
    for side in ("dense_before", "dense_after"):
        entries |= {side: 0, f"{side}_units": 5, f"{side}_activation": "relu"}
    entries |= dict(input_dropout=0.0, dropout=0.0, recurrent_dropout=0.0, l2=0.0, input_noise=0.0)
    entries |= dict(label_smoothing=0.0, target_replication=0.0, optimizer="adamw", b1=0.9)
    entries |= dict(b2=0.999, eps=1e-8, weight_decay=1e-4, learning_rate=3e-3, schedule="constant")
    entries |= dict(warmup_epochs=0, batch_size=4, batch_growth_epochs=0, batch_growth=2.0)
    entries |= dict(clip_norm=1.0, clip_value=np.inf, tbptt_length=0, tbptt_overlap=0.0)
    entries |= dict(tbptt_growth_epochs=0, tbptt_growth=2.0, crop_length=0, crop_at="end")
    entries |= dict(epochs=100, patience=0, min_delta=0.0, output_activation="tanh")
    return entries | given


def parameters(c: dict[str, Any], seed: int = 1) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    tree: dict[str, Any] = {}

    def array(*shape: int) -> np.ndarray:
        return (rng.normal(size=shape) * 0.5).astype(np.float32)

    def stacked(side: str, below: int) -> int:
        for k in range(c[side]):
            units = c[f"{side}_units"]
            tree[f"{side}_{k}"] = {"kernel": array(below, units), "bias": array(units)}
            below = units
        return below

    below, gates = stacked("dense_before", FEATURES), {"lstm": 4, "gru": 3, "rnn": 1}[c["cell"]]
    for layer, units in enumerate(reference.widths(c)):
        for name in reference.directions(c):
            here = tree[f"layer_{layer}{name}"] = {
                "input_kernel": array(below, gates, units),
                "recurrent_kernel": array(units, gates, units),
                "bias": array(gates, units),
            }
            if c["cell"] == "gru":
                here["candidate_bias"] = array(units)
            if c["layer_norm"]:
                here["input_scale"] = array(gates, units)
                here["recurrent_scale"] = array(gates, units)
            if c["learned_start"]:
                state = array(2 if c["cell"] == "lstm" else 1, units)
                tree[f"start_{layer}{name}"] = {"state": state}
        below = units * len(reference.directions(c))
    below = stacked("dense_after", below)
    tree["head"] = {"kernel": array(below, CLASSES), "bias": array(CLASSES)}
    return tree


def flax_forward(c: dict[str, Any], tree: Any, data: Samples) -> list[jax.Array]:
    """Outputs of the last layer, one array for each direction."""
    x: Any = data.inputs
    outputs: list[Any] = []
    for layer, units in enumerate(reference.widths(c)):
        below, outputs = outputs, []
        for d, name in enumerate(reference.directions(c)):
            rnn = nn.RNN(reference.FLAX_CELLS[c["cell"]](units), reverse=d > 0, keep_order=True)
            theirs = reference.flax_parameters(c["cell"], tree[f"layer_{layer}{name}"])
            carry: Any = jnp.zeros((2, units))
            if c["learned_start"]:
                carry = tree[f"start_{layer}{name}"]["state"]
            h, *memory = (jnp.tile(row[None], (len(x), 1)) for row in carry)
            y: Any = rnn.apply(
                {"params": {"cell": theirs}},
                x,
                seq_lengths=data.lengths,
                initial_carry=(memory[0], h) if c["cell"] == "lstm" else h,
            )
            if layer and c["residual"]:
                shared = min(units, below[d].shape[2])
                y = y.at[:, :, :shared].add(below[d][:, :, :shared])
            outputs.append(y)
        x = jnp.stack(outputs, -1).reshape(len(x), TIME, -1)
    return outputs


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("both", "second"), [(False, 7), (True, 3)])
def test_layers_are_those_of_flax(cell: str, both: bool, second: int) -> None:
    c = complete(cell=cell, layers=2, hidden_size_2=second, bidirectional=both)
    c |= {"residual": True, "learned_start": True}
    tree, data = parameters(c), samples(8)
    theirs = jax.jit(lambda tree: flax_forward(c, tree, data))(tree)
    x, lengths = jnp.asarray(data.inputs), jnp.asarray(data.lengths)
    ends = [theirs[0][np.arange(8), data.lengths - 1], *(y[:, 0] for y in theirs[1:])]
    z = np.stack(ends, -1).reshape(8, -1)
    names = [f"{layer}{name}" for layer in range(2) for name in reference.directions(c)]
    everything = {f"recurrent_{name}": jnp.array([[True]]) for name in names}
    forward = jax.jit(lambda drawn: reference.features(c, tree, x, lengths, drawn, (TIME, 0))[0])
    for ours in (forward({}), forward(everything)):  # the second goes by the plain equations
        for d, outputs in enumerate(theirs):
            for i, n in enumerate(data.lengths):
                mine = ours[i, :n, d :: len(theirs)]
                np.testing.assert_allclose(mine, outputs[i, :n], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(reference.last(c, ours, lengths), z, rtol=1e-5, atol=1e-6)
    logits = z @ tree["head"]["kernel"] + tree["head"]["bias"][None]
    mine = reference.logits(c, tree, data.inputs, data.lengths)
    np.testing.assert_allclose(mine, logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_dropout_silences_rows_of_the_recurrent_kernel(cell: str) -> None:
    c = complete(cell=cell, recurrent_dropout=0.4)
    layer, keep = parameters(c)["layer_0"], jnp.array([[True, False, True, True, False]])
    x, h, memory = jnp.ones((1, FEATURES)), 0.3 * jnp.ones((1, 5)), 0.7 * jnp.ones((1, 5))
    state = [h, memory] if cell == "lstm" else [h]
    ours = reference.plain_step(c, layer, state, x, keep)
    kernel = layer["recurrent_kernel"] * (keep[0] / 0.6)[:, None, None]
    theirs = reference.flax_step(c, {**layer, "recurrent_kernel": kernel}, state, x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_layer_norm_is_that_of_flax_on_every_gate(cell: str) -> None:
    c = complete(cell=cell, layer_norm=True, activation="elu", output_activation="softsign")
    layer, rng = parameters(c)["layer_0"], np.random.default_rng(2)
    x, h, memory = (rng.normal(size=(8, units)).astype(np.float32) for units in (FEATURES, 5, 5))

    def normed(v: np.ndarray, side: str) -> list[Any]:
        module = nn.LayerNorm(epsilon=1e-5, use_bias=False)
        sums = np.einsum("bi,igh->gbh", v, layer[f"{side}_kernel"])
        scales = layer[f"{side}_scale"]
        return [
            module.apply({"params": {"scale": scale}}, s)
            for s, scale in zip(sums, scales, strict=True)
        ]

    w, r, b = normed(x, "input"), normed(h, "recurrent"), layer["bias"][:, None]
    total, sigmoid, state = [w[k] + r[k] + b[k] for k in range(len(w))], nn.sigmoid, [h]
    if cell == "rnn":
        truth = [nn.elu(total[0])]
    elif cell == "gru":
        candidate = layer["candidate_bias"][None]
        n = nn.elu(w[2] + b[2] + sigmoid(total[0]) * (r[2] + candidate))
        truth = [(1 - sigmoid(total[1])) * n + sigmoid(total[1]) * h]
    else:
        new = sigmoid(total[1]) * memory + sigmoid(total[0]) * nn.elu(total[2])
        truth, state = [sigmoid(total[3]) * nn.soft_sign(new), new], [h, memory]
    ours = reference.plain_step(c, layer, [jnp.asarray(s) for s in state], jnp.asarray(x), None)
    np.testing.assert_allclose(ours, truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("length", "overlap"), [(9, 3), (2, 0), (2, 1), (4, 2)])
def test_truncated_gradients_are_those_of_the_definition(length: int, overlap: int) -> None:
    c = complete(cell="rnn", layers=2, residual=True, learned_start=True, target_replication=1.0)
    tree, data = parameters(c), samples(8)
    stride = length - overlap

    def loss_at(tree: Any, t: int, block: int) -> jax.Array:
        """Of step t, with every state that enters the first step of its block cut off."""
        states, x = reference.start(c, tree, 8), jnp.zeros(())
        for step in range(t + 1):
            if step and step == block * stride:
                states = jax.lax.stop_gradient(states)
            x = below = jnp.asarray(data.inputs[:, step])
            for layer in range(2):
                here = reference.flax_step(c, tree[f"layer_{layer}"], states[str(layer)], x)
                states, x = {**states, str(layer): here}, here[0] + (below if layer else 0)
                below = x
        scores = reference.affine(tree["head"], x)
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, data.targets)
        return jnp.where(t < data.lengths, losses / data.lengths, 0.0).mean()

    def truth(tree: Any) -> jax.Array:
        blocks = [max(0, (t - overlap) // stride) for t in range(TIME)]
        return jnp.stack([loss_at(tree, t, block) for t, block in enumerate(blocks)]).sum()

    def ours(tree: Any) -> jax.Array:
        arrays: Any = data
        return reference.sample_losses(c, tree, arrays, {}, (length, overlap)).mean()

    value, gradient = jax.jit(jax.value_and_grad(ours))(tree)
    wanted_value, wanted = jax.jit(jax.value_and_grad(truth))(tree)
    np.testing.assert_allclose(value, wanted_value, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-6), gradient, wanted)


COUNT, WARMUP, EPOCHS = 4, 2, 10
EVERY: dict[str, Any] = {
    "constant": ({}, optax.warmup_constant_schedule(0.0, 3e-3, WARMUP * COUNT)),
    "exponential": (
        {"decay_rate": 0.9},
        optax.warmup_exponential_decay_schedule(0.0, 3e-3, WARMUP * COUNT, COUNT, 0.9),
    ),
    "step": (
        {"decay_rate": 0.5, "decay_epochs": 3},
        optax.warmup_exponential_decay_schedule(
            0.0, 3e-3, WARMUP * COUNT, 3 * COUNT, 0.5, staircase=True
        ),
    ),
    "cosine": (
        {"final_rate": 0.1},
        optax.warmup_cosine_decay_schedule(0.0, 3e-3, WARMUP * COUNT, EPOCHS * COUNT, 3e-4),
    ),
}


@pytest.mark.parametrize("name", EVERY)
def test_schedules_are_those_of_optax_by_the_step(name: str) -> None:
    entries, theirs = EVERY[name]
    c = complete(schedule=name, warmup_epochs=WARMUP, **entries)
    ours = reference.schedule(c, EPOCHS)
    steps = range(0, (EPOCHS + 2) * COUNT)
    wanted = [theirs(step) for step in steps]
    np.testing.assert_allclose([ours(step / COUNT) for step in steps], wanted, rtol=1e-5)


def test_linear_schedule_and_the_shorter_end() -> None:
    c = complete(schedule="linear", final_rate=0.2, learning_rate=1.0, epochs=8)
    rates = [reference.schedule(c, 20)(t) for t in (0, 2, 4, 8, 9)]
    np.testing.assert_allclose(rates, [1, 0.8, 0.6, 0.2, 0.2], rtol=1e-6)


def test_draws_have_their_rates_and_are_never_the_same() -> None:
    c = complete(layers=2, hidden_size=40, bidirectional=True, dropout=0.3, recurrent_dropout=0.4)
    c |= {"input_dropout": 0.2, "input_noise": 0.1, "crop_length": 2, "crop_at": "random"}
    drawn = [reference.draws(c, 7, (100, TIME, FEATURES), count) for count in (0, 1)]
    kept = {"input": 0.8, "readout": 0.7, "between_0": 0.7, "crop": 0.5, "noise": 0.0}
    names = [f"recurrent_{layer}{name}" for layer in range(2) for name in ("", "_backward")]
    kept |= dict.fromkeys(names, 0.6)
    assert set(drawn[0]) == set(kept)
    for name, rate in kept.items():
        first, second = (np.asarray(d[name], float) for d in drawn)
        assert abs(first.mean() - rate) < 5 / np.sqrt(first.size)
        assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 5 / np.sqrt(first.size)
    masks = [np.asarray(drawn[0][name], float).ravel() for name in names]
    assert np.all(np.abs(np.corrcoef(masks) - np.eye(4)) < 0.1)
    x = jnp.ones((100, 80))
    assert set(np.unique(reference.drop(x, drawn[0]["readout"], 0.3))) == {0, np.float32(1 / 0.7)}


@pytest.mark.parametrize("at", ["start", "end", "random"])
def test_crops_are_slices(at: str) -> None:
    c, data = complete(crop_length=3, crop_at=at), samples(30)
    draws = np.linspace(0, 0.999, 30, dtype=np.float32)
    x, kept = reference.crop(
        c, jnp.asarray(data.inputs), jnp.asarray(data.lengths), jnp.asarray(draws)
    )
    for i, n in enumerate(data.lengths):
        m = min(n, 3)
        first = {"start": 0, "end": n - m, "random": int(draws[i] * (n - m + 1))}[at]
        assert kept[i] == m
        np.testing.assert_array_equal(x[i, :m], data.inputs[i, first : first + m])


def test_losses_are_those_of_plain_numpy() -> None:
    """Dense layers on both sides, dropout at the end, smoothing, a share of every step."""
    c = complete(dense_before=1, dense_after=2, dropout=0.3, target_replication=0.4)
    c |= {"label_smoothing": 0.1, "input_dropout": 0.2, "input_noise": 0.5}
    tree, data, batch = parameters(c), samples(8), np.arange(8)
    drawn = reference.draws(c, 3, (8, TIME, FEATURES), 5)
    arrays: Any = data
    ours = reference.sample_losses(c, tree, arrays, drawn, (TIME, 0))

    def relu(layer: dict[str, np.ndarray], x: Any) -> np.ndarray:
        return np.maximum(np.einsum("...i,ij->...j", x, layer["kernel"]) + layer["bias"], 0)

    x = (data.inputs + 0.5 * drawn["noise"]) * drawn["input"] / 0.8
    (y,) = flax_forward(c, tree, Samples(relu(tree["dense_before_0"], x), *data[1:]))
    y = relu(tree["dense_after_0"], y * drawn["readout"][:, None] / 0.7)
    scores = relu(tree["dense_after_1"], y) @ tree["head"]["kernel"] + tree["head"]["bias"]
    scores -= np.log(np.exp(scores).sum(-1, keepdims=True))
    right = scores[batch[:, None], np.arange(TIME)[None], data.targets[:, None]]
    losses = -0.9 * right - 0.1 * scores.mean(-1)
    truth = [
        0.6 * losses[i, n - 1] + 0.4 * losses[i, :n].mean() for i, n in enumerate(data.lengths)
    ]
    np.testing.assert_allclose(ours, truth, rtol=1e-5)


def test_the_order_of_an_epoch_is_the_trainers() -> None:
    for lengths in (np.full(23, 5), np.arange(23) % 7 + 1, np.arange(90) % 7 + 1):
        for boundaries in ((7,), (3, 7), (1, 4, 5, 7)):
            buckets = epoch_buckets(lengths, 4, 2, boundaries)
            steps = reference.steps_of_epoch(lengths, 2, 4, boundaries)
            assert [boundaries[bucket] for bucket in buckets] == steps
            for epoch in range(3):
                ours = epoch_order(lengths, 4, 2, epoch, boundaries)
                plain = reference.epoch_order(lengths, 2, epoch, 4, boundaries)
                np.testing.assert_array_equal(plain, ours)


def test_every_microbatch_has_draws_of_its_own() -> None:
    c = complete(cell="rnn", batch_size=8, learning_rate=0.0, dropout=0.5)
    tree, data = parameters(c), samples(9)
    keys: Any = {"seed": 1, "order_seed": 2, "microbatch": 4, "max_epochs": 20}
    run = reference.train(c, tree, data, data, epochs=2, **keys)
    for epoch in range(2):
        order, losses = reference.epoch_order(data.lengths, 2, epoch, 4), []
        for k in range(2):
            chosen: Any = [array[order[k]] for array in data]
            drawn = reference.draws(c, 1, (4, TIME, FEATURES), 2 * epoch + k)
            losses.append(reference.sample_losses(c, tree, chosen, drawn, (TIME, 0)).mean())
        np.testing.assert_allclose(run.train_loss[epoch], np.mean(losses), rtol=1e-6)


def test_a_run_is_a_loop_of_optax_over_the_mean_gradient() -> None:
    """Five microbatches of 4 an epoch; batches of 2, from the third epoch on of 4."""
    c = complete(cell="rnn", batch_size=8, batch_growth_epochs=2, optimizer="nesterov", epochs=4)
    c |= {"momentum": 0.9, "learning_rate": 0.1, "clip_norm": 0.3, "clip_value": 0.05, "l2": 0.1}
    tree, data, other = parameters(c), samples(23), samples(20, 3)
    keys: Any = {"seed": 1, "order_seed": 2}
    run = reference.train(c, tree, data, other, epochs=5, microbatch=4, max_epochs=9, **keys)
    assert len(run.learning_rates) == 3 + 3 + 2 + 2
    assert np.isnan(run.validation_loss).tolist() == [False] * 4 + [True]

    def loss(tree: Any, chosen: Samples) -> jax.Array:
        (y,) = flax_forward(c, tree, chosen)
        scores = reference.affine(tree["head"], y[np.arange(len(y)), chosen.lengths - 1])
        return optax.softmax_cross_entropy_with_integer_labels(scores, chosen.targets).mean()

    optimizer, value_and_gradient = optax.sgd(0.1, 0.9, nesterov=True), jax.value_and_grad(loss)
    theirs, state, value_and_gradient = tree, optimizer.init(tree), jax.jit(value_and_gradient)
    g: Any
    for epoch, limits in enumerate([(0, 8, 16, 20)] * 2 + [(0, 16, 20)] * 2):
        order, total, norms = reference.epoch_order(data.lengths, 2, epoch, 4).ravel(), 0.0, []
        for begin, end in pairwise(limits):
            chosen = Samples(*(array[order[begin:end]] for array in data))
            value, g = value_and_gradient(theirs, chosen)
            total += float(value) * (end - begin)
            norms.append(np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(g))))
            for layer, name in (("layer_0", "input_kernel"), ("layer_0", "recurrent_kernel")):
                g[layer][name] += 0.1 * theirs[layer][name]
            g["head"]["kernel"] += 0.1 * theirs["head"]["kernel"]
            g = jax.tree.map(lambda leaf: jnp.clip(leaf, -0.05, 0.05), g)
            norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(g)))
            g = jax.tree.map(lambda leaf, norm=norm: leaf * min(1.0, 0.3 / norm), g)
            updates, state = optimizer.update(g, state, theirs)
            theirs: Any = optax.apply_updates(theirs, updates)
        np.testing.assert_allclose(run.train_loss[epoch], total / 20, rtol=1e-5)
        np.testing.assert_allclose(run.gradient_norm_mean[epoch], np.mean(norms), rtol=1e-4)
        np.testing.assert_allclose(run.gradient_norm_max[epoch], max(norms), rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 1e-4, 1e-6), run.parameters, theirs)


def test_plateaus_and_early_stopping() -> None:
    """A rate too large to improve: halved after 2 epochs without, stopped after 5."""
    c = complete(schedule="plateau", plateau_factor=0.5, plateau_patience=2, patience=5)
    c |= {"learning_rate": 0.5, "min_delta": 0.5, "plateau_min_delta": 0.5, "warmup_epochs": 1}
    keys: Any = {"seed": 1, "order_seed": 2, "microbatch": 4, "max_epochs": 20}
    run = reference.train(c, parameters(c), samples(8), samples(20, 3), epochs=12, **keys)
    losses, best, bad, factor, rates, over = run.validation_loss, np.inf, [0, 0], 1.0, [], False
    for epoch, loss in enumerate(losses):
        assert np.isnan(loss) == over
        if over:
            continue
        rates += [0.0, 0.25] if epoch == 0 else [0.5 * factor] * 2
        better = loss < best - 0.5
        best, bad = (loss, [0, 0]) if better else (best, [bad[0] + 1, bad[1] + 1])
        if bad[0] == 2:
            factor, bad[0] = factor / 2, 0
        over = bad[1] == 5
    assert over and factor < 1
    np.testing.assert_allclose(run.learning_rates, rates, rtol=1e-6)
    scores = reference.logits(c, run.best_parameters, *samples(20, 3)[::2])
    seen = optax.softmax_cross_entropy_with_integer_labels(scores, samples(20, 3).targets).mean()
    np.testing.assert_allclose(seen, best, rtol=1e-5)


OPTIMIZERS: dict[str, Any] = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(0.1, momentum=0.8),
    "nesterov": optax.sgd(0.1, momentum=0.8, nesterov=True),
    "rmsprop": optax.rmsprop(0.1, decay=0.95, eps=1e-3),
    "adagrad": optax.adagrad(0.1, initial_accumulator_value=0.0, eps=1e-3),
    "adam": optax.adam(0.1, b1=0.7, b2=0.95, eps=1e-3),
    "adamw": optax.adamw(0.1, b1=0.7, b2=0.95, eps=1e-3, weight_decay=0.3),
    "nadam": optax.nadam(0.1, b1=0.7, b2=0.95, eps=1e-3),
    "lion": optax.lion(0.1, b1=0.7, b2=0.95, weight_decay=0.3),
    "optax.lamb": optax.lamb(0.1, b1=0.7, b2=0.95, eps=1e-3, weight_decay=0.3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_those_of_optax_and_decay_kernels_alone(name: str) -> None:
    c = complete(optimizer=name, momentum=0.8, b1=0.7, b2=0.95, eps=1e-3, weight_decay=0.3)
    tree = {"layer_0": {"input_kernel": jnp.array([1.0, -2.0]), "bias": jnp.array([0.5])}}
    ours, theirs = reference.optimizer(c, 0.0).init(tree), OPTIMIZERS[name].init(tree)
    step: Any
    for scale in (1.0, -0.3, 0.1):
        g = jax.tree.map(lambda leaf, scale=scale: scale * jnp.cos(leaf), tree)
        step, ours = reference.optimizer(c, 0.1).update(g, ours, tree)
        wanted, theirs = OPTIMIZERS[name].update(g, theirs, tree)
        kernels, biases = ([t["layer_0"][k] for t in (step, wanted)] for k in tree["layer_0"])
        np.testing.assert_allclose(*kernels, rtol=1e-6)
        missing = -0.1 * 0.3 * tree["layer_0"]["bias"] if name in ("adamw", "lion") else 0.0
        np.testing.assert_allclose(biases[0] + missing, biases[1], rtol=1e-5)


def test_everything_at_once_learns() -> None:
    c = complete(cell="lstm", layers=2, bidirectional=True, residual=True, dense_before=1)
    c |= {"layer_norm": True, "learned_start": True, "dense_after": 1, "crop_length": 5}
    c |= dict.fromkeys(("dropout", "recurrent_dropout", "input_dropout", "input_noise"), 0.1)
    c |= {"label_smoothing": 0.1, "target_replication": 0.3, "crop_at": "random"}
    c |= {"batch_size": 40, "learning_rate": 1e-2, "activation": "silu"}
    keys: Any = {"seed": 1, "order_seed": 2, "microbatch": 20, "max_epochs": 20}
    run = reference.train(c, parameters(c), samples(40), samples(20, 3), epochs=10, **keys)
    assert run.train_loss[-1] < run.train_loss[0]
    unmoved = jax.tree.map(lambda a, b: np.array_equal(a, b), parameters(c), run.parameters)
    assert not any(jax.tree.leaves(unmoved))
