"""All parameters of a member as two long vectors: those that decay, and those that never do.

Optimizers, clipping, accumulation and copies treat every weight alike. On two vectors they are a
few operations, on a tree of forty small arrays hundreds, each compiled and started by itself.
"""

from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.optimizers import decays
from jaxrnn.types import AnyArray, Parameters, Shape


class Packed(NamedTuple):
    """Parameters, or anything of their shape such as gradients.

    Attributes:
        kernels: All kernels, `(kernel_weights,)`.
        others: Biases, scales, initial states and embeddings, `(other_weights,)`.
    """

    kernels: AnyArray
    others: AnyArray


class Packing:
    """The layout of a tree's arrays in the two vectors."""

    def __init__(self, shapes: Mapping[str, Mapping[str, Shape]]) -> None:
        """Lay out a tree of `shapes`, by layer and name."""
        self.shapes = shapes
        self._places: dict[tuple[str, str], tuple[bool, slice, Shape]] = {}
        ends = {True: 0, False: 0}
        for layer, named in shapes.items():
            for name, shape in named.items():
                kind = decays(name)
                begin, ends[kind] = ends[kind], ends[kind] + int(np.prod(shape))
                self._places[layer, name] = kind, slice(begin, ends[kind]), shape
        self.sizes = Packed(ends[True], ends[False])

    def pack(self, tree: Parameters) -> Packed:
        """Concatenate the arrays of `tree`, on the host if they are NumPy arrays."""
        parts: dict[bool, list[AnyArray]] = {True: [], False: []}
        for (layer, name), (kind, _, _) in self._places.items():
            parts[kind].append(tree[layer][name].reshape(-1))
        on_host = all(isinstance(part, np.ndarray) for part in parts[True])
        join = np.concatenate if on_host else jnp.concatenate
        return Packed(join(parts[True]), join(parts[False]))

    def unpack(self, packed: Packed) -> Parameters:
        """Undo `pack`."""
        tree: Parameters = {layer: {} for layer in self.shapes}
        for (layer, name), (kind, place, shape) in self._places.items():
            vector = packed.kernels if kind else packed.others
            tree[layer][name] = vector[place].reshape(shape)
        return tree
