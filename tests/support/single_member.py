"""One member without a trainer: its network, step and hyperparameters, alone or among others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from support.padding import merged

from jaxrnn.configuration import rules
from jaxrnn.configuration.hyperparameters import (
    Hyperparameters,
    PackedHyperparameters,
    hyperparameters,
)
from jaxrnn.network import initial
from jaxrnn.network.architecture import Architecture, architecture_of
from jaxrnn.network.network import RecurrentNetwork
from jaxrnn.network.packing import Packing
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.spec import Outputs, TaskSpec
from jaxrnn.training.batches import Samples
from jaxrnn.training.step import Step, TrainState
from jaxrnn.training.update import Update

# Compiled once for every value of the first argument.
jit_by_architecture = partial(jax.jit, static_argnums=0)
MICROBATCH, MAX_EPOCHS, TIME = 4, 30, 7
EXCLUDED = frozenset({"embedding_size", "window_norm"})
SPEC = TaskSpec(inputs=3, outputs=4, lengths_differ=True, excluded=EXCLUDED)
TASK = Classification((0, 1, 2, 3))


def complete(values: dict[str, Any]) -> dict[str, Any]:
    return rules.complete(values, MICROBATCH, MAX_EPOCHS, SPEC.excluded)


def hp_of(optimizers: tuple[str, ...] = ("adamw",), **values: Any) -> Hyperparameters:
    return hyperparameters(complete(values), optimizers)


@dataclass(frozen=True)
class SingleMember:
    """A member with the architecture that it runs in."""

    configuration: dict[str, Any]
    architecture: Architecture
    seed: int

    @property
    def hp(self) -> Hyperparameters:
        return hyperparameters(self.configuration, self.architecture.optimizers)

    @property
    def packing(self) -> Packing:
        return Packing(self.architecture.shapes())

    @property
    def step(self) -> Step:
        return Step(self.architecture, TASK, Update(self.architecture.optimizers, self.packing))

    @property
    def packed(self) -> PackedHyperparameters:
        return PackedHyperparameters.of(self.hp, np.asarray(self.seed, np.uint32))

    def with_code(self, **uses: bool) -> "SingleMember":
        """The same with other code compiled."""
        arch = self.architecture
        return replace(self, architecture=replace(arch, uses=arch.uses._replace(**uses)))

    def weights(self) -> initial.Layers:
        """First weights with every bias and state random, or mistakes there would not show."""
        own = architecture_of(self.configuration, SPEC)
        drawn = initial.init(own, self.configuration, self.seed)
        rng = np.random.default_rng(self.seed + 1000)
        for named in drawn.values():
            for name, value in named.items():
                if not name.endswith("kernel"):
                    noise = 0.3 * rng.normal(size=value.shape)
                    named[name] = (value + noise).astype(np.float32)
        return initial.pad(drawn, self.architecture.shapes())

    def train_state(self) -> TrainState:
        packed = self.packing.pack(self.weights())
        slots = self.step.update.init(self.configuration["optimizer"], packed)
        return TrainState(packed, slots, np.asarray(False))

    def apply(self, samples: Samples, key: Any = None, stop_gradient_at: Any = None) -> Outputs:
        return outputs(self.architecture, self.weights(), samples, self.hp, key, stop_gradient_at)

    def gradient(self, samples: Samples, epoch: int = 0) -> dict[str, Any]:
        """Of the sum of the samples' losses, as a tree: what a step adds up."""
        given = self.architecture, self.hp, self.weights(), samples, jnp.int32(epoch)
        return jax.tree.map(np.asarray, gradient_of(*given))


@jit_by_architecture
def outputs(
    architecture: Architecture,
    weights: Any,
    samples: Samples,
    hp: Any,
    key: Any,
    stop_gradient_at: Any,
) -> Any:
    network, x = RecurrentNetwork(architecture), jnp.asarray(samples.inputs)
    variables, lengths = {"params": weights}, jnp.asarray(samples.lengths)
    out = network.apply(variables, x, lengths, hp, key, stop_gradient_at)
    assert isinstance(out, Outputs)
    return out


@jit_by_architecture
def gradient_of(
    architecture: Architecture, hp: Any, weights: Any, samples: Samples, epoch: Any
) -> Any:
    step = Step(architecture, TASK, Update(("sgd",), Packing(architecture.shapes())))
    grad = jax.grad(step._loss, has_aux=True)
    return grad(weights, hp, samples, jax.random.key(0), epoch)[0]


def alone(values: dict[str, Any], seed: int = 3) -> SingleMember:
    configuration = complete(values)
    return SingleMember(configuration, architecture_of(configuration, SPEC), seed)


def among(
    values: dict[str, Any], others: Sequence[dict[str, Any]] = (), width: int = 16
) -> SingleMember:
    """The same member in arrays of `width` units, with the code and the layers of the others."""
    members = [complete(member) for member in (values, *others)]
    architecture = merged(members, SPEC, width, MICROBATCH)
    return replace(alone(values), architecture=architecture)


def sequences(count: int, seed: int = 0, time: int = TIME, even: bool = False) -> Samples:
    """Random, of true lengths from 1 to `time`, at least one of them whole."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(count, time, SPEC.inputs)).astype(np.float32)
    lengths = np.full(count, time) if even else rng.integers(1, time + 1, count)
    lengths[-1] = time
    labels = rng.integers(0, SPEC.outputs, count)
    return Samples(inputs, labels.astype(np.int32), lengths.astype(np.int32))


def assert_close(ours: Any, theirs: Any, rtol: float = 1e-5, atol: float = 1e-6) -> None:
    """Trees, leaf by leaf."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(
        lambda one, two: np.testing.assert_allclose(one, two, rtol=rtol, atol=atol), ours, theirs
    )
