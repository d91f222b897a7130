"""Loops that end early change nothing but the work; nor does what lies behind true lengths."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from support.marks import slow
from support.single_member import SingleMember, alone, among, assert_close, sequences
from support.task_data import made

import jaxrnn
from jaxrnn.configuration import rules
from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.network import initial, network, rnn_vjp
from jaxrnn.network.architecture import architecture_of
from jaxrnn.network.masking import longest_of
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.network.packing import Packing
from jaxrnn.tasks.spec import Outputs, TaskSpec
from jaxrnn.training import buckets
from jaxrnn.training.batches import Samples
from jaxrnn.training.step import Step
from jaxrnn.training.update import Update

Tree = dict[str, Any]
TIME = 19


def short(longest: int, seed: int = 0) -> Samples:
    """Sequences of at most `longest` steps, in arrays of `TIME`."""
    given = sequences(5, seed, TIME)
    lengths = np.minimum(given.lengths, longest)
    lengths[0] = longest
    return given._replace(lengths=lengths.astype(np.int32))


def reader(member: SingleMember) -> Callable[[Samples], Any]:
    """From samples to loss, its gradient, and answers of evaluation."""
    arch, hp, weights = member.architecture, member.hp, member.weights()

    @jax.jit
    def run(samples: Samples) -> Any:
        grad = jax.value_and_grad(member.step._loss, has_aux=True)
        key = jax.random.key(3)
        (loss, _), gradient = grad(weights, hp, samples, key, jnp.int32(1))
        outputs = RecurrentNetwork(arch).apply(
            {"params": weights}, samples.inputs, samples.lengths, hp
        )
        assert isinstance(outputs, Outputs)
        return loss, gradient, outputs.last

    return lambda samples: jax.device_get(run(Samples(*map(jnp.asarray, samples))))


LAYERS: Tree = {"layers": 2, "hidden_size": 6, "hidden_size_2": 7}
GIVEN: dict[str, Tree] = {
    "lstm": {**LAYERS, "residual": True, "layer_norm": True},
    "gru": {"cell": "gru", "learned_start": True, "target_replication": 0.4},
    "rnn": {"cell": "rnn", "activation": "relu", "dropout": 0.2, "recurrent_dropout": 0.3},
    "lstm back": {**LAYERS, "bidirectional": True, "target_replication": 1.0},
    "gru back": {"cell": "gru", "bidirectional": True, "learned_start": True, "dropout": 0.3},
    "rnn back": {"cell": "rnn", "bidirectional": True, "activation": "sigmoid", "layer_norm": True},
    "blocks": {"tbptt_length": 3, "target_replication": 0.5},
    "overlap": {**LAYERS, "tbptt_length": 5, "tbptt_overlap": 0.4, "target_replication": 0.5},
    "end": {"crop_length": 6, "cell": "gru"},
    "start": {**LAYERS, "crop_length": 5, "crop_at": "start", "bidirectional": True},
    "random": {"crop_length": 7, "crop_at": "random", "tbptt_length": 3},
}
CASES = {name: {"hidden_size": 6, **case} for name, case in GIVEN.items()}
QUICKLY = {"gru back", "overlap"}
CASE = pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[] if c in QUICKLY else pytest.mark.slow) for c in CASES]
)


@CASE
def test_loops_that_end_early_read_as_whole_ones(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, given = among(CASES[case]), [short(longest) for longest in (1, 4, 5, 12, 18, TIME)]
    ours = [*map(reader(member), given)]
    monkeypatch.setattr(network, "longest_of", lambda lengths: None)
    theirs = [*map(reader(member), given)]
    # What is rounded in another order, statistics of six units magnify.
    slack = 5 if CASES[case].get("layer_norm") else 1
    assert_close(ours, theirs, slack * 1e-5, slack * 1e-5)
    kernels = [gradient["layer_0"]["recurrent_kernel"] for _, gradient, _ in ours]
    assert all(abs(kernel).max() > 0.01 for kernel in kernels[1:])


@CASE
def test_padding_of_inputs_has_no_effect(case: str) -> None:
    samples, read, found = short(13), reader(alone(CASES[case])), []
    behind = np.arange(TIME) >= samples.lengths[:, None]
    for garbage in (0.0, 1e4, np.nan):
        inputs = samples.inputs.copy()
        inputs[behind] = garbage
        found.append(read(samples._replace(inputs=inputs)))
    for other in found[1:]:
        jax.tree.map(np.testing.assert_array_equal, other, found[0])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize(
    "kind", ["regression", "labelling", "language", *slow("forecasting", "next_step", "tokens")]
)
def test_padding_has_no_effect_for_any_task(kind: str) -> None:
    """Neither in inputs nor in targets: on losses, weights, gradients and evaluation sums."""
    data = made(kind)
    entries = rules.complete({"hidden_size": 5}, 20, 10, data.spec.excluded)
    problem = data.spec._replace(lengths_differ=True)  # of windows and texts, too
    arch = architecture_of(entries, problem, 20)
    hp = hyperparameters(entries, arch.optimizers)
    step = Step(arch, data.task, Update(arch.optimizers, Packing(arch.shapes())))

    @jax.jit
    def run(weights: Any, samples: Samples) -> Any:
        grad = jax.value_and_grad(step._loss, has_aux=True)
        (loss, (weight, _)), gradient = grad(weights, hp, samples, jax.random.key(0), jnp.int32(0))
        variables = {"params": weights}
        outputs = RecurrentNetwork(arch).apply(variables, samples.inputs, samples.lengths, hp)
        assert isinstance(outputs, Outputs)
        counts = jnp.arange(len(samples.lengths)) < 6
        return loss, weight, gradient, data.task.sums(outputs, samples.targets, counts)

    train: Any = data.train
    samples = Samples.of(train)
    true = np.minimum(samples.lengths, 5).astype(np.int32)[:9]
    rows = Samples(*(leaf[:9].copy() for leaf in samples))._replace(lengths=true)
    weights = initial.init(arch, entries, 0)
    found = []
    for value in (0.0, 2.0, np.nan):
        own = jax.tree.map(np.array, rows)
        for leaf in (own.inputs, own.targets if data.task.per_step else own.inputs):
            whole = leaf.dtype.kind in "iu"
            leaf[np.arange(leaf.shape[1]) >= true[:, None]] = 3 if whole and value else value
        found.append(jax.device_get(run(weights, jax.tree.map(jnp.asarray, own))))
    for other in found[1:]:
        jax.tree.map(np.testing.assert_array_equal, other, found[0])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found))


# Loops that end


@pytest.mark.parametrize("longest", [1, 4, 5, 12, 13, TIME])
def test_steps_behind_the_longest_never_run(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """For three lanes at once, forwards and backwards."""
    ends: list[int] = []
    bound = rnn_vjp.loop_end

    def told(*arguments: Any) -> Any:
        end = bound(*arguments)
        jax.debug.callback(lambda end: ends.append(int(end)), end)
        return end

    monkeypatch.setattr(rnn_vjp, "loop_end", told)
    rnn_vjp.traced_layer.cache_clear()
    member, samples = among({"hidden_size": 6}), short(longest)

    def loss(weights: Any) -> Any:
        loss, _ = member.step._loss(weights, member.hp, samples, jax.random.key(3), jnp.int32(1))
        return loss

    weights = jax.tree.map(lambda leaf: np.stack([leaf] * 3), member.weights())
    gradients = jax.jit(jax.vmap(jax.grad(loss)))(weights)
    jax.effects_barrier()
    rnn_vjp.traced_layer.cache_clear()
    assert set(ends) == {longest} and len(ends) >= 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradients))


def test_unrolled_loops_have_a_fixed_end() -> None:
    """As on accelerators."""
    arch = among({"hidden_size": 6}).architecture
    table: Any = (1, 3, 3), (1, None, 9), (4, 3, 9), (4, None, 9)
    for unroll, longest, expected in table:
        assert rnn_vjp.loop_end(rnn_vjp.StaticArguments(arch, unroll), 9, longest) == expected


def test_the_longest_is_that_of_all_lanes() -> None:
    lengths = jnp.array([[3, 1], [2, 5]])
    steps = jax.vmap(lambda own: jax.lax.fori_loop(0, longest_of(own), lambda _, n: n + 1, 0))
    assert steps(lengths).tolist() == [5, 5]
    assert longest_of(lengths[0]) == 3


def conditionals(compiled: Any) -> int:
    return len(re.findall(r" conditional\(", compiled.as_text()))


def test_lanes_run_one_bucket(uneven_data: jaxrnn.Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice of a bucket is a condition that lanes share, also where their epochs differ."""
    for limit, least in (("LEAST_GAIN", 1e-6), ("LEAST_STEPS", 1e-6)):
        monkeypatch.setattr(buckets, limit, least)
    for window in (1, 3):
        trainer = jaxrnn.Trainer(uneven_data, microbatch=20, lanes=3, devices=1)
        trainer.placement.reserve(3, window)
        population = trainer.start([{"cell": "rnn"}] * 3, range(3), 3)
        (cohort,) = population.cohorts
        assert cohort.layout.epoch_window == window
        assert conditionals(cohort.programs.train) == 1
        assert conditionals(cohort.programs.evaluate) == 1


