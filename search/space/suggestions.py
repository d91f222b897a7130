"""Names that are not known, and the nearest ones that are."""

import difflib
from collections.abc import Iterable, Sequence


def near(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown `name`: the nearest known one, if any is near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean `{found[0]}`?" if found else "."


def check_keys(owner: str, keys: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Accept known keys only.

    Args:
        owner: Whose keys they are.
        keys: What it has.
        known: What it may have.
        kind: What it is, for the message.

    Raises:
        ValueError: A key that is not among the known.
    """
    for key in keys:
        if key not in known:
            names = ", ".join(f"`{name}`" for name in known)
            raise ValueError(
                f"`{owner}` has a key `{key}`, but {kind} has {names}{near(key, known)}"
            )
