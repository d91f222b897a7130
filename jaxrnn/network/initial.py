"""First weights of a member, drawn on the host at its true width, then padded with zeros.

On the host because every width would otherwise be a program of its own, and because batched QR
factorisations inside one compiled program can hang on a CPU (JAX 0.10).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxrnn.configuration.initialisers import INITIALISERS
from jaxrnn.network.architecture import Architecture
from jaxrnn.types import Shape

Layers = dict[str, dict[str, np.ndarray]]
"""Parameters on the host: layer, name, array."""
Shapes = Mapping[str, Mapping[str, Shape]]
FORGET = {"lstm": 1, "gru": 1}
"""The gate that keeps memory: f of i, f, g, o, and z of r, z, n."""


def init(architecture: Architecture, entries: Mapping[str, Any], seed: int) -> Layers:
    """First parameters of one member: float32 arrays of its true sizes.

    Args:
        architecture: Of the member alone.
        entries: Its complete configuration.
        seed: The trial's seed; the same seed draws the same weights, whatever the padding.
    """
    rng = np.random.default_rng(seed)
    return {
        layer: {
            name: _first(rng, layer, name, shape, entries).astype(np.float32)
            for name, shape in shapes.items()
        }
        for layer, shapes in architecture.shapes().items()
    }


def _first(
    rng: np.random.Generator, layer: str, name: str, shape: Shape, entries: Mapping[str, Any]
) -> np.ndarray:
    if name.endswith("kernel"):
        which = "recurrent" if name == "recurrent_kernel" else "kernel"
        gates = shape if len(shape) == 3 else (shape[0], 1, shape[1])
        drawn = INITIALISERS[entries[f"{which}_init"]](rng, gates)
        return entries[f"{which}_scale"] * drawn.reshape(shape)
    if name == "embedding":
        table = rng.normal(size=shape)
        table[0] = 0.0  # the unknown token, which training never meets
        return table
    if name.endswith("scale"):
        return np.ones(shape)
    value = np.zeros(shape)
    if name == "bias" and layer.startswith("layer") and entries["cell"] in FORGET:
        value[FORGET[entries["cell"]]] = entries["forget_bias"]
    return value


def pad(weights: Layers, shapes: Shapes) -> Layers:
    """The same weights with zeros behind them, up to `shapes`; what a member lacks is all zeros."""
    padded = {
        layer: {name: np.zeros(shape, np.float32) for name, shape in named.items()}
        for layer, named in shapes.items()
    }
    for layer, named in weights.items():
        for name, value in named.items():
            padded[layer][name][tuple(map(slice, value.shape))] = value
    return padded


def trim(weights: Layers, shapes: Shapes) -> Layers:
    """The inverse of `pad`: the leading part of every array, of the size in `shapes`."""
    return {
        layer: {name: weights[layer][name][tuple(map(slice, shape))] for name, shape in own.items()}
        for layer, own in shapes.items()
    }
