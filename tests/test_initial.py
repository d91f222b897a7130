"""First weights: distributions, seeds, and independence from padding."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.padding import merged

from jaxrnn.configuration import rules
from jaxrnn.configuration.initialisers import INITIALISERS
from jaxrnn.network import initial
from jaxrnn.network.architecture import GATES, architecture_of
from jaxrnn.network.dropout import dropout
from jaxrnn.network.packing import Packing
from jaxrnn.population.planner import bucket
from jaxrnn.tasks.spec import TaskSpec

cells = pytest.mark.parametrize("cell", list(GATES))


def complete(**given: Any) -> dict[str, Any]:
    return rules.complete(given, 8, 10)


def draw(inputs: int = 5, outputs: int = 3, seed: int = 1, **given: Any) -> initial.Layers:
    entries = complete(**given)
    return initial.init(architecture_of(entries, TaskSpec(inputs, outputs, False)), entries, seed)


def shapes(weights: initial.Layers) -> dict[str, dict[str, tuple[int, ...]]]:
    return {
        layer: {name: leaf.shape for name, leaf in own.items()} for layer, own in weights.items()
    }


@cells
def test_recurrent_kernels_are_orthogonal_per_gate(cell: str) -> None:
    drawn = draw(cell=cell, layers=2, hidden_size=21, bidirectional=True, recurrent_scale=3.0)
    kernels = [own["recurrent_kernel"] for name, own in drawn.items() if name.startswith("layer")]
    assert len(kernels) == 4
    for kernel in kernels:
        assert kernel.shape == (21, GATES[cell], 21)
        for gate in kernel.astype(float).swapaxes(0, 1):
            np.testing.assert_allclose(gate.T @ gate, 9 * np.eye(21), atol=1e-5)
    assert len({kernel.tobytes() for kernel in kernels}) == 4
    gates = {gate.tobytes() for gate in kernels[0].swapaxes(0, 1)}
    assert len(gates) == GATES[cell]


@cells
def test_input_kernels_have_variance_one_over_inputs(cell: str) -> None:
    drawn = draw(400, 10, cell=cell, hidden_size=60, dense_after=1, dense_after_units=200)
    spread = 0.02 if cell != "rnn" else 0.03
    assert drawn["layer_0"]["input_kernel"].std() == pytest.approx(400**-0.5, rel=spread)
    assert drawn["dense_after_0"]["kernel"].std() == pytest.approx(60**-0.5, rel=0.03)
    assert drawn["head"]["kernel"].std() == pytest.approx(200**-0.5, rel=0.06)


# Variance for 300 inputs and 200 units, and the greatest size where the distribution is even.
SPREADS = {
    "lecun_normal": (1 / 300, None),
    "uniform": (0.05**2 / 3, 0.05),
    "normal": (0.05**2, None),
    "glorot_uniform": (2 / 500, (6 / 500) ** 0.5),
    "glorot_normal": (2 / 500, None),
    "he_uniform": (2 / 300, (6 / 300) ** 0.5),
    "he_normal": (2 / 300, None),
    "orthogonal": (1 / 300, None),  # orthonormal columns of 300 numbers
}


@pytest.mark.parametrize("name", list(INITIALISERS))
def test_initialisers_have_the_documented_variance(name: str) -> None:
    """Every gate by itself, with nothing shared; 4 x 60,000 numbers are within 1 %."""
    drawn = INITIALISERS[name](np.random.default_rng(4), (300, 4, 200))
    assert drawn.shape == (300, 4, 200)
    variance, limit = SPREADS[name]
    for gate in drawn.swapaxes(0, 1):
        assert gate.mean() == pytest.approx(0, abs=5 * (variance / gate.size) ** 0.5)
        assert gate.var() == pytest.approx(variance, rel=0.02)
        kurtosis = (gate**4).mean() / gate.var() ** 2  # 3 if normal, 1.8 if even
        assert kurtosis == pytest.approx(3.0 if limit is None else 1.8, rel=0.05)
        assert limit is None or 0.999 * limit < np.abs(gate).max() <= limit
    assert np.abs(np.corrcoef(drawn.swapaxes(0, 1).reshape(4, -1)) - np.eye(4)).max() < 0.02


@pytest.mark.parametrize("name", list(INITIALISERS))
def test_hyperparameters_choose_initialiser_and_scale(name: str) -> None:
    """`kernel_*` for all kernels but the recurrent ones, which have `recurrent_*`."""
    common = {"cell": "gru", "hidden_size": 40, "dense_before": 1, "dense_before_units": 30}
    plain = draw(**common, kernel_init=name, recurrent_init=name)
    scaled = draw(
        **common, kernel_init=name, recurrent_init=name, kernel_scale=3, recurrent_scale=0
    )
    other = draw(**common, kernel_init=name, recurrent_init="normal")
    for layer, own in plain.items():
        for kind, value in own.items():
            factor = 1.0 if not kind.endswith("kernel") else 0.0 if "recurrent" in kind else 3.0
            np.testing.assert_allclose(scaled[layer][kind], factor * value, rtol=1e-6)
    rng = np.random.default_rng(1)  # the parameter drawn first, below everything else
    expected = INITIALISERS[name](rng, (5, 1, 30)).reshape(5, 30).astype(np.float32)
    np.testing.assert_array_equal(plain["dense_before_0"]["kernel"], expected)
    expected = INITIALISERS[name](rng, (30, 3, 40)).astype(np.float32)
    np.testing.assert_array_equal(plain["layer_0"]["input_kernel"], expected)
    assert other["layer_0"]["recurrent_kernel"].std() == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize(("inputs", "units"), [(3, 20), (20, 3), (7, 7), (1, 5), (5, 1)])
def test_orthogonal_kernels_need_not_be_square(inputs: int, units: int) -> None:
    """Orthonormal rows or columns, whichever are fewer, and no preferred sign."""
    draws = [
        INITIALISERS["orthogonal"](np.random.default_rng(seed), (inputs, 2, units))
        for seed in range(200)
    ]
    for kernel in draws[:20]:
        for gate in kernel.swapaxes(0, 1):
            product = gate @ gate.T if inputs < units else gate.T @ gate
            np.testing.assert_allclose(product, np.eye(min(inputs, units)), atol=1e-12)
    # The deviation of each of its numbers is known, so a mean off by five of its own is no chance.
    assert np.abs(np.mean(draws, axis=0)).max() < 5 * (max(inputs, units) * 200) ** -0.5


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3)])
@pytest.mark.parametrize("forget", [1.0, -2.5])
def test_forget_bias_is_of_the_gate_that_keeps(cell: str, gates: int, forget: float) -> None:
    """f of i, f, g, o and z of r, z, n, in all layers and directions; by default 1."""
    common = {"cell": cell, "layers": 2, "hidden_size": 4, "bidirectional": True}
    given: Any = {"forget_bias": forget} if forget != 1.0 else {}
    drawn = draw(**common, **given, dense_after=1)
    expected = np.zeros((gates, 4))
    expected[1] = forget
    for layer in ("layer_0", "layer_0_backward", "layer_1", "layer_1_backward"):
        np.testing.assert_array_equal(drawn[layer]["bias"], expected)


@cells
def test_everything_else_starts_at_zero_or_one(cell: str) -> None:
    drawn = draw(
        cell=cell,
        **{"layers": 2, "hidden_size": 4, "layer_norm": True, "learned_start": True},
        **{"dense_before": 2, "dense_after": 2},
    )
    seen = set()
    for layer, own in drawn.items():
        for name, value in own.items():
            assert value.dtype == np.float32
            if name in ("input_scale", "recurrent_scale"):
                np.testing.assert_array_equal(value, np.ones((GATES[cell], 4)))
            elif name.endswith("kernel"):
                assert np.all(value != 0)
            elif name != "bias" or not layer.startswith("layer") or cell == "rnn":
                assert not value.any(), (layer, name)
                seen.add(name)
    assert seen == {"state", "bias"} | ({"candidate_bias"} if cell == "gru" else set())


def test_seeds_draw_other_weights() -> None:
    one, same, other = (draw(seed=seed, hidden_size=6) for seed in (3, 3, 4))
    jax.tree.map(np.testing.assert_array_equal, one, same)
    assert np.all(one["layer_0"]["input_kernel"] != other["layer_0"]["input_kernel"])


@st.composite
def members(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Complete configurations of one cell, depth and direction: what a cohort may hold."""
    kind = {
        "cell": draw(st.sampled_from(list(GATES))),
        "layers": draw(st.integers(1, 4)),
        "bidirectional": draw(st.booleans()),
    }
    units = st.integers(1, 90)
    flags = ["layer_norm", "learned_start", *(["residual"] if kind["layers"] > 1 else [])]
    dense = [f"dense_{place}" for place in ("before", "after")]
    own = st.fixed_dictionaries(
        {"hidden_size": units, **dict.fromkeys(flags, st.booleans())},
        optional={f"hidden_size_{k}": units for k in range(2, kind["layers"] + 1)},
    )
    found = []
    for _ in range(draw(st.integers(1, 4))):
        given = {**kind, **draw(own)}
        for place in dense:
            if layers := draw(st.integers(0, 3)):
                given |= {place: layers, f"{place}_units": draw(units)}
        found.append(complete(**given))
    return found


