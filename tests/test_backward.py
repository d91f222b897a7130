"""The backward pass written out gives what differentiating a plain loop of Flax's cells gives."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from direct import Direct, alone, among, assert_close, sequences
from jax.test_util import check_grads

from jaxrnn.network import backward, chunks
from jaxrnn.network.architecture import GATES, STATES
from jaxrnn.network.cells import CELLS, Cell
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.population.bits import enable_x64

Tree = dict[str, Any]
GATE_NAMES = {"lstm": "ifgo", "gru": "rzn", "rnn": "i"}
CELL = pytest.mark.parametrize("cell", CELLS)
BATCH, TIME, INPUTS = 5, 9, 3


def layer(cell: str, units: int, wide: int = 0, seed: int = 0) -> tuple[Tree, Any, Any]:
    """Random parameters, start and inputs, in arrays of `wide` units."""
    rng, wide = np.random.default_rng(seed), max(units, wide)

    def draw(*shape: int, padded: tuple[int, ...] = ()) -> Any:
        own = rng.normal(size=shape, scale=0.6).astype(np.float32)
        more = [(0, wide - units if axis in padded else 0) for axis in range(len(shape))]
        return jnp.asarray(np.pad(own, more))

    own = {
        "input_kernel": draw(INPUTS, GATES[cell], units, padded=(2,)),
        "recurrent_kernel": draw(units, GATES[cell], units, padded=(0, 2)),
        "bias": draw(GATES[cell], units, padded=(1,)),
    }
    if cell == "gru":
        own["candidate_bias"] = draw(units, padded=(0,))
    carry = tuple(draw(BATCH, units, padded=(1,)) for _ in range(STATES[cell]))
    return own, carry, draw(TIME, BATCH, INPUTS)


def of_flax(cell: str, own: Tree) -> Tree:
    """Parameters of one layer as Flax's cell wants them, gate by gate."""
    tree: Tree = {}
    for k, gate in enumerate(GATE_NAMES[cell]):
        w, r = own["input_kernel"][:, k], own["recurrent_kernel"][:, k]
        bias = {"bias": own["bias"][k]}
        if cell == "lstm":
            tree |= {f"i{gate}": {"kernel": w}, f"h{gate}": {"kernel": r, **bias}}
        else:
            tree |= {f"i{gate}": {"kernel": w, **bias}, f"h{gate}": {"kernel": r}}
    if cell == "gru":
        tree["hn"]["bias"] = own["candidate_bias"]
    if cell == "rnn":
        return {"i": tree["ii"], "h": tree["hi"]}
    return tree


def plain(cell: str, own: Tree, carry: Any, x: Any, keep: Any) -> tuple[Any, Any]:
    """A Python loop over time."""
    flax: Any = reference.FLAX_CELLS[cell](carry[0].shape[-1])
    params, outputs = {"params": of_flax(cell, own)}, []
    c, h = carry[1] if cell == "lstm" else None, carry[0]
    for step in x:
        h = h if keep is None else h * keep
        if cell == "lstm":
            (c, h), _ = flax.apply(params, (c, h), step)
        elif keep is not None and cell == "gru":  # what is carried on directly is not dropped
            given = outputs[-1] if outputs else carry[0]
            r = jax.nn.sigmoid(_map(params, "ir", step) + _map(params, "hr", h))
            z = jax.nn.sigmoid(_map(params, "iz", step) + _map(params, "hz", h))
            n = jnp.tanh(_map(params, "in", step) + r * _map(params, "hn", h))
            h = (1 - z) * n + z * given
        else:
            h, _ = flax.apply(params, h, step)
        outputs.append(h)
    return ((h, c) if cell == "lstm" else (h,)), jnp.stack(outputs)


def _map(params: Tree, name: str, x: Any) -> Any:
    own = params["params"][name]
    return x @ own["kernel"] + own.get("bias", jnp.zeros(1))[None]


def loss(read: Any, cell: str, keep: Any, own: Tree, carry: Any, x: Any) -> Any:
    """Feels every output and the last state, each in its own way."""
    final, y = read(cell, own, carry, x, keep)
    weights = jnp.asarray(np.random.default_rng(9).normal(size=y.shape).astype(np.float32))
    return (y * weights).sum() + sum(jnp.sin(3 * state).sum() for state in final)


@CELL
@pytest.mark.parametrize("dropped", [False, True])
def test_all_gradients_are_those_of_a_python_loop(cell: str, dropped: bool) -> None:
    own, carry, x = layer(cell, 6)
    keep = jnp.where(jnp.arange(30).reshape(5, 6) % 3 == 0, 0.0, 1.5) if dropped else None
    found = []
    for read in (backward.read, plain):
        grad = jax.value_and_grad(partial(loss, read, cell, keep), argnums=(0, 1, 2))
        found.append(jax.jit(grad)(own, carry, x))
        # The same without gradients, where another loop runs.
        found.append(jax.jit(partial(read, cell))(own, carry, x, keep))
    assert_close(found[0], found[2], 1e-5, 2e-5)
    assert_close(found[1], found[3], 1e-5, 1e-6)


