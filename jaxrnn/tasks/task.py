"""What a task is: how wrong outputs are, how good a network is, what its answers mean."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.spec import Outputs
from jaxrnn.types import AnyArray, Array

MIN, MAX = "min", "max"


class SequenceLosses(NamedTuple):
    """Of the sequences of a batch.

    Attributes:
        sums: Loss of each, summed over what counts in it, `(batch,)`.
        weights: How much counts in it: 1, or its true steps, `(batch,)`.
    """

    sums: Array
    weights: Array


class Evaluation(NamedTuple):
    """All sequences of an evaluation, in batches of which some may be padding.

    Attributes:
        sums: What `Task.sums` gave, added up.
        per_sample: What `Task.kept` gave of every batch, `(batches, batch, ...)`.
        targets: `(batches, batch, ...)`.
        lengths: True steps, `(batches, batch)`.
        weights: `(batches, batch)`, 1 for a sequence and 0 for padding.
    """

    sums: Any
    per_sample: Any
    targets: Array
    lengths: Array
    weights: Array


class Task(ABC):
    """One kind of question; its subclasses are frozen dataclasses of plain Python values.

    Everything but `decode` runs inside compiled programs, on one member.

    Attributes:
        name: Of the kind.
        per_step: Whether an answer is due after every step, rather than after the last.
        stateful: Whether state goes on from one block of a text to the next.
        excluded: Entries of a configuration that make no sense here.
        primary: The metric to search by, where nobody says otherwise.
    """

    name: ClassVar[str]
    per_step: ClassVar[bool] = False
    stateful: ClassVar[bool] = False
    excluded: ClassVar[frozenset[str]] = frozenset()
    primary: ClassVar[str] = "loss"

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Numbers that the head puts out."""

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, str]:
        """Names of what `metrics_from` returns, `loss` first, and which values are better."""

    @abstractmethod
    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Training losses; whatever lies behind the true lengths has no effect."""

    @abstractmethod
    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> Any:
        """A tree of sums over a batch, without smoothing; sequences of weight 0 do not count."""

    def per_sample(self, outputs: Outputs) -> Any:
        """What `metrics_from` wants to see of every single sequence: a tree of `(batch, ...)`."""
        del outputs
        return ()

    @abstractmethod
    def metrics_from(self, scored: Evaluation) -> Array:
        """The metrics, `(metrics,)`."""

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """What people want to read, from outputs on the host: labels, values in their own units."""

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Of every class or label, in the shape of outputs on the host.

        Raises:
            ValueError: A task that has neither.
        """
        raise ValueError(f"`task` is {self.name}, which has no classes and no probabilities.")
