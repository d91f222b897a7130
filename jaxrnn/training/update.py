"""The update from gradients to parameters: penalty, clipping, then the member's optimizer.

It is built once for a cohort. Every optimizer is Optax's, behind `inject_hyperparams`. A member in
a row of one lane runs only its own optimizer; under `vmap` all run, and one is selected. Their
states share slots: two moments and a count are enough for all that are built in.

Every weight is updated at every update, also rows of an embedding whose tokens did not occur.
Without gradients such rows stay the same by `sgd` and `adagrad`; by all others they still move with
their momentum, or their second moments decay. To leave them out until their tokens occur again
would be another optimizer.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.configuration.optimizers import OPTIMIZERS, arguments, injectable, kernels
from jaxrnn.network.packing import Packed, Packing
from jaxrnn.types import AnyArray, Array, Shape

Slots: TypeAlias = tuple[AnyArray, ...]
"""Leaves of one optimizer's state, in arrays that other optimizers share."""
Kind: TypeAlias = tuple[Shape, Any]


class Optimizer(NamedTuple):
    """An optimizer that occurs in a cohort.

    Attributes:
        name: Name, see `jaxrnn.configuration.optimizers`.
        transformation: Transformation of Optax, with injectable hyperparameters.
        packed: Whether it sees packed parameters; others may look at single arrays.
        structure: Tree structure of its state.
        slots: Indices of its state's leaves among the slots.
    """

    name: str
    transformation: optax.GradientTransformationExtraArgs
    packed: bool
    structure: Any
    slots: list[int]


class Update:
    """The updates of members whose optimizers are among some names."""

    def __init__(self, names: Sequence[str], packing: Packing) -> None:
        """Lay out the slots.

        Args:
            names: Names, see `jaxrnn.configuration.optimizers`.
            packing: Packing of the parameters.
        """
        self.packing = packing
        self._kinds: list[Kind] = []
        self._optimizers = [self._optimizer(name) for name in names]

    def _optimizer(self, name: str) -> Optimizer:
        transformation, packed = injectable(name), name in OPTIMIZERS
        vectors = Packed(*(jax.ShapeDtypeStruct((n,), jnp.float32) for n in self.packing.sizes))
        like = vectors if packed else jax.eval_shape(self.packing.unpack, vectors)
        state: Any = jax.eval_shape(transformation.init, like)
        leaves, structure = jax.tree.flatten(state.inner_state)
        slots = _assign_slots([(leaf.shape, leaf.dtype) for leaf in leaves], self._kinds)
        return Optimizer(name, transformation, packed, structure, slots)

    def init(self, name: str, parameters: Packed) -> Slots:
        """Return the first state of the optimizer `name`, on the host."""
        slots = [np.zeros(shape, dtype) for shape, dtype in self._kinds]
        (optimizer,) = (known for known in self._optimizers if known.name == name)
        if not optimizer.packed:  # those that are built in start from zeros
            state: Any = optimizer.transformation.init(self.packing.unpack(parameters))
            leaves = jax.tree.leaves(state.inner_state)
            for slot, leaf in zip(optimizer.slots, leaves, strict=True):
                slots[slot] = np.asarray(leaf)
        return tuple(slots)

    def __call__(
        self,
        gradients: Packed,
        opt_state: Slots,
        parameters: Packed,
        hp: Hyperparameters,
        learning_rate: Array,
    ) -> tuple[Packed, Slots]:
        """Return what to add to the parameters, and the optimizer's next state."""
        before = optax.chain(
            optax.add_decayed_weights(hp.l2, mask=kernels),
            optax.clip(hp.clip_value),
            optax.clip_by_global_norm(hp.clip_norm),
        )
        clipped, _ = before.update(gradients, before.init(parameters), parameters)

        def branch(optimizer: Optimizer) -> Any:
            def update(clipped: Packed, opt_state: Slots) -> tuple[Packed, Slots]:
                return self._update(optimizer, clipped, opt_state, parameters, hp, learning_rate)

            return update

        branches = [branch(optimizer) for optimizer in self._optimizers]
        if len(branches) == 1:
            return branches[0](clipped, opt_state)
        return jax.lax.switch(hp.optimizer, branches, clipped, opt_state)

    def _update(
        self,
        optimizer: Optimizer,
        gradients: Packed,
        opt_state: Slots,
        parameters: Packed,
        hp: Hyperparameters,
        learning_rate: Array,
    ) -> tuple[Packed, Slots]:
        hyperparams = {name: getattr(hp, name) for name in arguments(optimizer.name)}
        state = optax.InjectStatefulHyperparamsState(
            count=jnp.zeros((), jnp.int32),
            hyperparams={"learning_rate": learning_rate, **hyperparams},
            hyperparams_states={},
            inner_state=jax.tree.unflatten(
                optimizer.structure, [opt_state[slot] for slot in optimizer.slots]
            ),
        )
        updates: Any
        if optimizer.packed:
            updates, new = optimizer.transformation.update(gradients, state, parameters)
        else:
            trees = self.packing.unpack(gradients), state, self.packing.unpack(parameters)
            updates, new = optimizer.transformation.update(*trees)
            updates = self.packing.pack(updates)
        assert isinstance(new, optax.InjectStatefulHyperparamsState)
        slots = list(opt_state)
        for slot, leaf in zip(optimizer.slots, jax.tree.leaves(new.inner_state), strict=True):
            slots[slot] = leaf
        return updates, tuple(slots)


def _assign_slots(leaves: Sequence[Kind], kinds: list[Kind]) -> list[int]:
    """Return a slot of the same shape and type for each leaf; `kinds` grows where none is free."""
    slots: list[int] = []
    for kind in leaves:
        free = [k for k, known in enumerate(kinds) if known == kind and k not in slots]
        if not free:
            kinds.append(kind)
        slots.append(free[0] if free else len(kinds) - 1)
    return slots
