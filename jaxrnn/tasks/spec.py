"""What data and task require of every network, and what a network returns."""

from typing import NamedTuple

from jaxrnn.types import AnyArray


class TaskSpec(NamedTuple):
    """Requirements of data and task.

    Attributes:
        inputs: Features per time step; 0 where inputs are tokens.
        outputs: Outputs of the head.
        lengths_differ: True if some sequences are shorter than others.
        vocabulary: Number of different tokens; 0 where inputs are features.
        per_step: True if outputs are needed after every step, rather than after the last.
        stateful: True if a sequence continues the one before it in the same row.
        forecast: Feature that each output is a later value of; empty for other tasks.
        excluded: Hyperparameters that have no meaning for data and task.
    """

    inputs: int
    outputs: int
    lengths_differ: bool
    vocabulary: int = 0
    per_step: bool = False
    stateful: bool = False
    forecast: tuple[int, ...] = ()
    excluded: frozenset[str] = frozenset()


class Outputs(NamedTuple):
    """Outputs of the head.

    Attributes:
        last: Outputs after the whole sequence, `(batch, outputs)`; None for tasks per step.
        per_step: Outputs after every step, `(batch, time, outputs)`; None where not needed.
        lengths: True steps that were read, `(batch,)`.
        carry: States of every layer after the last step, each `(batch, units)`; None unless the
            task is stateful.
    """

    last: AnyArray
    per_step: AnyArray
    lengths: AnyArray
    carry: AnyArray = None
