"""Encoding: from raw inputs to what networks read, by what the training part taught."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from jaxrnn.data.arrays import Checked
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.targets import encode_targets
from jaxrnn.data.vocabulary import Vocabulary
from jaxrnn.tasks.task import Task

Encoder: TypeAlias = Scaling | Vocabulary


def from_json(about: Mapping[str, Any]) -> Encoder:
    """The encoder whose `to_json` this is."""
    return Vocabulary.from_json(about) if "tokens" in about else Scaling.from_json(about)


def encode_split(part: str, samples: Checked, task: Task, scaling: Scaling) -> Split:
    """Standardised inputs and the targets that `task` wants; `part` names them in a message."""
    x, y, lengths = samples
    inputs = scaling.pad(x, lengths, f"`{part}` inputs")
    return Split(inputs, encode_targets(task, y, lengths, part), lengths).trimmed(task.per_step)
