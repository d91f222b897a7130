"""Which entries may change in the middle of training."""

from jaxrnn.configuration.entries import ENTRIES, GROUPS

EVERY_STEP = ("regularisation", "optimizer", "learning rate", "batch", "stability")
"""Groups of entries that act in every step; others shape arrays, or act at the start or end."""


def changeable(name: str) -> bool:
    """Whether the entry `name` may change in mid-run.

    Numbers that act in every step may. Names pick code, and what counts epochs sets the clock.
    """
    acts = any(name in GROUPS[group] for group in EVERY_STEP)
    return acts and ENTRIES[name].kind is not str and not name.endswith("epochs")
