"""Rolls become data: at every step, the next one is to be predicted."""

import numpy as np

from jaxrnn.data.arrays import pad_sequences
from jaxrnn.data.checks import check_splits
from jaxrnn.data.dataset import Data
from jaxrnn.data.records import PianoRolls
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.splitting import Constraints, Division, divide
from jaxrnn.tasks.next_step import NextStep


def from_rolls(record: PianoRolls, split: Division, seed: int) -> Data:
    """Divide rolls; inputs are all steps but the last, and targets all but the first."""
    rolls = [np.asarray(roll) for roll in record.rolls]
    if not rolls:
        raise ValueError("`data` holds no roll, but must hold some.")
    labels = rolls[0].shape[-1]
    for number, roll in enumerate(rolls):
        _check(number, roll, labels)
    parts = divide(len(rolls), Constraints(groups=record.groups, parts=record.parts), split, seed)
    task = NextStep(labels)
    splits = {part: _split([rolls[row] for row in rows]) for part, rows in parts._asdict().items()}
    scaling = Scaling.identity(labels)
    return Data(record.name, task, **splits, encoder=scaling, notes=check_splits(task, splits))


def _check(number: int, roll: np.ndarray, labels: int) -> None:
    if roll.ndim != 2 or len(roll) < 2 or roll.shape[1] != labels:
        raise ValueError(
            f"`data` roll {number} has the shape {roll.shape}, but must be (time, {labels}), with "
            "at least 2 steps."
        )
    if roll.dtype.kind not in "biuf" or not np.isin(roll, (0, 1)).all():
        raise ValueError(f"`data` roll {number} holds something else than 0 and 1.")


def _split(rolls: list[np.ndarray]) -> Split:
    lengths = np.array([len(roll) - 1 for roll in rolls], np.int32)
    inputs = pad_sequences([roll[:-1].astype(np.float32) for roll in rolls])
    return Split(inputs, pad_sequences([roll[1:].astype(np.uint8) for roll in rolls]), lengths)
