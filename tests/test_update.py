"""The step from gradients to parameters: Optax's, padding stays zero, slots are shared."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.marks import slow
from support.padding import check_padding, moments, own_state, padding
from support.single_member import (
    TASK,
    SingleMember,
    alone,
    among,
    assert_close,
    jit_by_architecture,
    sequences,
)

import jaxrnn
from jaxrnn.configuration.hyperparameters import PackedHyperparameters, hyperparameters
from jaxrnn.configuration.optimizers import OPTIMIZERS, arguments
from jaxrnn.network import initial
from jaxrnn.network.architecture import Architecture, architecture_of
from jaxrnn.network.packing import Packed, Packing
from jaxrnn.training.batches import Samples
from jaxrnn.training.epoch_metrics import StepInfo
from jaxrnn.training.partial_epoch import GradientSum
from jaxrnn.training.step import EpochContext, Step, TrainState
from jaxrnn.training.update import Slots, Update

NAMES = (*OPTIMIZERS, "optax.lamb")
Tree = dict[str, Any]

# Padding stays zero

EVERYTHING: list[Tree] = [  # an optimizer each, and something that could wake padding
    {"layer_norm": True, "hidden_size_2": 21},
    {"activation": "sigmoid", "output_activation": "sigmoid", "dropout": 0.2},
    {"residual": True, "hidden_size_2": 29, "recurrent_dropout": 0.2},
    {"residual": True, "hidden_size": 28, "hidden_size_2": 18, "dropout": 0.3, "layer_norm": True},
    {"dense_before": 2, "dense_before_units": 9, "dense_before_activation": "sigmoid"},
    {"dense_after": 2, "dense_after_units": 11, "dense_after_activation": "sigmoid"},
    {"learned_start": True, "l2": 0.01, "clip_value": 0.01, "weight_decay": 0.1},
    {"layer_norm": True, "learned_start": True, "l2": 0.01, "clip_norm": 0.05},
    {"activation": "sigmoid", "layer_norm": True, "weight_decay": 0.1, "dense_before": 1},
    {"activation": "sigmoid", "residual": True, "weight_decay": 0.1, "dense_after": 1},
]


@pytest.mark.slow
def test_padding_stays_zero_under_every_optimizer_for_fifty_steps(data: jaxrnn.Data) -> None:
    members = [
        {"layers": 2, "hidden_size": 17 + k, "optimizer": name, "learning_rate": 0.01, **given}
        for k, (name, given) in enumerate(zip(NAMES, EVERYTHING, strict=True))
    ]
    for one in members:
        if "weight_decay" in one and "weight_decay" not in arguments(one["optimizer"]):
            del one["weight_decay"]
    trainer = jaxrnn.Trainer(data, microbatch=20, lanes=5, devices=2)
    population = trainer.train(trainer.start(members, range(len(members)), 17), 17)  # 51 steps
    (cohort,) = population.cohorts
    architecture = cohort.architecture
    assert min(architecture.sizes.layers) == 32 and architecture.optimizers == NAMES
    states = cohort.gather(cohort.state)
    update = Update(NAMES, Packing(architecture.shapes()))
    for k, name in enumerate(NAMES):
        true = architecture_of(population.configurations[k], data.spec)
        padded = padding(architecture, true)
        train_state = jax.tree.map(lambda leaf, k=k: leaf[k], states.train_state)
        assert not train_state.diverged and states.epochs[k] == 17
        check_padding(update.packing.unpack(train_state.parameters), padded, name)
        for moment in moments(update, name, train_state.opt_state):
            check_padding(moment, padded, f"a slot of {name}")
        (own,) = (one for one in update._optimizers if one.name == name)
        unused = set(range(len(train_state.opt_state))) - set(own.slots)
        assert not any(np.any(train_state.opt_state[place]) for place in unused), name
        first = initial.init(true, population.configurations[k], k)["head"]["kernel"]
        last = trainer.predictor(population, k).parameters["head"]["kernel"]
        assert np.abs(last - first).max() > 1e-3, name


MIXED: list[Tree] = [
    {
        "layers": 2,
        "hidden_size": 7,
        "hidden_size_2": 5,
        "layer_norm": True,
        "residual": True,
        "learned_start": True,
        "dense_before": 1,
        "dense_before_units": 6,
        "dense_before_activation": "sigmoid",
        "dense_after": 1,
        "dense_after_units": 9,
        "dense_after_activation": "sigmoid",
        "dropout": 0.2,
        "recurrent_dropout": 0.2,
        "target_replication": 0.3,
    },
    {"layers": 2, "hidden_size": 5, "hidden_size_2": 9, "activation": "sigmoid", "residual": True},
    {"layers": 2, "hidden_size": 5, "dense_before": 2, "dense_before_units": 4},
    {"layers": 2, "hidden_size": 6},
]


@pytest.mark.parametrize(
    ("which", "cell"),
    [
        *((0, "lstm"), (3, "gru")),
        *slow(*((which, "lstm") for which in (1, 2, 3)), *((which, "gru") for which in (0, 1, 2))),
        *slow(*((which, "rnn") for which in range(4))),
    ],
)
def test_gradients_know_no_padding(which: int, cell: str) -> None:
    """Zero where a member has nothing, elsewhere those of its own network at its true width."""
    members = [{"cell": cell, **one, "bidirectional": cell == "gru"} for one in MIXED]
    given, samples = members[which], sequences(3)
    narrow, wide = alone(given), among(given, members)
    gradient = wide.gradient(samples)
    padded = padding(wide.architecture, narrow.architecture)
    check_padding(gradient, padded, cell)
    trimmed = initial.trim(gradient, narrow.architecture.shapes())
    assert_close(trimmed, narrow.gradient(samples), rtol=1e-4, atol=1e-5)


# Updates

HYPER: Tree = {"b1": 0.8, "b2": 0.95, "eps": 1e-5, "momentum": 0.7, "weight_decay": 0.03}
PENALTIES: list[Tree] = [
    {"clip_norm": float("inf")},
    {"clip_norm": 0.7, "clip_value": 0.4, "l2": 0.05},
]
RATE, SMALL = 0.02, {"cell": "gru", "hidden_size": 3, "layer_norm": True}


def taken(name: str) -> Tree:
    return {entry: value for entry, value in HYPER.items() if entry in arguments(name)}


def kernels(tree: Tree) -> Tree:
    return {
        layer: {name: name.endswith("kernel") for name in named} for layer, named in tree.items()
    }


def optax_own(name: str) -> optax.GradientTransformation:
    """On plain trees, with the numbers of `HYPER`."""
    b1, b2, eps, decay = (HYPER[entry] for entry in ("b1", "b2", "eps", "weight_decay"))
    known = {
        "sgd": partial(optax.sgd, RATE),
        "momentum": partial(optax.sgd, RATE, HYPER["momentum"]),
        "nesterov": partial(optax.sgd, RATE, HYPER["momentum"], nesterov=True),
        "rmsprop": partial(optax.rmsprop, RATE, decay=b2, eps=eps),
        "adagrad": partial(optax.adagrad, RATE, initial_accumulator_value=0.0, eps=eps),
        "adam": partial(optax.adam, RATE, b1, b2, eps),
        "adamw": partial(optax.adamw, RATE, b1, b2, eps, weight_decay=decay, mask=kernels),
        "nadam": partial(optax.nadam, RATE, b1, b2, eps),
        "lion": partial(optax.lion, RATE, b1, b2, weight_decay=decay, mask=kernels),
        "optax.lamb": partial(optax.lamb, RATE, b1, b2, eps, weight_decay=decay, mask=kernels),
    }
    return known[name]()


def random_like(tree: Tree, seed: int) -> Tree:
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), tree)


def prepared(given: Tree, gradient: Tree, parameters: Tree) -> Tree:
    """Penalty, then entries cut, then the norm, written out."""
    l2, value, norm = given.get("l2", 0.0), given.get("clip_value", np.inf), given["clip_norm"]

    def one(g: Any, p: Any, kernel: bool) -> Any:
        return np.clip(g + l2 * p * kernel, -value, value)

    cut = jax.tree.map(one, gradient, parameters, kernels(parameters))
    length = np.sqrt(sum(np.sum(leaf.astype(float) ** 2) for leaf in jax.tree.leaves(cut)))
    factor = min(1.0, norm / length)
    return jax.tree.map(lambda leaf: (leaf * factor).astype(np.float32), cut)


@pytest.mark.parametrize(
    "penalties", [*slow(PENALTIES[0]), PENALTIES[1]], ids=["bare", "penalty and clipping"]
)
@pytest.mark.parametrize("name", NAMES)
def test_ten_updates_are_optaxs_on_the_plain_tree(name: str, penalties: Tree) -> None:
    given = {**SMALL, "optimizer": name, **taken(name), **penalties}
    member, others = alone(given), [{**SMALL, "optimizer": one} for one in NAMES]
    wide = among(given, others)
    assert wide.architecture.optimizers == NAMES
    update, packing = wide.step.update, wide.packing
    parameters = initial.trim(wide.weights(), member.architecture.shapes())

    def packed(tree: Tree) -> Packed:
        return packing.pack(initial.pad(tree, wide.architecture.shapes()))

    theirs: Any = optax_own(name)
    state, slots = theirs.init(parameters), update.init(name, packed(parameters))
    run = jax.jit(partial(update, learning_rate=jnp.float32(RATE)))
    for k in range(10):
        gradient = random_like(parameters, k)
        ours, slots = run(packed(gradient), slots, packed(parameters), wide.hp)
        clean = prepared(penalties, gradient, parameters)
        plain, state = theirs.update(clean, state, parameters)
        unpacked = jax.tree.map(np.asarray, packing.unpack(ours))
        trimmed = initial.trim(unpacked, member.architecture.shapes())
        assert_close(trimmed, plain, rtol=1e-4, atol=1e-6)
        parameters = optax.apply_updates(parameters, plain)
        parameters = jax.tree.map(np.asarray, parameters)
        check_padding(unpacked, padding(wide.architecture, member.architecture), name)


# Slots


def test_slots_are_shared() -> None:
    """Two moments of the packed parameters and a count are enough for all that are built in."""
    packing = Packing(alone(SMALL).architecture.shapes())
    update = Update(tuple(OPTIMIZERS), packing)
    vectors = Packed(*(np.zeros(size, np.float32) for size in packing.sizes))
    for name in OPTIMIZERS:
        slots = update.init(name, vectors)
        shapes = [slot.shape for slot in slots]
        assert sorted(shapes) == sorted([(), *[(size,) for size in packing.sizes] * 2]), name
        assert not any(slot.any() for slot in slots)


def test_branches_of_other_optimizers_leave_nothing_behind() -> None:
    """All branches run side by side; each member keeps its own state, and no other's."""
    members = [among({**SMALL, "optimizer": name}, others()) for name in NAMES]
    update, packing = members[0].step.update, members[0].packing
    weights = packing.pack(members[0].weights())
    gradient = Packed(*(jnp.ones(size) for size in packing.sizes))
    slots = [update.init(name, weights) for name in NAMES]

    def step(numbers: Any, slots: Slots) -> tuple[Packed, Slots]:
        return update(gradient, slots, weights, numbers, jnp.float32(RATE))

    run = jax.jit(jax.vmap(step))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[one.hp for one in members])
    held = jax.tree.map(lambda *leaves: jnp.stack(leaves), *slots)
    for _ in range(2):
        _, held = run(stacked, held)
    for k, name in enumerate(NAMES):
        own_update = Update((name,), packing)
        numbers = hyperparameters(members[k].configuration, (name,))
        own = own_update.init(name, weights)
        run_own = jax.jit(own_update)
        for _ in range(2):
            _, own = run_own(gradient, own, weights, numbers, jnp.float32(RATE))
        mine = tuple(leaf[k] for leaf in held)
        assert_close(own_state(update, name, mine), own_state(own_update, name, own))
        places = next(one.slots for one in update._optimizers if one.name == name)
        unused = set(range(len(mine))) - set(places)
        assert not any(np.any(mine[place]) for place in unused), name
    assert len(held) > 5  # `optax.lamb` has arrays of its own


