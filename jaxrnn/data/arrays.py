"""Arrays as people give them: refused with a sentence where they can't be sequences."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Checked: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Inputs `(samples, time, features)`, targets `(samples, ...)` and true lengths `(samples,)`."""


def step_mask(lengths: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Steps that are no padding, `(samples, time)` bool."""
    return np.arange(x.shape[1]) < lengths[:, None]


def pad_time(x: np.ndarray, time: int) -> np.ndarray:
    """Samples `(samples, time, ...)` with 0 behind them up to `time` steps."""
    return np.pad(x, [(0, 0), (0, time - x.shape[1])] + [(0, 0)] * (x.ndim - 2))


def pad_sequences(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays `(time_i, ...)`, alike otherwise, as one `(samples, time, ...)`; 0 behind each."""
    shape = len(arrays), max(len(array) for array in arrays), *arrays[0].shape[1:]
    together = np.zeros(shape, np.result_type(*{array.dtype for array in arrays}))
    for row, array in zip(together, arrays, strict=True):
        row[: len(array)] = array
    return together


def check_inputs(key: str, inputs: Any, lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Inputs as an array with true lengths, if they fit each other.

    Args:
        key: What to call them in a message.
        inputs: `(samples, time, features)`, or a list of arrays `(time_i, features)`.
        lengths: True steps of each, `(samples,)`; all steps by default.

    Raises:
        ValueError: Inputs that are no finite numbers `(samples, time, features)` within the
            lengths, or lengths that are not one whole number from 1 to time per sample.
    """
    if lengths is None and _is_list_of_arrays(inputs):
        inputs, lengths = _join(key, inputs)
    x = _array(key, "inputs", inputs)
    if x.dtype.kind not in "biuf":
        raise ValueError(f"`{key}` inputs are {x.dtype}, but must be real numbers.")
    if x.ndim != 3 or 0 in x.shape:
        hint = "; add `[..., None]` for a single feature" if x.ndim == 2 else ", none of them 0"
        raise ValueError(
            f"`{key}` inputs have the shape {x.shape}, but must be (samples, time, features){hint}."
        )
    true = _lengths(key, x, lengths)
    strange = ~np.isfinite(x).all(-1) & step_mask(true, x)
    if strange.any():
        sample = int(strange.any(1).argmax())
        raise ValueError(f"`{key}` inputs must be finite, but sample {sample} holds NaN or inf.")
    return x, true


def _is_list_of_arrays(inputs: Any) -> bool:
    return isinstance(inputs, list | tuple) and hasattr(next(iter(inputs), None), "__array__")


def _join(key: str, arrays: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    arrays = [np.asarray(array) for array in arrays]
    for sample, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1:] != arrays[0].shape[1:] or array.dtype.kind in "OSU":
            raise ValueError(
                f"`{key}` inputs are a list whose sample {sample} is {array.dtype} of the shape "
                f"{array.shape}, but must be numbers (time, features), with equal features."
            )
    return pad_sequences(arrays), np.array([len(array) for array in arrays])


def _array(key: str, what: str, given: Any) -> np.ndarray:
    try:
        return np.asarray(given)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"`{key}` {what} must be an array: {error}") from error


def _lengths(key: str, x: np.ndarray, lengths: Any) -> np.ndarray:
    true = _array(key, "lengths", np.full(len(x), x.shape[1]) if lengths is None else lengths)
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
    return true.astype(np.int32)


def check_targets(key: str, targets: Any, samples: int) -> np.ndarray:
    """Labels or values as an array, `(samples,)` or `(samples, ...)`; text as NumPy's text.

    Raises:
        ValueError: Targets that are no finite numbers or text, or not as many as samples.
    """
    y = _array(key, "targets", targets)
    if y.ndim not in (1, 2) or len(y) != samples:
        raise ValueError(
            f"`{key}` targets have the shape {y.shape}, but must be one per sample, ({samples},), "
            f"or some per sample, ({samples}, ...)."
        )
    if y.dtype.kind in "OS":  # as pandas and C-minded files hold text
        text = [
            one.decode(errors="replace") if isinstance(one, bytes) else one
            for one in y.ravel().tolist()
        ]
        y = np.array(text).reshape(y.shape)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"`{key}` targets must not be NaN or inf.")
    if y.dtype.kind not in "iubfU":
        raise ValueError(f"`{key}` targets are {y.dtype}, but must be numbers or strings.")
    return y


def check_samples(key: str, inputs: Any, targets: Any, lengths: Any = None) -> Checked:
    """Inputs, targets and lengths that fit each other; see `check_inputs`, `check_targets`."""
    x, true = check_inputs(key, inputs, lengths)
    return x, check_targets(key, targets, len(x)), true


def check_consistent(key: str, one: Checked, first: Checked) -> None:
    """Refuse samples that differ from the first ones in anything but number and time."""
    (x, y, _), (own, due, _) = one, first
    if x.shape[2] != own.shape[2]:
        raise ValueError(
            f"`{key}` inputs have {x.shape[2]} features, but must have {own.shape[2]}, as `train` "
            "has."
        )
    if y.ndim != due.ndim or (y.dtype.kind == "U") != (due.dtype.kind == "U"):
        raise ValueError(
            f"`{key}` targets are {y.dtype} of the shape {y.shape}, but must be like those of "
            f"`train`: {due.dtype} of the shape {due.shape}."
        )
    per_step = y.shape[1:] == x.shape[1:2] and due.shape[1:] == own.shape[1:2]
    if y.shape[1:] != due.shape[1:] and not per_step:
        raise ValueError(
            f"`{key}` targets are {y.shape[1]} per sample, but must be {due.shape[1]}, as "
            "`train` has."
        )


def check_seed(seed: int) -> None:
    """Accept a seed of 32 bits."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"`seed` is {seed}, but must be from 0 to {2**32 - 1}.")
