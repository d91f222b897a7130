"""One run of one configuration as a plain Python loop of Flax, Optax and bare equations.

At the true width, with the member's own batch differentiated at once: no padding, no masks for
width, no lanes. Shares with the package only what is a contract: the parameters it starts from,
their tree, the data order, and the keys of the random draws. `lengths` are true lengths
everywhere, shapes are (batch, time, features), and what `drawn` holds is random (none of it in
evaluation).
"""

import inspect
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

Tree = dict[str, Any]
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "elu": jax.nn.elu,
    "softsign": jax.nn.soft_sign,
    "sigmoid": jax.nn.sigmoid,
    "silu": jax.nn.silu,
}
FLAX_CELLS: Tree = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell, "rnn": nn.SimpleCell}
FLAX_GATES = {"lstm": ["i", "f", "g", "o"], "gru": ["r", "z", "n"], "rnn": [""]}


def directions(c: Tree) -> list[str]:
    return ["", "_backward"] if c["bidirectional"] else [""]


def widths(c: Tree) -> list[int]:
    later = [c.get(f"hidden_size_{k}", c["hidden_size"]) for k in range(2, c["layers"] + 1)]
    return [c["hidden_size"], *later]


# Random draws


def draws(c: Tree, seed: int, shape: tuple[int, int, int], count: jax.Array | int) -> Tree:
    """Everything random in the microbatch number `count`: what to keep where values drop out."""
    key = jax.random.fold_in(jax.random.key(seed), count)
    batch, time, _ = shape

    def keep(place: int, rate: float, *shape: int) -> jax.Array:
        drawn = jax.random.uniform(jax.random.fold_in(key, place), (shape[-1], *shape[:-1]))
        return jnp.moveaxis(drawn, 0, -1) >= rate

    drawn: Tree = {}
    if c["input_noise"]:
        drawn["noise"] = jax.random.normal(jax.random.fold_in(key, 1), shape)
    if c["input_dropout"]:
        drawn["input"] = keep(2, c["input_dropout"], *shape)
    if c["crop_length"] and c["crop_at"] == "random":
        drawn["crop"] = jax.random.uniform(jax.random.fold_in(key, 3), (batch,))
    for layer, units in enumerate(widths(c)):
        features = units * len(directions(c))
        if c["dropout"] and layer == c["layers"] - 1:
            drawn["readout"] = keep(4, c["dropout"], batch, features)
        elif c["dropout"]:
            drawn[f"between_{layer}"] = keep(10 + layer, c["dropout"], batch, time, features)
        for d, name in enumerate(directions(c)):
            if c["recurrent_dropout"]:
                place, rate = 20 + 2 * layer + d, c["recurrent_dropout"]
                drawn[f"recurrent_{layer}{name}"] = keep(place, rate, batch, units)
    return drawn


def drop(x: jax.Array, keep: jax.Array | None, rate: float) -> jax.Array:
    return x if keep is None else jnp.where(keep, x / (1 - rate), 0.0)


# Cells


def flax_parameters(cell: str, layer: Tree) -> Tree:
    """One recurrent layer under the names of Flax's cells."""
    theirs: Tree = {}
    for k, gate in enumerate(FLAX_GATES[cell]):
        theirs["i" + gate] = {"kernel": layer["input_kernel"][:, k]}
        theirs["h" + gate] = {"kernel": layer["recurrent_kernel"][:, k]}
        theirs[("h" if cell == "lstm" else "i") + gate]["bias"] = layer["bias"][k]
    if cell == "gru":
        theirs["hn"]["bias"] = layer["candidate_bias"]
    return theirs


def flax_step(c: Tree, layer: Tree, state: list[jax.Array], x: jax.Array) -> list[jax.Array]:
    act = ACTIVATIONS[c["activation"]]
    cell = FLAX_CELLS[c["cell"]](state[0].shape[-1], activation_fn=act)
    carry = (state[1], state[0]) if c["cell"] == "lstm" else state[0]
    carry, h = cell.apply({"params": flax_parameters(c["cell"], layer)}, carry, x)
    return [h, carry[0]] if c["cell"] == "lstm" else [h]


