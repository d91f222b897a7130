"""The padding beyond a true size: where it is, and that it is zero."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxrnn.network import initial
from jaxrnn.network.architecture import Architecture, architecture_of
from jaxrnn.network.packing import Packed
from jaxrnn.population.planner import merge
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.update import Slots, Update

Tree = dict[str, Any]


def merged(
    members: Sequence[Mapping[str, Any]], spec: TaskSpec, width: int, microbatch: int
) -> Architecture:
    """The architecture that covers members of one cell, depth and direction."""
    return merge([architecture_of(member, spec, microbatch) for member in members], width)


def is_tree(value: Any) -> bool:
    return isinstance(value, (Packed, dict))


def own_state(update: Update, name: str, slots: Slots) -> Any:
    """What the optimizer `name` keeps among the slots."""
    (own,) = (one for one in update._optimizers if one.name == name)
    return jax.tree.unflatten(own.structure, [slots[slot] for slot in own.slots])


def moments(update: Update, name: str, slots: Slots) -> list[Tree]:
    """Those parts of it that have the shape of the parameters."""
    found = jax.tree.leaves(own_state(update, name, slots), is_leaf=is_tree)
    packing = update.packing
    unpacked = [packing.unpack(one) if isinstance(one, Packed) else one for one in found]
    return [one for one in unpacked if isinstance(one, dict)]


def padding(architecture: Architecture, true: Architecture) -> Tree:
    """True where a member of the sizes `true` has nothing."""
    shapes = true.shapes()
    ones = {
        layer: {name: np.ones(shape, np.float32) for name, shape in named.items()}
        for layer, named in shapes.items()
    }
    return jax.tree.map(lambda one: one == 0, initial.pad(ones, architecture.shapes()))


def check_padding(tree: Tree, padded: Tree, what: str, alive: float = 0.8) -> None:
    """Exactly zero where padded, and mostly not elsewhere, or the test could not fail."""
    for layer, named in tree.items():
        for name, value in named.items():
            assert not np.asarray(value)[padded[layer][name]].any(), (what, layer, name)
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(padded), strict=True)
    true = np.concatenate([np.asarray(value)[~pad] for value, pad in pairs])
    assert (true != 0).mean() > alive, (what, (true != 0).mean())
