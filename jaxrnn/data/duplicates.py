"""Sequences that occur in two parts, so that a score flatters."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from itertools import combinations

import numpy as np

from jaxrnn.data.split import Split


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