@given(members(), st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 9))
def test_padding_changes_nothing_inside(
    members: list[dict[str, Any]], seed: int, inputs: int, outputs: int
) -> None:
    """Every member of a cohort, whatever it has in common with the others."""
    problem = TaskSpec(inputs, outputs, False)
    layers = [architecture_of(entries, problem).sizes.layers for entries in members]
    width = bucket(max(map(max, layers)))
    wide = merged(members, problem, width, 8)
    assert wide.sizes.layers == (width,) * members[0]["layers"]
    packing = Packing(wide.shapes())
    for entries in members:
        true = architecture_of(entries, problem)
        sizes = [
            entries[f"hidden_size{'' if k == 1 else f'_{k}'}"]
            for k in range(1, 5)
            if k <= entries["layers"]
        ]
        assert list(true.sizes.layers) == sizes
        drawn = initial.init(true, entries, seed)
        assert shapes(drawn) == true.shapes()
        padded = initial.pad(drawn, wide.shapes())
        assert shapes(padded) == wide.shapes()
        trimmed = initial.trim(packing.unpack(packing.pack(padded)), true.shapes())
        jax.tree.map(np.testing.assert_array_equal, trimmed, drawn)
        for layer, named in padded.items():
            for name, value in named.items():
                own = drawn.get(layer, {}).get(name, np.zeros(0))
                assert np.count_nonzero(value) == np.count_nonzero(own)