def products(layer: Tree, side: str, x: jax.Array) -> jax.Array:
    """What the gates read of x, (gates, batch, units), each gate normed where it has a scale."""
    v = jnp.einsum("bi,igh->gbh", x, layer[f"{side}_kernel"])
    if f"{side}_scale" not in layer:
        return v
    mean, variance = v.mean(-1, keepdims=True), v.var(-1, keepdims=True)
    return (v - mean) / jnp.sqrt(variance + 1e-5) * layer[f"{side}_scale"][:, None]


def plain_step(
    c: Tree, layer: Tree, state: list[jax.Array], x: jax.Array, keep: jax.Array | None
) -> list[jax.Array]:
    """The equations: the state [h, c] or [h] after one more step."""
    act, sigmoid, h = ACTIVATIONS[c["activation"]], jax.nn.sigmoid, state[0]
    xw = products(layer, "input", x) + layer["bias"][:, None]
    hr = products(layer, "recurrent", drop(h, keep, c["recurrent_dropout"]))
    if c["cell"] == "rnn":
        return [act(xw[0] + hr[0])]
    if c["cell"] == "gru":
        r, z = sigmoid(xw[:2] + hr[:2])
        n = act(xw[2] + r * (hr[2] + layer["candidate_bias"][None]))
        return [(1 - z) * n + z * h]
    i, f, g, o = xw + hr
    memory = sigmoid(f) * state[1] + sigmoid(i) * act(g)
    return [sigmoid(o) * ACTIVATIONS[c["output_activation"]](memory), memory]