@CELL
def test_gradients_are_finite_differences(cell: str) -> None:
    with enable_x64(True):
        given = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), layer(cell, 4))
        read = partial(backward.read, cell, keep=None)
        check_grads(read, given, order=1, modes=["rev"], eps=1e-5, rtol=1e-6)


@CELL
def test_padded_units_get_exact_zeros(cell: str) -> None:
    narrow, wide = layer(cell, 5), layer(cell, 5, wide=8)
    padded = jax.jit(partial(backward.read, cell))(*wide, None)[1]
    assert not padded[..., 5:].any()

    def felt(read: Any, cell: str, keep: Any, own: Tree, carry: Any, x: Any) -> Any:
        return (read(cell, own, carry, x, keep)[1][..., :5] ** 2).sum()

    grads = [
        jax.jit(jax.grad(partial(felt, backward.read, cell, None), argnums=(0, 1, 2)))(*one)
        for one in (narrow, wide)
    ]
    for small, large in zip(*map(jax.tree.leaves, grads), strict=True):
        rest = np.array(large)
        place = tuple(slice(n) for n in small.shape)
        np.testing.assert_allclose(rest[place], small, rtol=1e-5, atol=1e-5)
        rest[place] = 0
        assert not rest.any()


@CELL
def test_lanes_read_shared_inputs_as_one_does(cell: str) -> None:
    members = [layer(cell, 6, seed=seed)[:2] for seed in range(3)]
    x = layer(cell, 6)[2]
    grad = jax.grad(partial(loss, backward.read, cell, None), argnums=(0, 1, 2))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    together = jax.jit(jax.vmap(grad, (0, 0, None)))(*stacked, x)
    for lane, member in enumerate(members):
        one = jax.jit(grad)(*member, x)
        assert_close(jax.tree.map(lambda leaf, k=lane: leaf[k], together), one, 1e-5, 2e-5)


# In the network

GIVEN: dict[str, Tree] = {
    "lstm": {"layers": 2, "hidden_size_2": 7, "bidirectional": True, "learned_start": True},
    "gru": {"cell": "gru", "layers": 2, "hidden_size_2": 7, "target_replication": 0.4},
    "gru back": {"cell": "gru", "bidirectional": True, "recurrent_dropout": 0.4},
    "rnn": {"cell": "rnn", "recurrent_dropout": 0.3, "learned_start": True, "dropout": 0.2},
}
CASES = {name: {"hidden_size": 6, **case} for name, case in GIVEN.items()}


def cells_of(member: Direct) -> Cell:
    shapes = member.architecture.shapes()["layer_0"]
    return CELLS[member.architecture.cell](member.architecture, tuple(shapes.items()))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("even", [True, False])
def test_networks_learn_as_by_the_scan(
    case: str, even: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In wide arrays, in chunks where lengths differ, with every use of a layer at once."""
    member, given = among(CASES[case]), sequences(6, even=even)
    if even:
        member = member.using(lengths=False)

    def gradient() -> Any:
        return jax.jit(jax.grad(member.step._loss, has_aux=True))(
            member.weights(), member.numbers, given, jax.random.key(3), jnp.int32(0)
        )[0]

    assert cells_of(member).plain
    ours = gradient()
    monkeypatch.setattr(Cell, "plain", False)
    assert_close(ours, gradient(), 1e-5, 3e-6)
    assert all(abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(ours))


@pytest.mark.parametrize(
    ("given", "stopped", "taken"),
    [
        ({}, False, True),
        ({"cell": "gru", "recurrent_dropout": 0.2, "learned_start": True}, False, True),
        ({"cell": "rnn", "layers": 2, "bidirectional": True}, False, True),
        ({"layer_norm": True}, False, False),
        ({"activation": "relu"}, False, False),
        ({"output_activation": "sigmoid"}, False, False),
        ({}, True, False),
    ],
)
def test_only_plain_cells_take_the_short_way(
    given: Tree, stopped: bool, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def read(*args: Any) -> Any:
        seen.append(args[0])
        return backward.read(*args)

    monkeypatch.setattr(chunks, "read", read)
    member = alone({"hidden_size": 4, **given})
    stops = jnp.zeros(7, bool) if stopped else None
    jax.eval_shape(partial(_apply, member, stops), member.weights())
    assert bool(seen) == taken


def _apply(member: Direct, stops: Any, weights: Any) -> Any:
    given = sequences(3)
    network = RecurrentNetwork(member.architecture)
    x, lengths = jnp.asarray(given.inputs), jnp.asarray(given.lengths)
    return network.apply({"params": weights}, x, lengths, member.numbers, None, stops)
