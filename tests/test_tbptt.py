"""Truncated back-propagation: where gradients stop, against loops over steps."""

import math
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.marks import slow
from support.single_member import (
    TIME,
    SingleMember,
    alone,
    assert_close,
    hp_of,
    jit_by_architecture,
    sequences,
)

from jaxrnn.network.architecture import Architecture
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.network.tbptt import stop_gradient_at, stream_of
from jaxrnn.tasks.spec import Outputs
from jaxrnn.training.batches import Samples

CELLS = ["lstm", "gru", "rnn"]
UNEVEN_LAYERS: dict[str, Any] = {"layers": 2, "hidden_size": 5, "hidden_size_2": 3}
GROWTHS = [Fraction(1), Fraction(3, 2), Fraction(2), Fraction(3)]


def begin_of(time: int, length: int, overlap: int) -> int:
    """First step of the block that the loss at `time` belongs to."""
    return max(0, (time - overlap) // (length - overlap)) * (length - overlap)


def first_steps(hp: Any, epoch: int, time: int, streams: int) -> list[int]:
    """The earliest step that the gradient of the loss at every step reaches, by our rules."""
    of_steps = np.asarray(stream_of(hp, jnp.int32(epoch), time, streams))
    stopped = np.asarray(stop_gradient_at(hp, jnp.int32(epoch), time, streams))
    assert stopped.shape == (streams, time) and stopped.dtype == bool
    firsts = []
    for step, stream in enumerate(of_steps):
        (behind,) = np.nonzero(stopped[stream, : step + 1])
        firsts.append(int(behind.max(initial=0)))
    return firsts


@settings(max_examples=60)
@given(
    length=st.integers(1, 12),
    percent=st.integers(0, 50),
    growth=st.sampled_from(GROWTHS),
    every=st.sampled_from([0, 3, 4, 7]),
    epoch=st.integers(0, 20),
    time=st.sampled_from([1, 13, 30]),
)
def test_gradients_reach_back_to_the_start_of_their_block(
    length: int, percent: int, growth: Fraction, every: int, epoch: int, time: int
) -> None:
    grows = {"tbptt_growth_epochs": every, "tbptt_growth": float(growth)} if every else {}
    hp = hp_of(tbptt_length=length, tbptt_overlap=percent / 100, **grows)
    grown = math.floor(length * growth ** (epoch // every if every else 0))
    overlap = grown * percent // 100
    expected = [begin_of(step, grown, overlap) for step in range(time)]
    assert first_steps(hp, epoch, time, streams=2) == expected
    if overlap == 0:
        assert first_steps(hp, epoch, time, streams=1) == expected
    reach = [step - first for step, first in enumerate(expected) if first > 0]
    assert all(overlap <= back < grown for back in reach)


def test_blocks_by_hand() -> None:
    """Four steps of which two overlap: blocks begin at 0, 2, 4, 6."""
    hp = hp_of(tbptt_length=4, tbptt_overlap=0.5)
    assert first_steps(hp, 0, 8, streams=2) == [0, 0, 0, 0, 2, 2, 4, 4]
    hp = hp_of(tbptt_length=3)
    assert first_steps(hp, 0, 8, streams=1) == [0, 0, 0, 3, 3, 3, 6, 6]
    hp = hp_of(tbptt_length=1, tbptt_growth_epochs=2, tbptt_growth=3.0)
    assert first_steps(hp, 1, 5, streams=1) == [0, 1, 2, 3, 4]
    assert first_steps(hp, 2, 5, streams=1) == [0, 0, 0, 3, 3]


def test_without_blocks_nothing_stops() -> None:
    assert first_steps(hp_of(), 3, 20, streams=2) == [0] * 20


@pytest.mark.parametrize("cell", CELLS)
def test_truncation_leaves_the_forward_pass_alone(cell: str) -> None:
    member = alone({"cell": cell, **UNEVEN_LAYERS, "target_replication": 0.5, "tbptt_length": 2})
    samples, key = sequences(4), jax.random.key(0)
    whole = member.apply(samples, key)
    cut = member.apply(samples, key, stop_gradient_at(member.hp, jnp.int32(0), TIME, 1)[0])
    assert_close(cut, whole, rtol=1e-6)


def truncated(cell: str, given: dict[str, Any], **more: Any) -> SingleMember:
    """A member whose program can do all of this: they share one."""
    member = alone({"cell": cell, **UNEVEN_LAYERS, "target_replication": 0.4, **given, **more})
    return member.with_code(tbptt=True, tbptt_overlap=True, learned_start=True)


@pytest.mark.parametrize("cell", ["gru", *slow("lstm", "rnn")])
def test_one_block_over_the_sequence_gives_the_full_gradient(cell: str) -> None:
    samples = sequences(3)
    full = truncated(cell, {}).gradient(samples)
    cover = truncated(cell, {"tbptt_length": TIME})
    assert_close(cover.gradient(samples), full, rtol=1e-6)
    grows = {"tbptt_length": 2, "tbptt_growth_epochs": 3, "tbptt_growth": 3.5}
    assert_close(truncated(cell, grows).gradient(samples, epoch=3), full, rtol=1e-6)
    early = truncated(cell, grows).gradient(samples, epoch=2)["layer_0"]["recurrent_kernel"]
    assert np.abs(early - full["layer_0"]["recurrent_kernel"]).max() > 1e-3


@pytest.mark.parametrize("cell", ["lstm", *slow("gru", "rnn")])
def test_without_blocks_the_gradient_is_that_of_a_program_that_knows_none(cell: str) -> None:
    given = {"cell": cell, **UNEVEN_LAYERS, "target_replication": 0.4, "learned_start": True}
    plain, samples = alone(given), sequences(3)
    assert not plain.architecture.uses.tbptt
    mixed = plain.with_code(tbptt=True, tbptt_overlap=True).gradient(samples)
    assert_close(mixed, plain.gradient(samples), rtol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("length", "overlap"), [(2, 0.0), (3, 0.34), *slow((4, 0.5), (1, 0.5))])
def test_gradients_are_those_of_a_run_for_every_step(
    cell: str, length: int, overlap: float
) -> None:
    """Each loss differentiated by itself, in a network cut at the start of its block alone."""
    given = {"tbptt_length": length, "tbptt_overlap": overlap}
    member, samples = truncated(cell, given, learned_start=True), sequences(3, seed=1)
    shared = math.floor(overlap * length)
    begins = np.array([begin_of(step, length, shared) for step in range(TIME)])
    hp = member.hp
    expected = of_every_step(member.architecture, hp, member.weights(), samples, begins)
    assert_close(member.gradient(samples), jax.tree.map(np.asarray, expected))


@jit_by_architecture
def of_every_step(
    architecture: Architecture, hp: Any, weights: Any, samples: Samples, begins: jax.Array
) -> Any:
    """Sum over the steps of the gradients of their losses, each cut at the step that it says."""
    n, x = jnp.asarray(samples.lengths), jnp.asarray(samples.inputs)
    labels, share = jnp.asarray(samples.targets), hp.target_replication

    def loss(weights: Any, step: jax.Array, begin: jax.Array) -> jax.Array:
        cut = (jnp.arange(TIME) == begin) & (begin > 0)
        network = RecurrentNetwork(architecture)
        out = network.apply({"params": weights}, x, n, hp, jax.random.key(0), cut)
        assert isinstance(out, Outputs) and out.per_step is not None
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels
        here, last = cross_entropy(out.per_step[:, step], labels), cross_entropy(out.last, labels)
        replicated = share * jnp.where(step < n, here / n, 0.0)
        return (replicated + (1 - share) * jnp.where(step == n - 1, last, 0.0)).sum()

    gradients = jax.vmap(jax.grad(loss), (None, 0, 0))(weights, jnp.arange(TIME), begins)
    return jax.tree.map(lambda leaf: leaf.sum(0), gradients)


@pytest.mark.parametrize(("length", "overlap"), [(2, 0.0), (4, 0.5), (5, 0.2)])
def test_gradients_of_a_simple_network_written_out(length: int, overlap: float) -> None:
    """Two layers of h' = tanh(x W + h R + b) with states that are constants before a block."""
    given = {"tbptt_length": length, "tbptt_overlap": overlap}
    member = truncated("rnn", given, target_replication=1.0)
    samples, shared = sequences(3, even=True), math.floor(overlap * length)

    def loss(tree: Any) -> jax.Array:
        total = jnp.zeros(())
        for step in range(TIME):
            states = [jnp.zeros((3, 5)), jnp.zeros((3, 3))]
            for t in range(step + 1):
                if t == begin_of(step, length, shared):
                    states = jax.lax.stop_gradient(states)
                x: jax.Array = jnp.asarray(samples.inputs[:, t])
                for k, h in enumerate(states):
                    w, r, b = (
                        tree[f"layer_{k}"][f"{name}"].reshape(-1, h.shape[1])
                        for name in ("input_kernel", "recurrent_kernel", "bias")
                    )
                    states[k] = x = jnp.tanh(x @ w + h @ r + b)
            log_p = jax.nn.log_softmax(
                states[-1] @ tree["head"]["kernel"] + tree["head"]["bias"][None]
            )
            total -= log_p[np.arange(3), samples.targets].sum() / TIME
        return total

    expected = jax.jit(jax.grad(loss))(member.weights())
    ours = member.gradient(samples)
    assert_close(ours, jax.tree.map(np.asarray, expected))
    full = truncated("rnn", {}, target_replication=1.0).gradient(samples)
    assert np.abs(ours["layer_0"]["input_kernel"] - full["layer_0"]["input_kernel"]).max() > 1e-4


def test_two_streams_without_overlap_are_one() -> None:
    member = alone({**UNEVEN_LAYERS, "target_replication": 0.4, "tbptt_length": 2})
    samples = sequences(3)
    assert not member.architecture.uses.tbptt_overlap
    assert_close(member.with_code(tbptt_overlap=True).gradient(samples), member.gradient(samples))