def others() -> list[Tree]:
    return [{**SMALL, "optimizer": name} for name in NAMES]


def test_an_optimizer_may_start_from_other_than_zeros() -> None:
    """`optax.adagrad` does, ours does not; its first state must survive the way into the slots."""
    packing = Packing(alone(SMALL).architecture.shapes())
    update = Update(("adagrad", "optax.adagrad"), packing)
    weights = packing.pack(alone(SMALL).weights())
    plain: Any = optax.adagrad(RATE).init(packing.unpack(weights))
    ours = own_state(update, "optax.adagrad", update.init("optax.adagrad", weights))
    assert_close(jax.tree.leaves(ours), jax.tree.leaves(plain))
    assert min(float(np.min(leaf)) for leaf in jax.tree.leaves(plain)) > 0


TAKEN = ["adabelief", "adagrad", "fromage", "lars", "novograd", "radam", "sm3"]
DIFFICULT = ["noisy_sgd", "rprop", "yogi"]


@pytest.mark.filterwarnings("ignore:Specifying a key")
@pytest.mark.parametrize(
    "name", ["lars", *DIFFICULT, *slow(*(one for one in TAKEN if one != "lars"))]
)
def test_other_optimizers_are_optaxs_or_refused(name: str) -> None:
    """With their own defaults; padding that moves would make a member depend on its bucket."""
    given = {**SMALL, "optimizer": f"optax.{name}", "clip_norm": float("inf")}
    try:
        member = alone(given)
    except ValueError as error:
        assert name in DIFFICULT and f"`optimizer` is 'optax.{name}'" in str(error)
        return
    wide = among(given, [SMALL])
    update, packing, shapes = wide.step.update, wide.packing, wide.architecture.shapes()
    parameters = initial.trim(wide.weights(), member.architecture.shapes())
    theirs: Any = getattr(optax, name)(learning_rate=RATE)
    state = theirs.init(parameters)
    slots = update.init(f"optax.{name}", packing.pack(wide.weights()))
    run, unpacked = jax.jit(update), {}
    for k in range(3):
        gradient = random_like(parameters, k)
        packed, whole = (packing.pack(initial.pad(t, shapes)) for t in (gradient, parameters))
        ours, slots = run(packed, slots, whole, wide.hp, jnp.float32(RATE))
        plain, state = theirs.update(gradient, state, parameters)
        unpacked = jax.tree.map(np.asarray, packing.unpack(ours))
        assert_close(initial.trim(unpacked, member.architecture.shapes()), plain, rtol=1e-4)
        parameters = jax.tree.map(np.asarray, optax.apply_updates(parameters, plain))
    check_padding(unpacked, padding(wide.architecture, member.architecture), name)


