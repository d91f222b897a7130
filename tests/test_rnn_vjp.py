"""The backward pass written out gives what differentiating a plain loop of Flax's cells gives."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from support import reference
from support.marks import slow
from support.single_member import SingleMember, alone, among, assert_close, sequences

from jaxrnn.network import affine, in_place, rnn_vjp
from jaxrnn.network.architecture import GATES, STATES
from jaxrnn.network.cells import CELLS, Cell, Constants
from jaxrnn.network.layer_norm import LayerNorm
from jaxrnn.population.devices import enable_x64

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


def written_out(
    given: Tree,
    own: Tree,
    carry: Any,
    x: Any,
    keep: Any = None,
    stop_gradient_at: Any = None,
    unroll: int = 1,
) -> tuple[Any, Any]:
    """Our layer; `given` is what its configuration has besides a default one's."""
    member = alone({"hidden_size": 6, **given})
    form = rnn_vjp.StaticArguments(member.architecture, unroll)
    units = given.get("hidden_size", carry[0].shape[-1])
    constants = Constants(member.hp, jnp.asarray(units), keep)
    return rnn_vjp.run_layer(form, own, carry, x, stop_gradient_at, constants)


def read(cell: str, own: Tree, carry: Any, x: Any, keep: Any) -> tuple[Any, Any]:
    return written_out({"cell": cell}, own, carry, x, keep)


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
@pytest.mark.parametrize("dropped", [*slow(False), True])
def test_all_gradients_are_those_of_a_python_loop(cell: str, dropped: bool) -> None:
    own, carry, x = layer(cell, 6)
    keep = jnp.where(jnp.arange(30).reshape(5, 6) % 3 == 0, 0.0, 1.5) if dropped else None
    found = []
    for way in (read, plain):
        grad = jax.value_and_grad(partial(loss, way, cell, keep), argnums=(0, 1, 2))
        found.append(jax.jit(grad)(own, carry, x))
        # The same without gradients, where another loop runs.
        found.append(jax.jit(partial(way, cell))(own, carry, x, keep))
    assert_close(found[0], found[2], 1e-5, 2e-5)
    assert_close(found[1], found[3], 1e-5, 1e-6)


KINDS: list[Tree] = [
    *({"cell": cell} for cell in CELLS),
    *({"cell": cell, "layer_norm": True, "activation": "silu"} for cell in CELLS),
    {"output_activation": "softsign", "activation": "sigmoid"},
]


@pytest.mark.parametrize("given", [*KINDS[:4], *slow(*KINDS[4:])], ids=str)
def test_gradients_are_finite_differences(given: Tree) -> None:
    cell = given.get("cell", "lstm")
    own, carry, x = layer(cell, 4)
    if "layer_norm" in given:
        for name in ("input_scale", "recurrent_scale"):
            own[name] = 1.0 + 0.2 * jnp.arange(own["bias"].size).reshape(own["bias"].shape) % 0.7
    with enable_x64(True):
        doubled = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (own, carry, x))
        layer_of = partial(written_out, {**given, "hidden_size": 4})
        check_grads(layer_of, doubled, order=1, modes=["rev"], eps=1e-6, rtol=1e-6)


@pytest.mark.parametrize("given", [*slow(*KINDS[:4]), *KINDS[4:]], ids=str)
@pytest.mark.parametrize("unroll", [4, *slow(TIME)])
def test_unrolled_loops_give_the_same(given: Tree, unroll: int) -> None:
    """With gradients that stop at step 4, and a number of steps that turns do not divide."""
    cell = given.get("cell", "lstm")
    own, carry, x = layer(cell, 6)
    scale = {name: jnp.full(own["bias"].shape, 1.3) for name in ("input_scale", "recurrent_scale")}
    own |= scale if "layer_norm" in given else {}
    stops = jnp.arange(TIME) == 4

    def felt(unroll: int, own: Tree, carry: Any, x: Any) -> Any:
        final, y = written_out(given, own, carry, x, stop_gradient_at=stops, unroll=unroll)
        return jnp.sin(y).sum() + sum(jnp.sin(state).sum() for state in final)

    def gradients(steps: int) -> Any:
        felt_by: Any = partial(felt, steps)
        return jax.jit(jax.value_and_grad(felt_by, argnums=(0, 1, 2)))(own, carry, x)

    grads = gradients(1), gradients(unroll)
    assert_close(*grads, 1e-5, 2e-5)


def test_steps_are_read_and_written_in_place_under_any_vmaps() -> None:
    """As NumPy does it, with a gather or scatter for no lane."""
    x, rows = np.arange(60.0).reshape(3, 5, 4), -np.arange(12.0).reshape(3, 4)
    for axes in ((0, 0, None), (0, None, None), (None, 0, None)):
        own, row = x if axes[0] == 0 else x[0], rows if axes[1] == 0 else rows[0]
        put = jax.jit(jax.vmap(in_place.put, axes))
        expected = np.broadcast_to(own, (3, 5, 4)).copy()
        expected[:, 3] = row
        np.testing.assert_array_equal(put(own, row, jnp.int32(3)), expected)
        assert "scatter" not in put.lower(own, row, jnp.int32(3)).as_text()
    at = jax.jit(jax.vmap(jax.vmap(in_place.at, (0, None)), (0, None)))
    deep = np.arange(120.0).reshape(2, 3, 5, 4)
    np.testing.assert_array_equal(at(deep, jnp.int32(2)), deep[:, :, 2])
    assert "gather" not in at.lower(deep, jnp.int32(2)).as_text()


