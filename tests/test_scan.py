"""Chunks of time change nothing but the work; what lies behind true lengths changes nothing."""

import re
from collections.abc import Callable
from typing import Any

import flax.linen as nn
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
from jaxrnn.network import initial, network, scan
from jaxrnn.network.architecture import architecture_of
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.network.packing import Packing
from jaxrnn.tasks.spec import Outputs, TaskSpec
from jaxrnn.training.batches import Samples
from jaxrnn.training.step import Step
from jaxrnn.training.update import Update

Tree = dict[str, Any]
TIME = 19  # 5 chunks of 4 steps, the last one incomplete


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
def test_chunks_read_as_one_scan_does(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member, given = among(CASES[case]), [short(longest) for longest in (1, 4, 5, 12, 18, TIME)]
    ours = [*map(reader(member), given)]

    def without_chunks(
        cell: Any, carry: Any, x: Any, stops: Any, constants: Any, longest: Any, unroll: int
    ) -> Any:
        del longest
        return scan.scan_layer(cell, carry, x, stops, constants, unroll)

    monkeypatch.setattr(network, "scan_layer_in_chunks", without_chunks)
    theirs = [*map(reader(member), given)]
    # Gradients of weights are summed chunk by chunk, so in another order. What is rounded there,
    # statistics of six units magnify: with layer normalisation the two scans are 1e-5 apart, too.
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


# Skipped chunks


class Counting(nn.Module):
    """A cell that calls back at every step, for all lanes at once."""

    on_progress: Callable[[Any], Any]
    has_custom_vjp = False

    @nn.compact
    def parameters(self) -> Any:
        return {"weight": self.param("weight", nn.initializers.ones, ())}

    def __call__(self, carry: Any, x: Any, stop: Any, constants: Any) -> Any:
        del stop, constants
        h = jnp.tanh(self.parameters()["weight"] * carry[0] + x)
        still = jax.lax.stop_gradient(h)
        h += jax.pure_callback(self.on_progress, still, still, vmap_method="broadcast_all")
        return (h,), h


@pytest.mark.parametrize("longest", [1, 4, 5, 12, 13, TIME])
def test_steps_in_skipped_chunks_never_run(longest: int) -> None:
    """For three lanes at once, forwards, with gradients."""
    seen: list[Any] = []

    def tell(h: Any) -> Any:
        seen.append(h)
        return np.zeros_like(h)

    class Reads(nn.Module):
        @nn.compact
        def __call__(self, x: Any, longest: Any) -> Any:
            carry = (jnp.zeros(x.shape[::2]),)
            cell: Any = Counting(tell, name="cell")
            constants: Any = None
            return scan.scan_layer_in_chunks(cell, carry, x, None, constants, longest)[1]

    x = jnp.ones((2, TIME, 3))
    weights = {"params": {"cell": {"weight": jnp.arange(3.0)}}}

    @jax.jit
    def run(longest: Any) -> Any:
        def loss(weights: Any) -> Any:
            y: Any = Reads().apply(weights, x, longest)
            return y.sum(), y

        return jax.vmap(jax.grad(loss, has_aux=True))(weights)

    gradients, y = jax.block_until_ready(run(longest))
    read = scan.steps_read(TIME, longest)
    assert len(seen) == read
    assert y[:, :, :read].all() and not y[:, :, read:].any()
    assert np.isfinite(jax.tree.leaves(gradients)[0]).all()


def conditionals(compiled: Any) -> int:
    return len(re.findall(r" conditional\(", compiled.as_text()))


def test_lanes_keep_the_decision_to_skip(data: jaxrnn.Data, uneven_data: jaxrnn.Data) -> None:
    """Of the conditions in a program of lanes, only those on the batch's lengths are left."""
    counts = []
    for given in (uneven_data, data):
        trainer = jaxrnn.Trainer(given, microbatch=20, lanes=3, devices=1)
        population = trainer.start([{"cell": "rnn"}] * 3, range(3), 2)
        (cohort,) = population.cohorts
        programs = cohort.programs.train, cohort.programs.evaluate
        counts += [conditionals(program) for program in programs]
    assert counts[0] >= 2 and counts[1] >= 1  # forwards and backwards; in evaluation
    assert counts[2:] == [0, 0]


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
