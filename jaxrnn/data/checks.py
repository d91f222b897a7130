"""Checks of a data set: what people should know before they trust results."""

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
    """Sentences on the sequences of all parts.

    Args:
        task: What they are for.
        splits: As networks read them.
        originals: The same with nothing lost, where networks read less than there was.
    """
    same = duplicates(splits if originals is None else originals)
    return *missing_classes(task, splits), *padding(splits), *same


def missing_classes(task: Task, splits: Mapping[str, Split]) -> Iterator[str]:
    """Which parts hold no sequence of some class."""
    if isinstance(task, Classification):
        for part, split in splits.items():
            absent = np.setdiff1d(np.arange(len(task.classes)), split.targets)
            if len(absent):
                some = ", ".join(repr(task.classes[k]) for k in absent[:10])
                yield f"{part} holds no sequence of {len(absent)} of the classes: {some}."


def padding(splits: Mapping[str, Split]) -> Iterator[str]:
    """How much of each part is padding."""
    for part, split in splits.items():
        share = 1.0 - split.lengths.mean() / split.time
        if share > 0:
            yield (
                f"{share:.1%} of {part} is padding: sequences have {split.shortest} to "
                f"{split.time} steps, {np.median(split.lengths):g} at the median."
            )


def duplicates(splits: Mapping[str, Split]) -> Iterator[str]:
    """A sentence for every two parts that share sequences, whatever their targets."""
    seen = {part: [_key(split, row) for row in range(len(split))] for part, split in splits.items()}
    for early, late in combinations(seen, 2):
        earlier = set(seen[early])
        count = sum(key in earlier for key in seen[late])
        if count:
            verb = "sequences also occur" if count > 1 else "sequence also occurs"
            yield f"{count:,} {late} {verb} in {early}."


def _key(split: Split, row: int) -> bytes:
    """All true steps as they were read: padding and the time of the part make no difference."""
    steps = np.ascontiguousarray(split.inputs[row, : split.lengths[row]])
    return blake2b(steps.tobytes(), digest_size=16).digest()