@CELL
def test_padded_units_get_exact_zeros(cell: str) -> None:
    narrow, wide = layer(cell, 5), layer(cell, 5, wide=8)
    padded = jax.jit(partial(read, cell))(*wide, None)[1]
    assert not padded[..., 5:].any()

    def felt(read: Any, cell: str, keep: Any, own: Tree, carry: Any, x: Any) -> Any:
        return (read(cell, own, carry, x, keep)[1][..., :5] ** 2).sum()

    grads = [
        jax.jit(jax.grad(partial(felt, read, cell, None), argnums=(0, 1, 2)))(*one)
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
    grad = jax.grad(partial(loss, read, cell, None), argnums=(0, 1, 2))
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
    "lstm norm": {"layers": 2, "layer_norm": True, "recurrent_dropout": 0.2},
    "gru norm": {"cell": "gru", "layer_norm": True, "activation": "relu", "bidirectional": True},
    "rnn norm": {"cell": "rnn", "layer_norm": True, "activation": "sigmoid"},
    "lstm activations": {"activation": "silu", "output_activation": "softsign"},
    "gru blocks": {"cell": "gru", "tbptt_length": 3, "target_replication": 0.5},
    "lstm overlap": {"tbptt_length": 4, "tbptt_overlap": 0.5, "target_replication": 0.5},
}
OTHERS: list[Tree] = [{"layer_norm": True, "activation": "elu"}, {"tbptt_length": 2}]
CASES = {name: {"hidden_size": 6, **case} for name, case in GIVEN.items()}


def cells_of(member: SingleMember) -> Cell:
    shapes = member.architecture.shapes()["layer_0"]
    return CELLS[member.architecture.cell](member.architecture, tuple(shapes.items()))


AMONG = [(True, False), (False, False), (True, True)]
"""Whether lengths are even, and members mixed."""
QUICK = {
    *(("lstm", True, False), ("gru", False, False), ("gru back", True, True)),
    *(("gru norm", True, True), ("lstm activations", True, True)),
}


@pytest.mark.parametrize(
    ("case", "even", "mixed"),
    [
        pytest.param(case, *one, marks=[] if (case, *one) in QUICK else pytest.mark.slow)
        for case in CASES
        for one in AMONG
    ],
)
def test_networks_learn_as_by_the_scan(
    case: str, even: bool, mixed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In wide arrays, in chunks where lengths differ, and with code that only others need."""
    own = CASES[case]
    cell: Tree = {"cell": own.get("cell", "lstm")}
    others = [cell | other for other in OTHERS] if mixed else []
    member, given = among(own, others), sequences(6, even=even)
    if even:
        member = member.with_code(lengths=False)

    def gradient() -> Any:
        return jax.jit(jax.grad(member.step._loss, has_aux=True))(
            member.weights(), member.hp, given, jax.random.key(3), jnp.int32(0)
        )[0]

    assert cells_of(member).has_custom_vjp
    ours = gradient()
    monkeypatch.setattr(Cell, "has_custom_vjp", False)
    # Statistics of six units magnify what is rounded.
    assert_close(ours, gradient(), 1e-5, 1e-5 if own.get("layer_norm") else 3e-6)
    felt = [abs(leaf).max() > 1e-3 for leaf in jax.tree.leaves(ours)]
    assert all(felt) or (mixed and any(felt))  # of others' scales the member feels nothing


def test_kernels_have_the_same_gradient_on_every_platform() -> None:
    """What a CPU runs as one product, others run as two."""
    rng = np.random.default_rng(0)
    shapes = (3, 4), (5, 3, 4), (6, 3, 8)
    first, later, ds = (rng.normal(size=shape).astype(np.float32) for shape in shapes)
    wanted = np.einsum("tbu,tbg->ug", np.concatenate([first[None], later]), ds)
    for product in (rnn_vjp._kernel_gradient_in_parts, rnn_vjp._kernel_gradient_at_once):
        np.testing.assert_allclose(product(*map(jnp.asarray, (first, later, ds))), wanted, 1e-5)


def test_maps_have_the_same_gradients_on_every_platform() -> None:
    rng = np.random.default_rng(0)
    x, gradient = (rng.normal(size=(7, 5, n)).astype(np.float32) for n in (3, 4))
    for product in (affine._gradients_of_rows, affine._gradients_at_once):
        kernel, bias = product(*map(jnp.asarray, (x, gradient)))
        expected = np.einsum("tbi,tbo->io", x.astype(float), gradient)
        np.testing.assert_allclose(kernel, expected, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(bias, gradient.sum((0, 1)), rtol=1e-5, atol=1e-5)


def test_gates_are_summed_and_spread_alike_on_every_platform() -> None:
    """A TPU slices gates where others have an axis of them."""
    norm = LayerNorm(jnp.bool_(True), jnp.int32(5), jnp.ones(5), jnp.ones((3, 5)))
    flat = jnp.arange(2 * 15, dtype=jnp.float32).reshape(2, 15)
    wanted = np.arange(2 * 15).reshape(2, 3, 5).sum(-1)
    for sums in (norm._sums, norm._sums_by_slices):
        np.testing.assert_array_equal(sums(flat), wanted)
    for spread in (norm._expand_by_axis, norm._expand_by_slices):
        np.testing.assert_array_equal(spread(jnp.asarray(wanted)), np.repeat(wanted, 5, axis=1))
