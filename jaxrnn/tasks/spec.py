"""What data and task ask of every network, and what a network answers."""

from typing import NamedTuple

from jaxrnn.types import AnyArray


class TaskSpec(NamedTuple):
    """What is asked.

    Attributes:
        inputs: Features per time step; 0 where inputs are tokens.
        outputs: Numbers that the head puts out.
        lengths_differ: Whether some sequences are shorter than others.
        vocabulary: Tokens that inputs are made of; 0 where they are features.
        per_step: Whether an answer is due after every step, rather than after the last.
        stateful: Whether a sequence goes on where the one before it in the same row ended.
        forecast: The feature that each output is a later value of; empty where outputs are not.
        excluded: Entries of a configuration that make no sense here.
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
    """What the head puts out.

    Attributes:
        last: After the whole sequence, `(batch, outputs)`; None where an answer is due every step.
        per_step: After every step, `(batch, time, outputs)`; None where nobody asks.
        lengths: True steps that were read, `(batch,)`.
        carry: The states of every layer after the last step, each `(batch, units)`; None where
            nothing is carried on.
    """

    last: AnyArray
    per_step: AnyArray
    lengths: AnyArray
    carry: AnyArray = None
