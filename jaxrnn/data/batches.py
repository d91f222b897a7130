"""Batches as people stream them: opened anew for every epoch, checked, of one size."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from jaxrnn.data.arrays import Checked, check_alike, check_samples

Batches: TypeAlias = Callable[[int], Iterable[Any]] | Iterable[Any]
"""From the number of an epoch to its batches, or something to iterate over in every epoch."""


def opened(batches: Batches, epoch: int) -> Iterator[Checked]:
    """All batches of an epoch that are of the size of the first one.

    A smaller one at the end is left out.

    Raises:
        ValueError: Something that is no batch, or one of another size or shape, with its number.
    """
    first, smaller = None, None
    for number, given in enumerate(batches(epoch) if callable(batches) else batches):
        if smaller is not None:
            raise ValueError(smaller)
        batch = _batch(f"batch {number}", given)
        first = first or batch
        check_alike(f"batch {number}", batch, first)
        size, own = len(first[0]), len(batch[0])
        wrong = f"`batch {number}` holds {own} samples, but must hold {size} as the first one."
        if own > size:
            raise ValueError(wrong)
        if own < size:
            smaller = wrong
        else:
            yield batch


def _batch(key: str, given: Any) -> Checked:
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        raise ValueError(
            f"`{key}` is a {type(given).__name__}, but must be (inputs, targets) or "
            "(inputs, targets, lengths)."
        )
    return check_samples(key, *given)