def test_both_directions_meet_at_every_step() -> None:
    """Sums from the first step on, and from the last true one back, by hand."""
    problem = TaskSpec(
        1, 2, lengths_differ=True, per_step=True, excluded=frozenset({"embedding_size"})
    )
    given = {"cell": "rnn", "activation": "relu", "hidden_size": 1, "bidirectional": True}
    entries = rules.complete(given, 4, 10, problem.excluded)
    arch = architecture_of(entries, problem)
    one = jnp.ones((1, 1, 1))
    gates = {"input_kernel": one, "recurrent_kernel": one, "bias": jnp.zeros((1, 1))}
    head = {"kernel": jnp.eye(2), "bias": jnp.zeros(2)}
    weights = {"layer_0": gates, "layer_0_backward": gates, "head": head}
    x, hp = np.arange(1.0, 11.0).reshape(2, 5, 1), hyperparameters(entries, ("adamw",))
    read = jax.jit(lambda *own: RecurrentNetwork(arch).apply({"params": weights}, *own, hp))
    found: Any = read(jnp.asarray(x, jnp.float32), jnp.array([5, 3]))
    for inputs, answers, length in zip(x[..., 0], found.per_step, (5, 3), strict=True):
        true = inputs[:length]
        expected = np.stack([true.cumsum(), true[::-1].cumsum()[::-1]], axis=1)
        np.testing.assert_allclose(answers[:length], expected)