# Accumulation


class Sent(NamedTuple):
    """What a step is called with, but the run so far."""

    packed: PackedHyperparameters
    epoch: EpochContext
    samples: Samples
    index: Any


@jit_by_architecture
def call(
    architecture: Architecture, sent: Sent, train_state: TrainState, batch: GradientSum | None
) -> Any:
    step = Step(architecture, TASK, Update(architecture.optimizers, Packing(architecture.shapes())))
    given = (
        sent.packed,
        sent.epoch,
        train_state,
        step.no_gradients(train_state) if batch is None else batch,
    )
    found = step.gradient(sent.packed, sent.epoch, train_state.parameters, sent.samples, sent.index)
    return step(*given, found, sent.index)


def train(
    member: SingleMember, parts: list[Samples], steps: int, batch: int, begin: int = 0
) -> tuple[TrainState, list[StepInfo]]:
    """One call of a step for each part; `steps` of them in an epoch, `batch` in an update."""
    train_state, gradient_sum, seen = member.train_state(), None, []
    epoch = EpochContext(jnp.int32(2), jnp.int32(steps), jnp.int32(batch), jnp.float32(1))
    for index, samples in enumerate(parts, start=begin):
        sent = Sent(member.packed, epoch, samples, jnp.int32(index))
        train_state, gradient_sum, info = call(member.architecture, sent, train_state, gradient_sum)
        seen.append(info)
    return train_state, seen


