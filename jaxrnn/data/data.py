"""Labelled sequences as arrays: checked, split, standardised."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from jaxrnn.data.arrays import check_samples, true_steps
from jaxrnn.network.architecture import Problem

BUILT_IN = ("digits",)
NPZ_SPLIT = ("X", "y")
NPZ_FIXED = ("X_train", "y_train", "X_validation", "y_validation", "X_test", "y_test")
FEWEST_PER_CLASS = 10
"""With fewer, a 70/15/15 split can leave a class out of validation or test."""


@dataclass(frozen=True)
class Split:
    """Some of the samples.

    Attributes:
        inputs: float32 `(samples, time, features)`, standardised; 0 behind the true length.
        labels: int32 `(samples,)`, indices into `Data.classes`.
        lengths: int32 `(samples,)`, true steps of each, from 1 to time.
    """

    inputs: np.ndarray
    labels: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Data:
    """One classification problem, ready to train on.

    Attributes:
        name: For the run folder.
        train: What gradients see.
        validation: What pruning and selection see.
        test: What the winner is scored on, once.
        classes: The labels as the user wrote them, sorted.
        mean: float64 `(features,)` of the training part, already subtracted everywhere.
        scale: float64 `(features,)`, its deviation, already divided by (1 where it is 0).
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    @property
    def problem(self) -> Problem:
        """What it asks of a network."""
        splits = self.train, self.validation, self.test
        differ = any((split.lengths < split.inputs.shape[1]).any() for split in splits)
        return Problem(len(self.mean), len(self.classes), differ)


