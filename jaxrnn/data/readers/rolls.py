"""Piano rolls, in `.mat`, `.json` and `.npz`: which notes sound in each frame of a piece."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from jaxrnn.data.options import ColumnRoles
from jaxrnn.data.readers.text import read_text
from jaxrnn.data.records import PARTS, PianoRolls

LOWEST, HIGHEST = 21, 108
"""Keys of a piano, as MIDI numbers; a `.json` roll has a column for each of them."""
NAME_IN_FILE = {"train": "train", "validation": "valid", "test": "test"}
"""Names of the parts in such files."""


def read(path: Path, roles: ColumnRoles) -> PianoRolls:
    """Read the pieces of a `.mat` or `.json` file.

    Args:
        path: A `.mat` file with cells `traindata`, `validdata`, `testdata` of `(time, labels)`
            matrices; or a `.json` file `{"train": [piece, ...], "valid": ..., "test": ...}`, a
            piece being a list of frames and a frame a list of MIDI numbers.
        roles: Roles that name no column.

    Raises:
        ValueError: The file is damaged, parts are missing, or pieces are no rolls.
    """
    roles.refuse_columns(path)
    return _to_rolls(path, _from_mat(path) if path.suffix.lower() == ".mat" else _from_json(path))


def holds_rolls(arrays: Mapping[str, np.ndarray]) -> bool:
    """Return whether the arrays of a `.npz` file are rolls."""
    return "train_packed" in arrays


def from_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> PianoRolls:
    """Read the pieces of a `.npz` file.

    Args:
        path: Path of the file.
        arrays: `train_packed` uint8 `(frames of all pieces, bytes)` as by `numpy.packbits` along
            the second axis, `train_len` int `(pieces,)`, and so on for `valid` and `test`.

    Raises:
        ValueError: Parts are missing, or arrays don't fit each other.
    """
    pieces = {}
    for part, short in NAME_IN_FILE.items():
        packed, lengths = arrays.get(f"{short}_packed"), arrays.get(f"{short}_len")
        if packed is None and lengths is None:
            continue
        if packed is None or lengths is None:
            raise ValueError(
                f"'{path}' must hold `{short}_packed` and `{short}_len`, but holds only one."
            )
        if packed.dtype != np.uint8 or packed.ndim != 2 or lengths.dtype.kind not in "iu":
            raise ValueError(
                f"'{path}': `{short}_packed` is {packed.dtype} of the shape {packed.shape} and "
                f"`{short}_len` {lengths.dtype}, but they must be uint8 (frames, bytes) and whole."
            )
        if lengths.ndim != 1 or lengths.min(initial=1) < 1 or lengths.sum() != len(packed):
            raise ValueError(
                f"'{path}': `{short}_len` must be positive and add up to the {len(packed)} frames "
                f"of `{short}_packed`, but adds up to {lengths.sum()}."
            )
        pieces[part] = np.split(np.unpackbits(packed, axis=1), np.cumsum(lengths)[:-1])
    return _to_rolls(path, pieces)


def _to_rolls(path: Path, pieces: Mapping[str, list[np.ndarray]]) -> PianoRolls:
    """Make a record, if all pieces are rolls of the same labels."""
    for part in ("train", "test"):
        if not pieces.get(part):
            raise ValueError(f"'{path}' holds no pieces in `{part}`, but must hold some.")
    labels = pieces["train"][0].shape[1:]
    for part, rolls in pieces.items():
        for number, roll in enumerate(rolls, 1):
            _check_roll(f"'{path}', piece {number} of `{NAME_IN_FILE[part]}`", roll, labels)
    names = [part for part in PARTS if part in pieces]
    return PianoRolls(
        path.stem,
        [roll.astype(np.uint8) for part in names for roll in pieces[part]],
        parts=np.repeat(names, [len(pieces[part]) for part in names]),
    )


def _check_roll(place: str, roll: np.ndarray, labels: tuple[int, ...]) -> None:
    if roll.ndim != 2 or roll.shape[1:] != labels or len(roll) < 2 or not labels[0]:
        raise ValueError(
            f"{place} has the shape {roll.shape}, but must be (time, labels) with at least 2 steps "
            f"and as many labels as the first of `train`: {labels}."
        )
    if not np.isin(roll, (0, 1)).all():
        raise ValueError(f"{place} holds other values than 0 and 1.")


def _from_mat(path: Path) -> dict[str, list[np.ndarray]]:
    try:
        cells: dict[str, Any] = loadmat(path)
    except Exception as error:  # SciPy's readers raise whatever damaged bytes lead them to
        raise ValueError(
            f"`data` is '{path}', but must be a MATLAB file up to version 7."
        ) from error
    parts = {part: cells.get(f"{short}data") for part, short in NAME_IN_FILE.items()}
    for part, cell in parts.items():
        if cell is not None and cell.dtype != object:
            raise ValueError(
                f"'{path}': `{NAME_IN_FILE[part]}data` is {cell.dtype}, but must be a cell."
            )
    return {
        part: [np.asarray(roll) for roll in cell.ravel()]
        for part, cell in parts.items()
        if cell is not None
    }


def _from_json(path: Path) -> dict[str, list[np.ndarray]]:
    text = read_text(path)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"'{path}', line {error.lineno}, column {error.colno} is no JSON: {error.msg}."
        ) from None
    except (RecursionError, ValueError):  # ValueError: Python refuses to read so many digits
        raise ValueError(
            f"'{path}' is nested too deeply or holds too long a number, but must hold lists of "
            "pieces, which are lists of frames, which are lists of notes."
        ) from None
    if not isinstance(content, dict):
        raise ValueError(f"'{path}' must hold an object with `train`, `valid` and `test`.")
    pieces = {}
    for part, short in NAME_IN_FILE.items():
        value = content.get(short, content.get(part))
        if value is not None:
            if not isinstance(value, list):
                raise ValueError(f"'{path}': `{short}` must be a list of pieces.")
            pieces[part] = [
                _piano_roll(f"'{path}', piece {number} of `{short}`", piece)
                for number, piece in enumerate(value, 1)
            ]
    return pieces


def _piano_roll(place: str, piece: Any) -> np.ndarray:
    if not isinstance(piece, list):
        raise ValueError(f"{place} must be a list of frames.")
    roll = np.zeros((len(piece), HIGHEST - LOWEST + 1), np.uint8)
    for number, frame in enumerate(piece):
        notes = frame if isinstance(frame, list) else [frame]
        for note in notes:
            if not isinstance(note, int) or not LOWEST <= note <= HIGHEST:
                raise ValueError(
                    f"{place}, frame {number + 1} holds {str(note)[:20]!r}, but must be a list of "
                    f"whole numbers from {LOWEST} to {HIGHEST}, the keys of a piano."
                )
        roll[number, [note - LOWEST for note in notes]] = 1
    return roll
