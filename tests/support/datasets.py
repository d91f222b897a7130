"""Classification data small enough to train in a second: even, or of different lengths."""

import numpy as np

TIME, FEATURES = 6, 3


def sequences(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise whose label says which third of the sequence is largest, but for one label in four.

    Learnable, though no loss comes near zero, where relative errors would mean nothing.
    """
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(samples, TIME, FEATURES)).astype(np.float32)
    thirds = inputs.reshape(samples, 3, TIME // 3, FEATURES).sum((2, 3))
    labels = thirds.argmax(1)
    return inputs, np.where(rng.random(samples) < 0.25, rng.integers(0, 3, samples), labels)


def uneven(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same with true lengths from 2 to all steps, and NaN behind them."""
    inputs, labels = sequences(samples, seed)
    lengths = np.random.default_rng(seed + 100).integers(2, TIME + 1, samples)
    inputs[np.arange(TIME) >= lengths[:, None]] = np.nan
    return inputs, labels, lengths