@given(members())
def test_packing_separates_what_decays(members: list[dict[str, Any]]) -> None:
    """Kernels in one vector, the rest in the other; there and back, every number its own place."""
    architecture = architecture_of(members[0], TaskSpec(3, 4, False))
    packing = Packing(architecture.shapes())
    count = iter(range(10**9))
    tree = {
        layer: {
            name: np.array([next(count) for _ in range(int(np.prod(shape)))]).reshape(shape)
            for name, shape in own.items()
        }
        for layer, own in architecture.shapes().items()
    }
    packed = packing.pack(tree)
    assert isinstance(packed.kernels, np.ndarray)
    assert (len(packed.kernels), len(packed.others)) == packing.sizes
    assert sorted([*packed.kernels, *packed.others]) == list(range(next(count)))
    jax.tree.map(np.testing.assert_array_equal, packing.unpack(packed), tree)
    kernels = [v for own in tree.values() for name, v in own.items() if name.endswith("kernel")]
    assert (
        len(packed.kernels) == sum(kernel.size for kernel in kernels) == architecture.arithmetic()
    )


BUCKETS = [
    *[(1, 16), (16, 16), (17, 32), (32, 32), (33, 48), (48, 48), (49, 64), (64, 64), (65, 96)],
    *[(96, 96), (97, 128), (128, 128), (129, 192), (192, 192), (193, 256), (4096, 4096)],
]


@pytest.mark.parametrize(("size", "width"), BUCKETS)
def test_buckets_are_tight(size: int, width: int) -> None:
    assert bucket(size) == width


def test_dropout_draws_do_not_depend_on_padding() -> None:
    key, rate = jax.random.key(3), jnp.float32(0.4)
    wide = np.asarray(dropout(key, rate, jnp.ones((5, 7, 64))))
    narrow = np.asarray(dropout(key, rate, jnp.ones((5, 7, 10))))
    np.testing.assert_array_equal(wide[..., :10], narrow)
    assert (wide == 0).mean() == pytest.approx(0.4, abs=0.04)
    assert wide.mean() == pytest.approx(1.0, abs=0.07)


def test_the_unknown_token_means_nothing() -> None:
    problem = TaskSpec(0, 3, True, vocabulary=7, excluded=frozenset({"input_noise"}))
    entries = rules.complete({}, 8, 10, problem.excluded)
    table = initial.init(architecture_of(entries, problem), entries, 0)["embedding"]["embedding"]
    assert not table[0].any() and table[1:].all()
