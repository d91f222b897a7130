"""One run as a plain Python loop of Flax's own cells and plain Optax, at the true width.

Shares with the package only what is a contract: the parameters it starts from, the data order,
and the keys of the dropout draws.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

FLAX_GATES = {"lstm": "ifgo", "gru": "rzn"}


class Network(nn.Module):
    cell: str
    units: int
    layers: int
    classes: int

    @nn.compact
    def __call__(self, x: jax.Array, masks: list[jax.Array]) -> jax.Array:
        kinds = {"lstm": nn.OptimizedLSTMCell, "gru": nn.GRUCell}
        for layer in range(self.layers):
            x = jnp.asarray(nn.RNN(kinds[self.cell](self.units, name=f"cell_{layer}"))(x))
            if layer == self.layers - 1:
                x = x[:, -1]
            x = x * masks[layer]
        return nn.Dense(self.classes, name="head")(x)


def flax_parameters(cell: str, ours: dict[str, Any]) -> dict[str, Any]:
    """Our fused parameters under the names of Flax's cells."""
    theirs: dict[str, Any] = {"head": ours["head"]}
    for name, layer in ours.items():
        if name == "head":
            continue
        gates: dict[str, Any] = {}
        for k, gate in enumerate(FLAX_GATES[cell]):
            gates["i" + gate] = {"kernel": layer["input_kernel"][:, k]}
            gates["h" + gate] = {"kernel": layer["recurrent_kernel"][:, k]}
            side = "h" if cell == "lstm" else "i"
            gates[side + gate]["bias"] = layer["bias"][k]
        if cell == "gru":
            gates["hn"]["bias"] = layer["candidate_bias"]
        theirs[name.replace("layer", "cell")] = gates
    return jax.tree.map(np.asarray, theirs)


def dropout_masks(
    configuration: dict[str, Any], seed: int, step: int, batch: int, time: int
) -> list[jax.Array]:
    layers, units = configuration["layers"], configuration["hidden_size"]
    rate = np.float32(configuration["dropout"])
    key = jax.random.fold_in(jax.random.key(seed), step)
    masks = []
    for layer in range(layers):
        last = layer == layers - 1
        shape = (units, batch) if last else (units, batch, time)
        place = layers if last else layer
        draws = jax.random.uniform(jax.random.fold_in(key, place), shape)
        masks.append(jnp.moveaxis(jnp.where(draws >= rate, 1 / (1 - rate), 0.0), 0, -1))
    return masks


def loss_curve(
    configuration: dict[str, Any],
    first: dict[str, Any],
    inputs: np.ndarray,
    labels: np.ndarray,
    *,
    seed: int,
    order_seed: int,
    epochs: int,
    batch: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Mean training loss of every epoch, and the last parameters under Flax's names."""
    c = configuration
    network = Network(c["cell"], c["hidden_size"], c["layers"], int(labels.max()) + 1)
    optimizer = optax.chain(
        optax.clip_by_global_norm(c["clip_norm"]),
        optax.adamw(c["learning_rate"], weight_decay=c["weight_decay"]),
    )
    parameters = flax_parameters(c["cell"], first)
    state = optimizer.init(parameters)

    @jax.jit
    def step(parameters: Any, state: Any, x: jax.Array, y: jax.Array, masks: Any) -> Any:
        def loss(parameters: Any) -> jax.Array:
            logits = network.apply({"params": parameters}, x, masks)
            log_p = jax.nn.log_softmax(jnp.asarray(logits))
            return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], 1))

        value, gradients = jax.value_and_grad(loss)(parameters)
        updates, state = optimizer.update(gradients, state, parameters)
        return optax.apply_updates(parameters, updates), state, value

    curve, steps = [], len(labels) // batch
    for epoch in range(epochs):
        key = jax.random.fold_in(jax.random.key(order_seed), epoch)
        order = np.asarray(jax.random.permutation(key, len(labels)))
        losses = []
        for k in range(steps):
            rows = order[k * batch : (k + 1) * batch]
            masks = dropout_masks(c, seed, epoch * steps + k, batch, inputs.shape[1])
            parameters, state, value = step(parameters, state, inputs[rows], labels[rows], masks)
            losses.append(float(value))
        curve.append(np.mean(losses))
    return np.array(curve), parameters
