"""The step from gradients to parameters: penalty, clipping, then the member's own optimizer.

Built once for a cohort. Every optimizer that occurs in it is Optax's, behind `inject_hyperparams`.
A member that is alone in its row runs its own alone; under `vmap` all run, and its own is selected.
Their states share slots: two moments and a count are enough for all that are built in.
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
"""Leaves of one optimizer's state, in places where other optimizers keep theirs."""
Kind: TypeAlias = tuple[Shape, Any]


class Optimizer(NamedTuple):
    """One of those that a cohort chooses from.

    Attributes:
        name: See `jaxrnn.configuration.optimizers`.
        transformation: Optax's, with its numbers injectable.
        packed: Whether it sees packed parameters; others may look at single arrays.
        structure: Of its state.
        places: Of its state's leaves among the slots.
    """

    name: str
    transformation: optax.GradientTransformationExtraArgs
    packed: bool
    structure: Any
    places: list[int]


class Update:
    """The updates of members whose optimizers are among some names."""

    def __init__(self, names: Sequence[str], packing: Packing) -> None:
        """Lay out the slots.

        Args:
            names: See `jaxrnn.configuration.optimizers`.
            packing: Of the parameters.
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
        places = _take_places([(leaf.shape, leaf.dtype) for leaf in leaves], self._kinds)
        return Optimizer(name, transformation, packed, structure, places)

    def init(self, name: str, parameters: Packed) -> Slots:
        """The first state of the optimizer `name`, on the host."""
        slots = [np.zeros(shape, dtype) for shape, dtype in self._kinds]
        (own,) = (one for one in self._optimizers if one.name == name)
        if not own.packed:  # those that are built in start from zeros
            state: Any = own.transformation.init(self.packing.unpack(parameters))
            for place, leaf in zip(own.places, jax.tree.leaves(state.inner_state), strict=True):
                slots[place] = np.asarray(leaf)
        return tuple(slots)

    def __call__(
        self,
        gradients: Packed,
        opt_state: Slots,
        parameters: Packed,
        hp: Hyperparameters,
        learning_rate: Array,
    ) -> tuple[Packed, Slots]:
        """What to add to the parameters, and the optimizer's next state."""
        before = optax.chain(
            optax.add_decayed_weights(hp.l2, mask=kernels),
            optax.clip(hp.clip_value),
            optax.clip_by_global_norm(hp.clip_norm),
        )
        clipped, _ = before.update(gradients, before.init(parameters), parameters)

        def branch(own: Optimizer) -> Any:
            def one(clipped: Packed, opt_state: Slots) -> tuple[Packed, Slots]:
                return self._one(own, clipped, opt_state, parameters, hp, learning_rate)

            return one

        branches = [branch(own) for own in self._optimizers]
        if len(branches) == 1:
            return branches[0](clipped, opt_state)
        return jax.lax.switch(hp.optimizer, branches, clipped, opt_state)

    def _one(
        self,
        own: Optimizer,
        gradients: Packed,
        opt_state: Slots,
        parameters: Packed,
        hp: Hyperparameters,
        learning_rate: Array,
    ) -> tuple[Packed, Slots]:
        hyperparams = {name: getattr(hp, name) for name in arguments(own.name)}
        state = optax.InjectStatefulHyperparamsState(
            count=jnp.zeros((), jnp.int32),
            hyperparams={"learning_rate": learning_rate, **hyperparams},
            hyperparams_states={},
            inner_state=jax.tree.unflatten(
                own.structure, [opt_state[place] for place in own.places]
            ),
        )
        updates: Any
        if own.packed:
            updates, new = own.transformation.update(gradients, state, parameters)
        else:
            trees = self.packing.unpack(gradients), state, self.packing.unpack(parameters)
            updates, new = own.transformation.update(*trees)
            updates = self.packing.pack(updates)
        assert isinstance(new, optax.InjectStatefulHyperparamsState)
        filled = list(opt_state)
        for place, leaf in zip(own.places, jax.tree.leaves(new.inner_state), strict=True):
            filled[place] = leaf
        return updates, tuple(filled)


def _take_places(wanted: Sequence[Kind], kinds: list[Kind]) -> list[int]:
    """A slot for each wanted leaf, of the same shape and type; `kinds` grows where none is free."""
    places: list[int] = []
    for kind in wanted:
        free = [k for k, known in enumerate(kinds) if known == kind and k not in places]
        if not free:
            kinds.append(kind)
        places.append(free[0] if free else len(kinds) - 1)
    return places
