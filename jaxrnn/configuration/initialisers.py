"""First values of kernels by name, drawn with NumPy on the host.

Each takes a generator and the shape `(inputs, gates, units)`, and treats every gate as a matrix
`(inputs, units)` of its own.
"""

from collections.abc import Callable

import numpy as np

from jaxrnn.types import Shape

Initialiser = Callable[[np.random.Generator, Shape], np.ndarray]
SCALE = 0.05
"""Limit of `uniform` and standard deviation of `normal`, as in Keras."""


def uniform(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw uniformly within -0.05 and 0.05."""
    return rng.uniform(-SCALE, SCALE, shape)


def normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw normally with standard deviation 0.05."""
    return SCALE * rng.standard_normal(shape)


def lecun_normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw normally with variance 1 / inputs (LeCun et al. 1998)."""
    return rng.standard_normal(shape) / np.sqrt(shape[0])


def glorot_uniform(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw uniformly with variance 2 / (inputs + units) (Glorot and Bengio 2010, also Xavier)."""
    limit = np.sqrt(6.0 / (shape[0] + shape[-1]))
    return rng.uniform(-limit, limit, shape)


def glorot_normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw normally with variance 2 / (inputs + units)."""
    return rng.standard_normal(shape) * np.sqrt(2.0 / (shape[0] + shape[-1]))


def he_uniform(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw uniformly with variance 2 / inputs (He et al. 2015)."""
    limit = np.sqrt(6.0 / shape[0])
    return rng.uniform(-limit, limit, shape)


def he_normal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw normally with variance 2 / inputs."""
    return rng.standard_normal(shape) * np.sqrt(2.0 / shape[0])


def orthogonal(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """Draw orthonormal rows or columns, whichever are fewer (Saxe et al. 2014)."""
    inputs, gates, units = shape
    tall = rng.standard_normal((gates, max(inputs, units), min(inputs, units)))
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diagonal(r, axis1=1, axis2=2) < 0, -1.0, 1.0)[:, None, :]
    return np.moveaxis(q if inputs >= units else np.swapaxes(q, 1, 2), 0, 1)


INITIALISERS: dict[str, Initialiser] = {
    "lecun_normal": lecun_normal,
    "uniform": uniform,
    "normal": normal,
    "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "orthogonal": orthogonal,
}
