"""First weights of a member, drawn on the host at its true width, then padded with zeros.

On the host because every width would otherwise be a program of its own, and because batched QR
factorisations inside one compiled program can hang on a CPU (JAX 0.10).
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from jaxrnn.cells import CELLS, Shape
from jaxrnn.network import Architecture

Layers = dict[str, dict[str, np.ndarray]]
"""Parameters on the host: layer, name, array."""


def lecun_normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Normal with variance 1 / inputs (LeCun et al. 1998); `shape` starts with the inputs."""
    return rng.standard_normal(shape) / np.sqrt(shape[0])


def orthogonal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """One orthogonal matrix per gate (Saxe et al. 2014); `shape` is `(units, gates, units)`."""
    units, gates, _ = shape
    q, r = np.linalg.qr(rng.standard_normal((gates, units, units)))
    signs = np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)
    return np.moveaxis(q * signs[:, None, :], 0, 1)


def draw(architecture: Architecture, hidden_size: int, seed: int) -> Layers:
    """First parameters of one member: float32 arrays of the true width `hidden_size`.

    Kernels are LeCun normal, recurrent kernels orthogonal per gate, biases the cell's own.

    Args:
        architecture: The member's; its `width` is not used.
        hidden_size: Units per layer of this member.
        seed: The trial's seed; the same seed draws the same weights, whatever the padding.
    """
    rng = np.random.default_rng(seed)
    bias = np.asarray(CELLS[architecture.cell].GATE_BIAS)
    weights: Layers = {}
    for layer, shapes in replace(architecture, width=hidden_size).shapes().items():
        drawn = {}
        for name, shape in shapes.items():
            if name == "recurrent_kernel":
                value = orthogonal(rng, shape)
            elif name.endswith("kernel"):
                value = lecun_normal(rng, shape)
            elif name == "bias" and layer != "head":
                value = np.broadcast_to(bias[:, None], shape)
            else:
                value = np.zeros(shape)
            drawn[name] = value.astype(np.float32)
        weights[layer] = drawn
    return weights


def pad(weights: Layers, shapes: Mapping[str, Mapping[str, Shape]]) -> Layers:
    """The same weights with zeros behind them, up to `shapes`."""
    return {
        layer: {
            name: np.pad(
                value, [(0, n - m) for n, m in zip(shapes[layer][name], value.shape, strict=True)]
            )
            for name, value in named.items()
        }
        for layer, named in weights.items()
    }


def trim(weights: Layers, shapes: Mapping[str, Mapping[str, Shape]]) -> Layers:
    """The inverse of `pad`: the leading part of every array, of the size in `shapes`."""
    return {
        layer: {
            name: value[tuple(slice(n) for n in shapes[layer][name])]
            for name, value in named.items()
        }
        for layer, named in weights.items()
    }
