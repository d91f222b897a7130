"""First weights: distributions, seeds, and independence from padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxrnn import configuration, initial
from jaxrnn.cells import CELLS
from jaxrnn.network import Architecture, dropout

cells = pytest.mark.parametrize("cell", list(CELLS))


@cells
def test_recurrent_kernels_are_orthogonal_per_gate(cell: str) -> None:
    drawn = initial.draw(Architecture(cell, 2, 64, 5, 3), 21, seed=1)
    for layer in ("layer_0", "layer_1"):
        kernel = drawn[layer]["recurrent_kernel"].astype(float)
        for gate in range(kernel.shape[1]):
            product = kernel[:, gate].T @ kernel[:, gate]
            np.testing.assert_allclose(product, np.eye(21), atol=1e-6)
    assert np.any(drawn["layer_0"]["recurrent_kernel"] != drawn["layer_1"]["recurrent_kernel"])


@cells
def test_input_kernels_have_variance_one_over_inputs(cell: str) -> None:
    drawn = initial.draw(Architecture(cell, 1, 64, 400, 10), 60, seed=2)
    assert drawn["layer_0"]["input_kernel"].std() == pytest.approx(400**-0.5, rel=0.02)
    assert drawn["head"]["kernel"].std() == pytest.approx(60**-0.5, rel=0.15)


def test_biases() -> None:
    lstm = initial.draw(Architecture("lstm", 1, 64, 5, 3), 4, seed=0)
    np.testing.assert_array_equal(lstm["layer_0"]["bias"], [[0] * 4, [1] * 4, [0] * 4, [0] * 4])
    gru = initial.draw(Architecture("gru", 1, 64, 5, 3), 4, seed=0)
    assert not gru["layer_0"]["bias"].any()
    assert not gru["layer_0"]["candidate_bias"].any()
    assert not lstm["head"]["bias"].any()


@given(
    st.sampled_from(list(CELLS)), st.integers(1, 3), st.integers(1, 90), st.integers(0, 2**32 - 1)
)
def test_padding_changes_nothing_inside(cell: str, layers: int, size: int, seed: int) -> None:
    entries = configuration.complete({"cell": cell, "layers": layers, "hidden_size": size})
    wide = configuration.architecture(entries, 3, 4)
    assert wide.width >= max(size, 64)
    assert wide.width & (wide.width - 1) == 0
    true = Architecture(cell, layers, size, 3, 4)
    drawn = initial.draw(wide, size, seed)
    assert {k: {n: v.shape for n, v in d.items()} for k, d in drawn.items()} == true.shapes()
    padded = initial.pad(drawn, wide.shapes())
    assert {k: {n: v.shape for n, v in d.items()} for k, d in padded.items()} == wide.shapes()
    jax.tree.map(np.testing.assert_array_equal, initial.trim(padded, true.shapes()), drawn)
    for layer, named in padded.items():
        for name, value in named.items():
            assert np.count_nonzero(value) == np.count_nonzero(drawn[layer][name])


@pytest.mark.parametrize(("size", "width"), [(1, 64), (64, 64), (65, 128), (128, 128), (129, 256)])
def test_buckets_are_tight(size: int, width: int) -> None:
    assert configuration.bucket(size) == width


def test_dropout_draws_do_not_depend_on_padding() -> None:
    key, rate = jax.random.key(3), jnp.float32(0.4)
    wide = np.asarray(dropout(key, rate, jnp.ones((5, 7, 64))))
    narrow = np.asarray(dropout(key, rate, jnp.ones((5, 7, 10))))
    np.testing.assert_array_equal(wide[..., :10], narrow)
    assert (wide == 0).mean() == pytest.approx(0.4, abs=0.04)
    assert wide.mean() == pytest.approx(1.0, abs=0.07)
