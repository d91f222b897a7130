"""What people should know about their data before they trust results."""

from collections.abc import Iterator, Mapping

import numpy as np

from jaxrnn.data.duplicates import duplicates
from jaxrnn.data.split import Split
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.task import Task


def notes(
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
