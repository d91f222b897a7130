"""Tasks in general: the loss of outputs, the metrics of a network, and the meaning of outputs."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.tasks.spec import Outputs
from jaxrnn.types import AnyArray, Array

MIN, MAX = "min", "max"


class SequenceLosses(NamedTuple):
    """Losses of the sequences of a batch.

    Attributes:
        sums: Loss of each sequence, summed over what counts in it, `(batch,)`.
        weights: Weight of each sequence: 1, or its true steps, `(batch,)`.
    """

    sums: Array
    weights: Array


class Evaluation(NamedTuple):
    """All sequences of an evaluation, in batches of which some may be padding.

    Attributes:
        sums: Results of `Task.sums`, added up over the batches.
        per_sample: Results of `Task.per_sample`, `(batches, batch, ...)`.
        targets: Targets, `(batches, batch, ...)`; None where they belong to steps.
        lengths: True steps, `(batches, batch)`.
        weights: 1 for a sequence and 0 for padding, `(batches, batch)`.
    """

    sums: Any
    per_sample: Any
    targets: Any
    lengths: Array
    weights: Array


class Task(ABC):
    """A kind of task; its subclasses are frozen dataclasses of plain Python values.

    `losses`, `sums`, `per_sample` and `metrics_from` run inside compiled programs, on one member;
    `decode` and `probabilities` run on the host.

    Attributes:
        name: Name of the kind.
        per_step: True if the task has targets after every step, rather than one per sequence.
        stateful: True if state is carried from one block of a text to the next.
        excluded: Hyperparameters that have no meaning for the task.
        primary: Metric to search by, unless another one is asked for.
    """

    name: ClassVar[str]
    per_step: ClassVar[bool] = False
    stateful: ClassVar[bool] = False
    excluded: ClassVar[frozenset[str]] = frozenset()
    primary: ClassVar[str] = "loss"

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Outputs of the head."""

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, str]:
        """Names of all metrics, `loss` first, each with the better side, `MIN` or `MAX`."""

    @abstractmethod
    def losses(self, hp: Hyperparameters, outputs: Outputs, targets: AnyArray) -> SequenceLosses:
        """Compute training losses; padding behind the true lengths has no effect."""

    @abstractmethod
    def sums(self, outputs: Outputs, targets: AnyArray, weights: AnyArray) -> Any:
        """Compute a tree of sums over a batch, without smoothing; weights 0 exclude sequences."""

    def per_sample(self, outputs: Outputs) -> Any:
        """Compute what `metrics_from` needs of every single sequence: a tree of `(batch, ...)`."""
        del outputs
        return ()

    @abstractmethod
    def metrics_from(self, evaluation: Evaluation) -> Array:
        """Compute the metrics, `(metrics,)`, in the order of their names."""

    @abstractmethod
    def decode(self, outputs: np.ndarray) -> np.ndarray:
        """Turn outputs on the host into labels, or into values in the units of the data."""

    def probabilities(self, outputs: np.ndarray) -> np.ndarray:
        """Turn outputs on the host into probabilities of classes or labels, in the same shape.

        Raises:
            ValueError: If the task has neither classes nor labels.
        """
        raise ValueError(f"`task` is {self.name}, which has no classes and no probabilities.")
