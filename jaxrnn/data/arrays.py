"""Arrays as users have them: checked once, and refused with a sentence."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxrnn.data.records import Sequences


def step_mask(lengths: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Mark the steps that are no padding, `(samples, time)` bool."""
    return np.arange(x.shape[1]) < lengths[:, None]


def pad_time(x: np.ndarray, time: int) -> np.ndarray:
    """Pad samples `(samples, steps, ...)` with 0 behind them, up to `time` steps."""
    return np.pad(x, [(0, 0), (0, time - x.shape[1])] + [(0, 0)] * (x.ndim - 2))


def pad_sequences(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Stack arrays `(time_i, ...)` of equal features as `(samples, time, ...)`; 0 behind each."""
    shape = len(arrays), max(len(array) for array in arrays), *arrays[0].shape[1:]
    stacked = np.zeros(shape, np.result_type(*{array.dtype for array in arrays}))
    for row, array in zip(stacked, arrays, strict=True):
        row[: len(array)] = array
    return stacked


def check_samples(name: str, inputs: Any, targets: Any, lengths: Any = None) -> Sequences:
    """Check inputs, targets and lengths, and make a record of them.

    Args:
        name: Name of the samples in a message, and of the record.
        inputs: Inputs as `check_inputs` takes them.
        targets: Targets as `check_targets` takes them.
        lengths: True steps of each sample, `(samples,)`; all steps by default.

    Raises:
        ValueError: Arrays are refused, or don't fit each other.
    """
    x, true = check_inputs(name, inputs, lengths)
    return Sequences(name, x, true, check_targets(name, targets, len(x)))


def unpack_samples(name: str, arrays: Any) -> Sequences:
    """Check (inputs, targets) or (inputs, targets, lengths), and make a record of them.

    Raises:
        ValueError: There are no two or three arrays, or they are refused as by `check_samples`.
    """
    if not isinstance(arrays, tuple | list) or len(arrays) not in (2, 3):
        raise ValueError(
            f"`{name}` is a {type(arrays).__name__}, but must be (inputs, targets) or "
            "(inputs, targets, lengths)."
        )
    return check_samples(name, *arrays)


def check_inputs(name: str, inputs: Any, lengths: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Check inputs and lengths, and return both as arrays.

    Args:
        name: Name of the inputs in a message.
        inputs: `(samples, time, features)`, or a list of arrays `(time_i, features)`.
        lengths: True steps of each sample, `(samples,)`; all steps by default.

    Returns:
        Inputs `(samples, time, features)` and int32 true lengths `(samples,)`.

    Raises:
        ValueError: Inputs are no finite numbers `(samples, time, features)` within the lengths, or
            lengths are not one whole number from 1 to time per sample.
    """
    if lengths is None and _is_list_of_arrays(inputs):
        inputs, lengths = _join(name, inputs)
    x = _array(name, "inputs", inputs)
    if x.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` inputs are {x.dtype}, but must be real numbers.")
    if x.ndim != 3 or 0 in x.shape:
        hint = "; add `[..., None]` for a single feature" if x.ndim == 2 else ", none of them 0"
        raise ValueError(
            f"`{name}` inputs have the shape {x.shape}, but must be (samples, time, features)"
            f"{hint}."
        )
    true = _lengths(name, x, lengths)
    strange = ~np.isfinite(x).all(-1) & step_mask(true, x)
    if strange.any():
        sample = int(strange.any(1).argmax())
        raise ValueError(f"`{name}` inputs must be finite, but sample {sample} holds NaN or inf.")
    return x, true


def _is_list_of_arrays(inputs: Any) -> bool:
    return isinstance(inputs, list | tuple) and hasattr(next(iter(inputs), None), "__array__")


def _join(name: str, arrays: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    arrays = [np.asarray(array) for array in arrays]
    for sample, array in enumerate(arrays):
        if array.ndim != 2 or array.shape[1:] != arrays[0].shape[1:] or array.dtype.kind in "OSU":
            raise ValueError(
                f"`{name}` inputs are a list whose sample {sample} is {array.dtype} of the shape "
                f"{array.shape}, but must be numbers (time, features), with equal features."
            )
    return pad_sequences(arrays), np.array([len(array) for array in arrays])


def _array(name: str, what: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise ValueError(f"`{name}` {what} must be an array: {error}") from error


def _lengths(name: str, x: np.ndarray, lengths: Any) -> np.ndarray:
    true = _array(name, "lengths", np.full(len(x), x.shape[1]) if lengths is None else lengths)
    if true.shape != x.shape[:1] or true.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` lengths are {true.dtype} of the shape {true.shape}, but must be a whole "
            f"number per sample: {x.shape[:1]}."
        )
    if true.min() < 1 or true.max() > x.shape[1]:
        raise ValueError(
            f"`{name}` lengths are from {true.min()} to {true.max()}, but must be from 1 to "
            f"{x.shape[1]}, the time steps."
        )
    return true.astype(np.int32)


def check_targets(name: str, targets: Any, samples: int) -> np.ndarray:
    """Check labels or values, and return them as an array; text becomes NumPy's text.

    Args:
        name: Name of the targets in a message.
        targets: `(samples,)` or `(samples, ...)`.
        samples: Number of samples.

    Raises:
        ValueError: Targets are no finite numbers or text, or not as many as samples.
    """
    y = _array(name, "targets", targets)
    if y.ndim not in (1, 2) or len(y) != samples:
        raise ValueError(
            f"`{name}` targets have the shape {y.shape}, but must be one per sample, ({samples},), "
            f"or some per sample, ({samples}, ...)."
        )
    if y.dtype.kind in "OS":  # as pandas and C-minded files hold text
        text = [
            label.decode(errors="replace") if isinstance(label, bytes) else label
            for label in y.ravel().tolist()
        ]
        y = np.array(text).reshape(y.shape)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError(f"`{name}` targets must not be NaN or inf.")
    if y.dtype.kind not in "iubfU":
        raise ValueError(f"`{name}` targets are {y.dtype}, but must be numbers or strings.")
    return y


def check_consistent(samples: Sequences, first: Sequences) -> None:
    """Refuse samples that differ from the first ones in anything but number and time.

    Raises:
        ValueError: Features, or the kind or number of targets, differ.
    """
    name, x, y = samples.name, samples.inputs, samples.targets
    features, expected = first.inputs.shape[2], first.targets
    if x.shape[2] != features:
        raise ValueError(
            f"`{name}` inputs have {x.shape[2]} features, but must have {features}, as `train` has."
        )
    if y.ndim != expected.ndim or (y.dtype.kind == "U") != (expected.dtype.kind == "U"):
        raise ValueError(
            f"`{name}` targets are {y.dtype} of the shape {y.shape}, but must be like those of "
            f"`train`: {expected.dtype} of the shape {expected.shape}."
        )
    if y.shape[1:] != expected.shape[1:] and not (samples.per_step and first.per_step):
        raise ValueError(
            f"`{name}` targets are {y.shape[1]} per sample, but must be {expected.shape[1]}, as "
            "`train` has."
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that is no whole number from 0 to 2**32 - 1."""
    if not isinstance(seed, int | np.integer):
        raise ValueError(f"`seed` is {seed!r}, but must be a whole number.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"`seed` is {seed}, but must be from 0 to {2**32 - 1}.")
