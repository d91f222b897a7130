"""Arrays as people give them: refused with a sentence where they can't be sequences."""

from typing import Any

import numpy as np


def true_steps(lengths: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Steps that are no padding, `(samples, time)` bool."""
    return np.arange(x.shape[1]) < lengths[:, None]


def check_inputs(key: str, inputs: Any, lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Inputs as an array with true lengths, if they fit each other.

    Raises:
        ValueError: Inputs that are no finite numbers `(samples, time, features)` within the
            lengths, or lengths that are not one whole number from 1 to time per sample.
    """
    x = np.asarray(inputs)
    if x.dtype.kind not in "biuf":
        raise ValueError(f"`{key}` inputs are {x.dtype}, but must be real numbers.")
    if x.ndim != 3 or 0 in x.shape:
        hint = "; add `[..., None]` for a single feature" if x.ndim == 2 else ", none of them 0"
        raise ValueError(
            f"`{key}` inputs have the shape {x.shape}, but must be (samples, time, features){hint}."
        )
    true = np.full(len(x), x.shape[1]) if lengths is None else np.asarray(lengths)
    if true.shape != x.shape[:1] or true.dtype.kind not in "iu":
        raise ValueError(
            f"`{key}` lengths are {true.dtype} of the shape {true.shape}, but must be a whole "
            f"number per sample: {x.shape[:1]}."
        )
    if true.min() < 1 or true.max() > x.shape[1]:
        raise ValueError(
            f"`{key}` lengths are from {true.min()} to {true.max()}, but must be from 1 to "
            f"{x.shape[1]}, the time steps."
        )
    strange = ~np.isfinite(x) & true_steps(true, x)[..., None]
    if strange.any():
        sample = int(np.argwhere(strange)[0, 0])
        raise ValueError(f"`{key}` inputs must be finite, but sample {sample} holds NaN or inf.")
    return x, true.astype(np.int32)


def check_samples(
    key: str, inputs: Any, labels: Any, lengths: Any = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, labels and true lengths as arrays, if they fit each other.

    Raises:
        ValueError: As `check_inputs`, or labels that are not one number or string per sample.
    """
    try:
        (x, true), y = check_inputs(key, inputs, lengths), np.asarray(labels)
    except ValueError as error:
        if str(error).startswith("`"):
            raise
        raise ValueError(f"`{key}` inputs and labels must be arrays: {error}") from error
    if y.shape != x.shape[:1]:
        raise ValueError(
            f"`{key}` labels have the shape {y.shape}, but must be one per sample: {x.shape[:1]}"
            f"{'; one-hot labels want `.argmax(-1)`' if y.ndim == 2 else ''}."
        )
    if y.dtype.kind in "OS":  # as pandas and C-minded files hold text
        y = np.array([one.decode() if isinstance(one, bytes) else one for one in y.tolist()])
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"`{key}` labels must not be NaN or inf.")
    if y.dtype.kind not in "iubfU":
        raise ValueError(f"`{key}` labels are {y.dtype}, but must be numbers or strings.")
    return x, y, true
