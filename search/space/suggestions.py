"""Names that are not known, and the nearest ones that are."""

import difflib
from collections.abc import Iterable, Sequence


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like `name`; None if none is like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1)), None)


def near(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name.

    Args:
        name: Name that is not known.
        known: Names that are known; the sentence suggests the nearest one, if any is near.
    """
    suggestion = nearest(name, known)
    return "." if suggestion is None else f"; did you mean `{suggestion}`?"


def check_keys(owner: str, keys: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Accept known keys only.

    Args:
        owner: Name of the hyperparameter that has the keys.
        keys: Keys that it has.
        known: Keys that it may have.
        kind: Kind of the hyperparameter, for the message.

    Raises:
        ValueError: A key that is not among the known.
    """
    for key in keys:
        if key not in known:
            names = ", ".join(f"`{name}`" for name in known)
            raise ValueError(
                f"`{owner}` has a key `{key}`, but {kind} has {names}{near(key, known)}"
            )