def cut(samples: Samples, size: int) -> list[Samples]:
    parts = range(0, len(samples.targets), size)
    return [Samples(*(leaf[begin : begin + size] for leaf in samples)) for begin in parts]


CLIPPED: Tree = {
    "hidden_size": 5,
    "optimizer": "momentum",
    "learning_rate": 0.1,
    "schedule": "linear",
    "target_replication": 0.3,
    "clip_norm": 0.1,
}


@pytest.mark.parametrize("optimizer", ["momentum", *slow("adam")])
def test_microbatches_add_up_to_their_batch(optimizer: str) -> None:
    member = alone({**CLIPPED, "optimizer": optimizer})
    assert not member.architecture.uses.accumulation
    samples = sequences(6, seed=2)
    assert len(set(samples.lengths)) > 2
    together, (whole,) = train(member, [samples], steps=4, batch=1)
    piecewise, seen = train(member.with_code(accumulation=True), cut(samples, 2), steps=4, batch=3)
    assert [bool(one.updates) for one in seen] == [False, False, True] and whole.updates
    assert float(whole.norm) > 2 * CLIPPED["clip_norm"]  # clipping has something to do
    np.testing.assert_allclose(seen[-1].norm, whole.norm, rtol=1e-5)
    np.testing.assert_allclose(sum(float(one.loss) for one in seen), whole.loss, rtol=1e-5)
    assert float(seen[-1].rate) == float(whole.rate) == pytest.approx(0.1 * 28 / 30)
    assert_close(piecewise, together, rtol=1e-4, atol=1e-6)
    if optimizer == "momentum":  # its slot is the gradient as it was clipped
        norm = np.sqrt(sum(float(np.sum(np.square(slot))) for slot in piecewise.opt_state))
        assert norm == pytest.approx(CLIPPED["clip_norm"], rel=1e-5)


