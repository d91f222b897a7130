"""`.npz` and `.npy`: arrays that NumPy saved."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np

from jaxrnn.data.arrays import check_inputs, check_targets, pad_sequences
from jaxrnn.data.options import ColumnRoles
from jaxrnn.data.readers import rolls
from jaxrnn.data.records import PARTS, PianoRolls, Sequences

Arrays: TypeAlias = Mapping[str, np.ndarray]

KEYS = ("X", "y", "lengths", "groups")
UNDIVIDED = ("X", "y")
"""Arrays that must be there where no part is named."""
DIVIDED = ("X_train", "y_train", "X_test", "y_test")
"""Arrays that must be there where parts are named."""
NAMES = {
    "X": KEYS,
    "X_train": tuple(f"{key}_{part}" for part in PARTS for key in KEYS),
}
"""Names of arrays that belong together, by the one that users name."""


def read(path: Path, roles: ColumnRoles) -> Sequences | PianoRolls:
    """Read the arrays of a file, or of the files beside it that belong together.

    Args:
        path: A `.npz` file; or a `.npy` file whose name ends in `X` or `X_train`, such as
            `pen_X.npy`: the others are then read from `pen_y.npy` and so on.
        roles: Roles that name no column.

    Raises:
        ValueError: Arrays are missing or damaged, hold Python objects, or don't fit each other.
    """
    roles.refuse_columns(path)
    arrays = _load_npz(path) if path.suffix.lower() == ".npz" else _load_npy(path)
    if rolls.holds_rolls(arrays):
        return rolls.from_arrays(path, arrays)
    if all(key in arrays for key in DIVIDED):
        names = [part for part in PARTS if {f"X_{part}", f"y_{part}"} & set(arrays)]
        return _join(path, {name: _to_sequences(path, arrays, f"_{name}") for name in names})
    if all(key in arrays for key in UNDIVIDED):
        return _to_sequences(path, arrays, "")
    raise ValueError(
        f"`data` '{path}' holds {', '.join(sorted(arrays)) or 'nothing'}, but must hold "
        f"{' and '.join(UNDIVIDED)}, or {', '.join(DIVIDED)}."
    )


def _to_sequences(path: Path, arrays: Arrays, ending: str) -> Sequences:
    """Make a record of the arrays whose names have an ending."""
    x, y, lengths, groups = (arrays.get(f"{key}{ending}") for key in KEYS)
    try:
        inputs, true = check_inputs(f"X{ending}", x, lengths)
        targets = check_targets(f"y{ending}", y, len(inputs))
        if groups is not None:
            groups = check_targets(f"groups{ending}", groups, len(inputs))
    except ValueError as error:
        raise ValueError(f"'{path}': {error}") from None
    if groups is not None and groups.ndim != 1:
        raise ValueError(
            f"'{path}': `groups{ending}` is {groups.shape}, but must be one per sample."
        )
    return Sequences(path.stem, inputs.astype(np.float64), true, targets, groups)


def _join(path: Path, parts: Mapping[str, Sequences]) -> Sequences:
    """Join parts that may differ in time."""
    first = parts["train"]
    for name, part in parts.items():
        for key, content, expected in (
            ("X", _features(part), _features(first)),
            ("y", _kind(part), _kind(first)),
        ):
            if content != expected:
                raise ValueError(
                    f"'{path}': `{key}_{name}` holds {content}, but must hold {expected} as "
                    f"`{key}_train`."
                )
    sequences = parts.values()
    targets = [part.targets for part in sequences]
    groups = [part.groups for part in sequences if part.groups is not None]
    if 0 < len(groups) < len(parts):
        raise ValueError(f"'{path}' must hold `groups_...` for all of its parts or for none.")
    return Sequences(
        path.stem,
        pad_sequences([row for part in sequences for row in part.inputs]),
        np.concatenate([part.lengths for part in sequences]),
        pad_sequences([row for rows in targets for row in rows])
        if _per_step(first)
        else np.concatenate(targets),
        np.concatenate(groups) if groups else None,
        np.repeat(list(parts), [len(part.lengths) for part in sequences]),
    )


def _features(part: Sequences) -> str:
    return f"{part.inputs.shape[2]} features"


def _per_step(part: Sequences) -> bool:
    """Return whether there is a label for every step."""
    return part.targets.dtype.kind in "biuU" and part.per_step


def _kind(part: Sequences) -> str:
    if _per_step(part):
        return "a label for every step"
    what = "text" if part.targets.dtype.kind == "U" else "numbers"
    return what if part.targets.ndim == 1 else f"{part.targets.shape[1]} {what} per sample"


def _load_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # zip, header and pickle errors have no common base
        raise _unreadable(path, "savez") from error


def _load_npy(path: Path) -> dict[str, np.ndarray]:
    key = next((key for key in NAMES if path.stem.endswith(key)), None)
    if key is None:
        raise ValueError(
            f"`data` is '{path}', but a .npy file must be named ...X.npy with ...y.npy beside it, "
            "or ...X_train.npy with ...y_train.npy, ...X_test.npy and ...y_test.npy."
        )
    before = path.stem.removesuffix(key)
    files = {name: path.with_name(f"{before}{name}{path.suffix}") for name in NAMES[key]}
    return {name: _load_one(file) for name, file in files.items() if file.is_file()}


def _load_one(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False)
    except Exception as error:  # header, size and pickle errors have no common base
        raise _unreadable(path, "save") from error


def _unreadable(path: Path, function: str) -> ValueError:
    return ValueError(
        f"`data` is '{path}', but must be a file made by `numpy.{function}` that holds numbers and "
        "text alone (for text in Python objects, save `y.astype(str)`)."
    )
