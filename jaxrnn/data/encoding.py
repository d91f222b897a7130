"""Encoding: samples become what networks read and predict, by what the training part taught."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from jaxrnn.data.arrays import step_mask
from jaxrnn.data.records import Sequences
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.targets import as_columns
from jaxrnn.data.vocabulary import Vocabulary
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.regression import Regression
from jaxrnn.tasks.task import Task

Encoder: TypeAlias = Scaling | Vocabulary
"""Encoder of inputs: numbers are scaled, text becomes tokens."""


def from_json(about: Mapping[str, Any]) -> Encoder:
    """Make the encoder again that `to_json` described."""
    return Vocabulary.from_json(about) if "tokens" in about else Scaling.from_json(about)


def encode_split(samples: Sequences, task: Task, scaling: Scaling) -> Split:
    """Standardise inputs and encode targets.

    Args:
        samples: Samples of a part, whose name messages show.
        task: Task that the training part defines.
        scaling: Scaling of inputs.

    Raises:
        ValueError: Values are too far from those of the training part, or it lacks a label.
    """
    inputs = scaling.pad(samples.inputs, samples.lengths, f"`{samples.name}` inputs")
    targets = encode_targets(task, samples.targets, samples.lengths, samples.name)
    return Split(inputs, targets, samples.lengths).trimmed(task.per_step)


def encode_targets(task: Task, targets: np.ndarray, lengths: np.ndarray, part: str) -> np.ndarray:
    """Encode targets of a part: values standardised as float32, labels as int32 indices.

    Args:
        task: Task that the training part defines.
        targets: `(samples,)` or `(samples, ...)`.
        lengths: True steps of each sample, `(samples,)`.
        part: Name of the part in a message.

    Raises:
        ValueError: The training part lacks a label.
    """
    if isinstance(task, Regression):
        scaling = Scaling(np.array(task.mean), np.array(task.scale))
        return scaling.standardise(as_columns(targets), f"`{part}` targets")
    assert isinstance(task, Classification | Labelling)
    mask = step_mask(lengths, targets) if targets.ndim == 2 else np.ones(len(targets), bool)
    classes = np.asarray(task.classes)
    strange = np.setdiff1d(targets[mask], classes)
    if len(strange):
        raise ValueError(
            f"`{part}` has the label {strange[0].item()!r}, but only labels of `train` are "
            f"allowed: {', '.join(map(repr, task.classes[:20]))}."
        )
    indices = np.zeros(targets.shape, np.int32)
    indices[mask] = np.searchsorted(classes, targets[mask])
    return indices