@pytest.mark.parametrize("size", [2, *slow(5)])
def test_an_update_goes_down_the_mean_gradient(size: int) -> None:
    given = {**CLIPPED, "optimizer": "sgd", "schedule": "constant", "clip_norm": float("inf")}
    member, samples = alone(given), sequences(size, seed=2)
    train_state, (seen,) = train(member, [samples], steps=4, batch=1)
    mean = jax.tree.map(lambda leaf: leaf / size, member.gradient(samples))
    moved = jax.tree.map(lambda weight, slope: weight - 0.1 * slope, member.weights(), mean)
    assert_close(member.packing.unpack(train_state.parameters), moved, atol=1e-6)
    norm = np.sqrt(sum(float(np.sum(np.square(leaf))) for leaf in jax.tree.leaves(mean)))
    np.testing.assert_allclose(seen.norm, norm, rtol=1e-5)


def test_nothing_moves_before_a_batch_is_complete() -> None:
    member = alone(CLIPPED).with_code(accumulation=True)
    train_state, seen = train(member, cut(sequences(4), 2), steps=4, batch=3)
    assert not any(one.updates for one in seen)
    first = member.train_state()
    assert_close(train_state, first, rtol=0, atol=0)


def test_the_last_batch_of_an_epoch_is_smaller_and_the_next_starts_empty() -> None:
    """Four microbatches, three to a batch: the last updates alone, as a batch of its own."""
    member, samples = alone(CLIPPED), sequences(8, seed=2)
    parts = cut(samples, 2)
    train_state, seen = train(member.with_code(accumulation=True), parts, steps=4, batch=3)
    assert [bool(one.updates) for one in seen] == [False, False, True, True]
    first, _ = train(member, [Samples(*(leaf[:6] for leaf in samples))], steps=4, batch=1)
    epoch = EpochContext(jnp.int32(2), jnp.int32(4), jnp.int32(1), jnp.float32(1))
    sent = Sent(member.packed, epoch, parts[3], jnp.int32(3))
    expected, _, last = call(member.architecture, sent, first, None)
    np.testing.assert_allclose(seen[3].norm, last.norm, rtol=1e-5)
    assert float(seen[3].rate) == float(last.rate) == pytest.approx(0.1 * (30 - 2.75) / 30)
    assert_close(train_state, expected, rtol=1e-4, atol=1e-6)
