"""Checks of a data set: what users should know before they trust results."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import combinations

import numpy as np

from jaxrnn.data.split import Split
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.task import Task


def check_splits(
    task: Task, splits: Mapping[str, Split], originals: Mapping[str, Split] | None = None
) -> tuple[str, ...]:
    """Write sentences about classes, padding and duplicates of all parts.

    Args:
        task: Task of the data.
        splits: Parts as networks read them, by name.
        originals: Parts with nothing lost, where networks read less than there was.
    """
    shared = duplicates(splits if originals is None else originals)
    return *missing_classes(task, splits), *padding(splits), *shared


def missing_classes(task: Task, splits: Mapping[str, Split]) -> Iterator[str]:
    """Yield a sentence for every part that lacks sequences of a class."""
    if isinstance(task, Classification):
        for part, split in splits.items():
            absent = np.setdiff1d(np.arange(len(task.classes)), split.targets)
            if len(absent):
                names = ", ".join(repr(task.classes[k]) for k in absent[:10])
                yield f"{part} holds no sequence of {len(absent)} of the classes: {names}."


def padding(splits: Mapping[str, Split]) -> Iterator[str]:
    """Yield a sentence for every part that holds padding."""
    for part, split in splits.items():
        share = 1.0 - split.lengths.mean() / split.time
        if share > 0:
            yield (
                f"{share:.1%} of {part} is padding: sequences have {split.shortest} to "
                f"{split.time} steps, {np.median(split.lengths):g} at the median."
            )


def duplicates(splits: Mapping[str, Split]) -> Iterator[str]:
    """Yield a sentence for every two parts that share sequences, whatever their targets."""
    keys = {part: [_key(split, row) for row in range(len(split))] for part, split in splits.items()}
    for early, late in combinations(keys, 2):
        earlier = set(keys[early])
        count = sum(key in earlier for key in keys[late])
        if count:
            verb = "sequences also occur" if count > 1 else "sequence also occurs"
            yield f"{count:,} {late} {verb} in {early}."


def _key(split: Split, row: int) -> bytes:
    """Hash all true steps; padding and the time of the part make no difference."""
    steps = np.ascontiguousarray(split.inputs[row, : split.lengths[row]])
    return blake2b(steps.tobytes(), digest_size=16).digest()
