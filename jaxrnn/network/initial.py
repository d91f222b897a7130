"""First weights of a member are drawn on the host at its true width, then padded with zeros.

They are drawn on the host because every width would otherwise be a program of its own, and because
batched QR factorisations inside one compiled program can hang on a CPU (JAX 0.10).
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
FORGET_GATE = {"lstm": 1, "gru": 1}
"""Index of the gate that keeps the state: f of i, f, g, o, and z of r, z, n."""


def init(architecture: Architecture, configuration: Mapping[str, Any], seed: int) -> Layers:
    """Draw the first parameters of one member.

    Args:
        architecture: Architecture of the member alone.
        configuration: Complete configuration of the member.
        seed: Seed of the trial; the same seed draws the same weights, whatever the padding.

    Returns:
        Arrays of float32 in their true sizes.
    """
    rng = np.random.default_rng(seed)
    return {
        layer: {
            name: _first(rng, layer, name, shape, configuration).astype(np.float32)
            for name, shape in shapes.items()
        }
        for layer, shapes in architecture.shapes().items()
    }


def _first(
    rng: np.random.Generator, layer: str, name: str, shape: Shape, configuration: Mapping[str, Any]
) -> np.ndarray:
    if name.endswith("kernel"):
        which = "recurrent" if name == "recurrent_kernel" else "kernel"
        gates = shape if len(shape) == 3 else (shape[0], 1, shape[1])
        kernel = INITIALISERS[configuration[f"{which}_init"]](rng, gates)
        return configuration[f"{which}_scale"] * kernel.reshape(shape)
    if name == "embedding":
        table = rng.normal(size=shape)
        table[0] = 0.0  # the unknown token, which training never meets
        return table
    if name.endswith("scale"):
        return np.ones(shape)
    value = np.zeros(shape)
    if name == "bias" and layer.startswith("layer") and configuration["cell"] in FORGET_GATE:
        value[FORGET_GATE[configuration["cell"]]] = configuration["forget_bias"]
    return value


def pad(weights: Layers, shapes: Shapes) -> Layers:
    """Fill weights up with zeros to `shapes`; layers that a member lacks are all zeros."""
    padded = {
        layer: {name: np.zeros(shape, np.float32) for name, shape in named.items()}
        for layer, named in shapes.items()
    }
    for layer, named in weights.items():
        for name, value in named.items():
            padded[layer][name][tuple(map(slice, value.shape))] = value
    return padded


def trim(weights: Layers, shapes: Shapes) -> Layers:
    """Undo `pad`: cut every array to its leading part of the size in `shapes`."""
    return {
        layer: {
            name: weights[layer][name][tuple(map(slice, shape))] for name, shape in named.items()
        }
        for layer, named in shapes.items()
    }