def recur(
    c: Tree, layer: Tree, x: jax.Array, state: list[jax.Array], keep: jax.Array | None
) -> tuple[jax.Array, list[jax.Array]]:
    """Output (batch, time, units) and last state of one layer in one direction."""
    same = c["activation"] == c.get("output_activation", c["activation"])
    flax_knows = same and keep is None and not c["layer_norm"]

    def step(state: list[jax.Array], x: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        if flax_knows:
            state = flax_step(c, layer, state, x)
        else:
            state = plain_step(c, layer, state, x, keep)
        return state, state[0]

    state, outputs = jax.lax.scan(step, state, jnp.moveaxis(x, 1, 0))
    return jnp.moveaxis(outputs, 0, 1), state


# Networks


def affine(layer: Tree, x: jax.Array) -> jax.Array:
    return jnp.asarray(nn.Dense(layer["bias"].shape[0]).apply({"params": layer}, x))


def dense(c: Tree, parameters: Tree, x: jax.Array, side: str) -> jax.Array:
    for k in range(c[side]):
        x = ACTIVATIONS[c[f"{side}_activation"]](affine(parameters[f"{side}_{k}"], x))
    return x


def crop(
    c: Tree, x: jax.Array, lengths: jax.Array, drawn: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """The steps that are kept, in front (what follows them is void), and their number."""
    if not c["crop_length"] or (c["crop_at"] == "random" and drawn is None):
        return x, lengths
    kept = jnp.minimum(lengths, c["crop_length"])
    first = jnp.zeros_like(kept) if c["crop_at"] == "start" else lengths - kept
    if c["crop_at"] == "random" and drawn is not None:
        first = jnp.minimum(jnp.floor(drawn * (first + 1)).astype(int), first)
    steps = first[:, None] + jnp.arange(x.shape[1])[None]
    return x[jnp.arange(len(x))[:, None], jnp.minimum(steps, x.shape[1] - 1)], kept


def turn(x: jax.Array, lengths: jax.Array) -> jax.Array:
    """The true steps of every sample in reverse order."""
    steps = jnp.arange(x.shape[1])[None]
    places = jnp.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x[jnp.arange(len(x))[:, None], places]


def start(c: Tree, parameters: Tree, samples: int) -> Tree:
    """State of every layer and direction before the first step it reads."""
    states: Tree = {}
    for layer, units in enumerate(widths(c)):
        for name in directions(c):
            rows = jnp.zeros((2 if c["cell"] == "lstm" else 1, units))
            if c["learned_start"]:
                rows = parameters[f"start_{layer}{name}"]["state"]
            states[f"{layer}{name}"] = [jnp.tile(row[None], (samples, 1)) for row in rows]
    return states


def stack(
    c: Tree,
    parameters: Tree,
    x: jax.Array,
    lengths: jax.Array,
    drawn: Tree,
    states: Tree,
    at: slice,
) -> tuple[jax.Array, Tree]:
    """Output of all recurrent layers for the steps `at`, and their states after these."""
    x, after = x[:, at], {}
    for layer, units in enumerate(widths(c)):
        outputs = []
        for name in directions(c):
            here = f"{layer}{name}"
            given = turn(x, lengths) if name else x
            keep = drawn.get(f"recurrent_{here}")
            y, after[here] = recur(c, parameters[f"layer_{here}"], given, states[here], keep)
            outputs.append(turn(y, lengths) if name else y)
        y = jnp.stack(outputs, -1)
        if layer and c["residual"]:
            below = x.reshape(*x.shape[:2], -1, len(outputs))[:, :, :units]
            missing = units - below.shape[2]
            y = y + jnp.pad(below, ((0, 0), (0, 0), (0, missing), (0, 0)))
        x = y.reshape(*x.shape[:2], -1)
        if f"between_{layer}" in drawn:
            x = drop(x, drawn[f"between_{layer}"][:, at], c["dropout"])
    return x, after


def features(
    c: Tree, parameters: Tree, x: jax.Array, lengths: jax.Array, drawn: Tree, block: tuple[int, int]
) -> tuple[jax.Array, jax.Array]:
    """Output of the last recurrent layer at every step, and the lengths after cropping.

    Blocks of `block[0]` steps overlap by `block[1]`. Each is computed from the state at its first
    step, a constant but for the first block, and yields the steps that no block before it did.
    """
    if "noise" in drawn:
        x = x + c["input_noise"] * drawn["noise"]
    x = drop(x, drawn.get("input"), c["input_dropout"])
    x, lengths = crop(c, x, lengths, drawn.get("crop"))
    x = dense(c, parameters, x, "dense_before")
    run = partial(stack, c, parameters, x, lengths, drawn)
    (length, overlap), time, outputs = block, x.shape[1], []
    states, stride = start(c, parameters, len(x)), length - overlap
    for begin in range(0, max(time - overlap, 1), stride):
        if begin:
            _, states = jax.lax.stop_gradient(run(states, slice(begin - stride, begin)))
        y, _ = run(states, slice(begin, begin + length))
        outputs.append(y[:, overlap if begin else 0 :])
    return jnp.concatenate(outputs, 1), lengths


def read_out(c: Tree, parameters: Tree, y: jax.Array, keep: jax.Array | None) -> jax.Array:
    y = dense(c, parameters, drop(y, keep, c["dropout"]), "dense_after")
    return affine(parameters["head"], y)


def last(c: Tree, y: jax.Array, lengths: jax.Array) -> jax.Array:
    """What each direction says at the last step it reads, interleaved."""
    z = y[jnp.arange(len(y)), lengths - 1]
    return z.at[:, 1::2].set(y[:, 0, 1::2]) if c["bidirectional"] else z


def sample_losses(
    c: Tree,
    parameters: Tree,
    samples: tuple[jax.Array, jax.Array, jax.Array],
    drawn: Tree,
    block: tuple[int, int],
) -> jax.Array:
    x, labels, lengths = samples
    y, lengths = features(c, parameters, x, lengths, drawn, block)
    keep, share = drawn.get("readout"), c["target_replication"]
    logits = read_out(c, parameters, last(c, y, lengths), keep)
    targets = jax.nn.one_hot(labels, logits.shape[-1])
    targets = optax.smooth_labels(targets, c["label_smoothing"])
    loss = optax.softmax_cross_entropy(logits, targets)
    if not share:
        return loss
    time = y.shape[1]
    every = read_out(c, parameters, y, None if keep is None else keep[:, None])
    targets = jnp.repeat(targets[:, None], time, 1)
    true = jnp.arange(time)[None] < lengths[:, None]
    total = jnp.where(true, optax.softmax_cross_entropy(every, targets), 0.0).sum(1)
    return (1 - share) * loss + share * total / lengths


def evaluation(c: Tree) -> Callable[[Tree, Any, Any], jax.Array]:
    @jax.jit
    def evaluate(parameters: Tree, x: jax.Array, lengths: jax.Array) -> jax.Array:
        y, lengths = features(c, parameters, x, lengths, {}, (x.shape[1], 0))
        return read_out(c, parameters, last(c, y, lengths), None)

    return evaluate


def validation(c: Tree) -> Callable[[Tree, Any], float]:
    """Mean cross entropy of a split as evaluation sees it."""
    evaluate = evaluation(c)

    def mean(parameters: Tree, split: Any) -> float:
        scores = evaluate(parameters, split.inputs, split.lengths)
        losses = optax.softmax_cross_entropy_with_integer_labels(scores, split.targets)
        return float(np.mean(np.asarray(losses), dtype=float))

    return mean


def logits(
    configuration: Tree, parameters: Tree, inputs: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Logits `(samples, classes)` as evaluation sees them."""
    return np.asarray(evaluation(configuration)(parameters, inputs, lengths))


# Training


class Run(NamedTuple):
    """Arrays are `(epochs,)`, NaN once the member stopped; `parameters` are trees of arrays."""

    train_loss: np.ndarray
    gradient_norm_mean: np.ndarray
    gradient_norm_max: np.ndarray
    validation_loss: np.ndarray  # cross entropy of the current parameters after the epoch
    parameters: Tree  # the current ones, at the end
    best_parameters: Tree  # what evaluation sees
    learning_rates: list[float]  # of every update


@dataclass
class Patience:
    patience: float
    min_delta: float
    best: float = math.inf
    bad: int = 0

    def better(self, loss: float) -> bool:
        if loss < self.best - self.min_delta:
            self.best, self.bad = loss, 0
            return True
        self.bad += 1
        return False

    def over(self) -> bool:
        return self.bad >= self.patience


def grown(first: float, every: int, growth: float, epoch: int) -> int:
    return math.floor(first * (growth ** (epoch // every) if every else 1) + 1e-3)


def block_at(c: Tree, epoch: int, time: int) -> tuple[int, int]:
    """Length and overlap of the blocks, one block for the whole sequence without truncation."""
    if not c.get("tbptt_length", 0):
        return time, 0
    every, growth = c["tbptt_growth_epochs"], c.get("tbptt_growth", 1.0)
    length = grown(c["tbptt_length"], every, growth, epoch)
    overlap = math.floor(c["tbptt_overlap"] * length + 1e-3)
    return (length, overlap) if length < time else (time, 0)


def schedule(c: Tree, max_epochs: int) -> Callable[[float], float]:
    """Learning rate at a time in epochs, but for the factor of `plateau`."""
    warmup = c["warmup_epochs"]
    rest: Any = max(min(c["epochs"], max_epochs) - warmup, 1e-6)
    curve: Any = optax.constant_schedule(1.0)
    if c["schedule"] == "exponential":
        curve = optax.exponential_decay(1.0, 1, c["decay_rate"])
    elif c["schedule"] == "step":
        every = c["decay_epochs"]
        stairs = optax.exponential_decay(1.0, every, c["decay_rate"], staircase=True)
        curve = lambda epochs: stairs(epochs + 1e-4 * every)  # noqa: E731
    elif c["schedule"] == "linear":
        curve = optax.linear_schedule(1.0, c["final_rate"], rest)
    elif c["schedule"] == "cosine":
        curve = optax.cosine_decay_schedule(1.0, rest, c["final_rate"])
    if warmup:
        rise = optax.linear_schedule(0.0, 1.0, warmup)
        curve: Any = optax.join_schedules([rise, curve], [warmup])
    return lambda epochs: c["learning_rate"] * np.asarray(curve(epochs)).item()


def kernels(parameters: Tree) -> Tree:
    named = jax.tree_util.tree_map_with_path
    return named(lambda path, _: path[-1].key.endswith("kernel"), parameters)


def optimizer(c: Tree, rate: Any) -> optax.GradientTransformation:
    decay: Tree = {"weight_decay": c.get("weight_decay"), "mask": kernels}
    match c["optimizer"]:
        case "sgd":
            return optax.sgd(rate)
        case "momentum":
            return optax.sgd(rate, c["momentum"])
        case "nesterov":
            return optax.sgd(rate, c["momentum"], nesterov=True)
        case "rmsprop":
            return optax.rmsprop(rate, decay=c["b2"], eps=c["eps"])
        case "adagrad":
            return optax.adagrad(rate, initial_accumulator_value=0.0, eps=c["eps"])
        case "adam":
            return optax.adam(rate, c["b1"], c["b2"], c["eps"])
        case "adamw":
            return optax.adamw(rate, c["b1"], c["b2"], c["eps"], **decay)
        case "nadam":
            return optax.nadam(rate, c["b1"], c["b2"], c["eps"])
        case "lion":
            return optax.lion(rate, c["b1"], c["b2"], **decay)
    module, _, function = c["optimizer"].rpartition(".")
    make = getattr(import_module(module), function)
    known = set(inspect.signature(make).parameters)
    own: Tree = {"mask": kernels} if "mask" in known else {}
    entries = {"momentum", "b1", "b2", "eps", "weight_decay"} & known & set(c)
    return make(learning_rate=rate, **own, **{entry: c[entry] for entry in entries})


def training_step(c: Tree) -> Callable[..., Any]:
    """One update; also the sum of the losses, and the norm of the bare gradient."""
    before = optax.chain(
        optax.add_decayed_weights(c["l2"], mask=kernels),
        optax.clip(c["clip_value"]),
        optax.clip_by_global_norm(c["clip_norm"]),
    )

    @partial(jax.jit, static_argnames="block")
    def step(
        parameters: Tree, state: Any, rate: float, samples: Any, drawn: Tree, block: tuple[int, int]
    ) -> Any:
        def loss(parameters: Tree) -> jax.Array:
            return sample_losses(c, parameters, samples, drawn, block).mean()

        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, _ = before.update(gradient, before.init(parameters), parameters)
        updates, state = optimizer(c, rate).update(updates, state, parameters)
        after = optax.apply_updates(parameters, updates)
        return after, state, value * len(samples[0]), optax.tree.norm(gradient)

    return step


def longest_of_steps(lengths: np.ndarray, microbatch: int) -> list[int]:
    """From short to long: the most steps that each microbatch may have, whatever is left out."""
    ascending, left_out = sorted(lengths.tolist()), len(lengths) % microbatch
    ends = range(microbatch, len(lengths) - left_out + 1, microbatch)
    return [ascending[end + left_out - 1] for end in ends]


def steps_of_epoch(
    lengths: np.ndarray, seed: int, microbatch: int, boundaries: Sequence[int] = ()
) -> list[int]:
    """Time steps to which every microbatch of an epoch is padded."""
    longest = longest_of_steps(lengths, microbatch)
    padded = [min(b for b in boundaries or longest[-1:] if b >= steps) for steps in longest]
    return [padded[k] for k in np.random.default_rng(seed).permutation(len(padded))]


def epoch_order(
    lengths: np.ndarray, seed: int, epoch: int, microbatch: int, boundaries: Sequence[int] = ()
) -> np.ndarray:
    """Rows of every microbatch; by bucket, sixteen microbatches sorted by length at a time."""
    rng, count = np.random.default_rng((seed, epoch)), len(lengths) // microbatch
    drawn = rng.permutation(len(lengths))[: count * microbatch].tolist()
    if len(set(lengths.tolist())) == 1:
        return np.reshape(drawn, (count, microbatch))
    drawn = sorted(drawn, key=lambda row: lengths[row])
    longest, steps, begin = longest_of_steps(lengths, microbatch), [], 0
    for boundary in boundaries or longest[-1:]:
        end = sum(most <= boundary for most in longest) * microbatch
        rows, ordered = rng.permutation(drawn[begin:end]).tolist(), []
        while rows:
            pool, rows = rows[: 16 * microbatch], rows[16 * microbatch :]
            ordered += sorted(pool, key=lambda row: lengths[row])
        if ordered:
            steps += rng.permutation(np.reshape(ordered, (-1, microbatch))).tolist()
        begin = end
    return np.array(steps)[np.random.default_rng(seed).permutation(count)]


def batches(c: Tree, epoch: int, count: int, microbatch: int) -> list[range]:
    """Numbers within the epoch of the microbatches of every update."""
    every, growth = c["batch_growth_epochs"], c.get("batch_growth", 1.0)
    size = grown(c["batch_size"] / microbatch, every, growth, epoch)
    return [range(begin, min(begin + size, count)) for begin in range(0, count, size)]


def train(
    configuration: Tree,
    first_parameters: Tree,
    train_split: Any,
    validation_split: Any,
    *,
    seed: int,
    order_seed: int,
    epochs: int,
    microbatch: int,
    max_epochs: int,
    boundaries: Sequence[int] = (),
) -> Run:
    """A run of `epochs` epochs; splits have the arrays `inputs`, `targets` and `lengths`."""
    c, arrays = configuration, (train_split.inputs, train_split.targets, train_split.lengths)
    samples, time, width = train_split.inputs.shape
    count = samples // microbatch
    steps = steps_of_epoch(train_split.lengths, order_seed, microbatch, boundaries)

    @partial(jax.jit, static_argnums=0)
    def draw(padded: int, number: int) -> Tree:
        """Draws for as many steps as the bucket has; behind them lies nothing that counts."""
        drawn = draws(c, seed, (microbatch, padded, width), number)
        by_step = {name for name in drawn if name in ("noise", "input") or "between" in name}
        behind = [(0, 0), (0, time - padded), (0, 0)]
        return {
            name: jnp.pad(leaf, behind) if name in by_step else leaf for name, leaf in drawn.items()
        }

    rate_at, step, validate = schedule(c, max_epochs), training_step(c), validation(c)
    plateau = Patience(c.get("plateau_patience", math.inf), c.get("plateau_min_delta", 0.0))
    stopping = Patience(c["patience"] or math.inf, c.get("min_delta", 0.0))
    parameters = best = jax.tree.map(jnp.asarray, first_parameters)
    state, factor = optimizer(c, 0.0).init(parameters), 1.0
    curves, rates = np.full((4, epochs), np.nan), []
    for epoch in range(min(epochs, c["epochs"])):
        order = epoch_order(train_split.lengths, order_seed, epoch, microbatch, boundaries)
        block = block_at(c, epoch, time)
        losses, norms = [], []
        for batch in batches(c, epoch, count, microbatch):
            now = epoch + batch[0] / count
            rates.append(rate_at(now) * (factor if now >= c["warmup_epochs"] else 1.0))
            drawn = [draw(steps[k], epoch * count + k) for k in batch]
            drawn = jax.tree.map(lambda *parts: jnp.concatenate(parts), *drawn)
            chosen = [array[order[batch].ravel()] for array in arrays]
            parameters, state, loss, norm = step(
                parameters, state, rates[-1], chosen, drawn, block=block
            )
            losses.append(float(loss))
            norms.append(float(norm))
        seen = validate(parameters, validation_split)
        curves[:, epoch] = sum(losses) / order.size, np.mean(norms), max(norms), seen
        if not plateau.better(seen) and plateau.over():
            factor, plateau.bad = factor * c["plateau_factor"], 0
        if stopping.better(seen) or not c["patience"]:
            best = parameters
        elif stopping.over():
            break
    parameters, best = jax.tree.map(np.asarray, (parameters, best))
    return Run(*curves, parameters=parameters, best_parameters=best, learning_rates=rates)