def standardise(
    inputs: np.ndarray, lengths: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """Raw inputs as networks see them: subtracted and divided in double precision, then float32.

    What lies behind the true `lengths` becomes 0, whatever it was.
    """
    true = true_steps(lengths, inputs)[..., None]
    raw = np.where(true, inputs, 0.0)
    return np.where(true, (raw - mean.astype(np.float64)) / scale, 0.0).astype(np.float32)


def from_splits(
    train: tuple[Any, ...], validation: tuple[Any, ...], test: tuple[Any, ...], name: str = "arrays"
) -> Data:
    """Data with splits of your own, each (inputs, labels) or (inputs, labels, lengths).

    Args:
        train: Inputs `(samples, time, features)`, finite; labels `(samples,)`, numbers or strings;
            lengths `(samples,)`, true steps of each, what lies behind them being ignored.
        validation: Likewise, with no class that `train` lacks.
        test: Likewise.
        name: For the run folder.

    Raises:
        ValueError: Wrong rank, NaN, counts or shapes that disagree, a class unknown to `train`.
    """
    given = {"train": train, "validation": validation, "test": test}
    arrays = {key: check_samples(key, *parts) for key, parts in given.items()}
    inputs, labels, lengths = arrays["train"]
    classes = np.unique(labels)
    if len(classes) < 2:
        raise ValueError(f"`train` labels hold {len(classes)} class, but must hold at least 2.")
    steps = inputs[true_steps(lengths, inputs)]
    # In double precision: single precision sums of a million steps are off by whole units.
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = steps.mean(0, dtype=np.float64), steps.std(0, dtype=np.float64)
    scale = np.where(scale > 0, scale, 1.0)
    if not np.isfinite([mean, scale]).all():
        raise ValueError("`train` inputs are too large to standardise; rescale them.")
    splits = {}
    for key, (x, y, lengths) in arrays.items():
        if x.shape[1:] != inputs.shape[1:]:
            raise ValueError(
                f"`{key}` inputs are {x.shape[1:]} per sample, but must be {inputs.shape[1:]} "
                "(time, features) as in `train`."
            )
        strange = np.setdiff1d(y, classes)
        if len(strange):
            raise ValueError(
                f"`{key}` has the label {strange[0].item()!r}, but only labels of `train` are "
                f"allowed: {', '.join(repr(c.item()) for c in classes[:20])}."
            )
        indices = np.searchsorted(classes, y).astype(np.int32)
        x = standardise(x, lengths, mean, scale)
        splits[key] = Split(x, indices, lengths)
    return Data(name=name, classes=classes, mean=mean, scale=scale, **splits)


def from_arrays(
    inputs: Any, labels: Any, seed: int = 0, name: str = "arrays", lengths: Any = None
) -> Data:
    """Data split at random, 70/15/15 for train, validation and test, stratified by class.

    Args:
        inputs: `(samples, time, features)`, finite numbers.
        labels: `(samples,)`, at least 10 of each class.
        seed: Of the split, at least 0.
        name: For the run folder.
        lengths: `(samples,)`, true steps of each; all steps by default.

    Raises:
        ValueError: As `from_splits`, or a class with too few samples.
    """
    check_seed(seed)
    parts = check_samples("data", inputs, labels, lengths)
    y = parts[1]
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < FEWEST_PER_CLASS:
        rare = classes[counts.argmin()].item()
        raise ValueError(
            f"`labels` hold {counts.min()} of class {rare!r}, but a stratified split needs at "
            f"least {FEWEST_PER_CLASS} of each; give splits of your own for less."
        )
    rows = np.arange(len(y))
    train, rest = train_test_split(rows, test_size=0.3, random_state=seed, stratify=y)
    validation, test = train_test_split(rest, test_size=0.5, random_state=seed, stratify=y[rest])
    splits = (tuple(part[chosen] for part in parts) for chosen in (train, validation, test))
    return from_splits(*splits, name=name)


def digits(seed: int = 0) -> Data:
    """Scikit-learn's 1,797 scanned digits, each 8 rows (time) of 8 pixels (features), 10 classes.

    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (CC BY 4.0).
    """
    bunch: Any = load_digits()
    return from_arrays(bunch.images, bunch.target, seed, name="digits")


def load(source: str, seed: int = 0) -> Data:
    """Data by name (`digits`) or from a `.npz` file.

    Args:
        source: `digits`, or the path of a file that holds either `X` and `y`, or all of
            `X_train`, `y_train`, `X_validation`, `y_validation`, `X_test`, `y_test`; with
            `lengths`, or `lengths_train` and so on, where sequences differ in length.
        seed: Of the split, where the file has none.

    Raises:
        ValueError: Unknown name, missing or unreadable file, missing arrays, or unfit arrays.
    """
    if source == "digits":
        return digits(seed)
    path = Path(source)
    if path.suffix.lower() != ".npz":
        raise ValueError(
            f"`data` is {source!r}, but must be {', '.join(map(repr, BUILT_IN))} "
            "or the path of a .npz file."
        )
    arrays = _read_npz(path)
    if all(key in arrays for key in NPZ_FIXED):
        splits = (
            (arrays[f"X_{part}"], arrays[f"y_{part}"], arrays.get(f"lengths_{part}"))
            for part in ("train", "validation", "test")
        )
        return from_splits(*splits, name=path.stem)
    if all(key in arrays for key in NPZ_SPLIT):
        lengths = arrays.get("lengths")
        return from_arrays(arrays["X"], arrays["y"], seed, path.stem, lengths)
    raise ValueError(
        f"`data` {source!r} holds {', '.join(sorted(arrays)) or 'nothing'}, but must hold "
        f"{' and '.join(NPZ_SPLIT)}, or {', '.join(NPZ_FIXED)}."
    )


def check_seed(seed: int) -> None:
    """Accept a seed of 32 bits."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"`seed` is {seed}, but must be from 0 to {2**32 - 1}.")


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise ValueError(f"`data` is '{path}', but there is no such file.")
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # zip, header and pickle errors have no common base
        raise ValueError(
            f"`data` is '{path}', but must be a file made by `numpy.savez` that holds numbers and "
            "text alone (for text in Python objects, save `y.astype(str)`)."
        ) from error
