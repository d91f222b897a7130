"""A data set: samples, the task, and how inputs are encoded; its description and fingerprint."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxrnn.data.encoding import Encoder
from jaxrnn.data.split import Split
from jaxrnn.data.stream import Stream
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.tasks.task import Task


@dataclass(frozen=True, eq=False)
class Data:
    """One problem, ready to train on.

    Attributes:
        name: For the run folder.
        task: What there is to learn.
        train: What gradients see.
        validation: What pruning and selection see.
        test: What the winner is scored on, once.
        encoder: From raw inputs to what networks read.
        notes: Sentences that people should read before they trust results.
    """

    name: str
    task: Task
    train: Split | Stream
    validation: Split
    test: Split
    encoder: Encoder
    notes: tuple[str, ...] = ()

    @property
    def spec(self) -> TaskSpec:
        """What it asks of a network."""
        splits = self.train, self.validation, self.test
        differ = min(s.shortest for s in splits) < max(s.time for s in splits)
        return spec_of(self.task, self.encoder, differ)


def spec_of(task: Task, encoder: Encoder, lengths_differ: bool) -> TaskSpec:
    """What a task asks of a network that reads what the encoder writes."""
    senseless = {"input_noise"} if encoder.size else {"embedding_size"}
    return TaskSpec(
        inputs=encoder.inputs,
        outputs=task.outputs,
        # The end of a text is the only short block, and the loss alone needs to know.
        lengths_differ=lengths_differ and not task.stateful,
        vocabulary=encoder.size,
        per_step=task.per_step,
        stateful=task.stateful,
        forecast=task.features * task.horizon if isinstance(task, Forecasting) else (),
        excluded=task.excluded | senseless,
    )


HIDDEN = {"tokens", "features", "ranks"}
"""Of a task, what would be long or mean little by itself."""


def describe_data(data: Data) -> dict[str, Any]:
    """Name, task, sizes and notes, as JSON can hold them."""
    about = {name: value for name, value in vars(data.task).items() if name not in HIDDEN}
    return {
        "name": data.name,
        "task": data.task.name,
        "train": len(data.train),
        "validation": len(data.validation),
        "test": len(data.test),
        "time": data.train.time,
        "features": data.encoder.inputs,
        "vocabulary": data.encoder.size,
        **about,
        "notes": list(data.notes),
    }


def fingerprint(data: Data) -> str:
    """A number in hexadecimal that tells data apart: shapes, types and values of every part.

    Of training data that comes as a stream nothing is read, only its sizes count.
    """
    told = hashlib.sha256()
    for part in (data.train, data.validation, data.test):
        if isinstance(part, Split):
            for name, values in vars(part).items():
                told.update(f"{name} {values.shape} {values.dtype} ".encode())
                told.update(np.ascontiguousarray(values).tobytes())
        else:
            told.update(f"stream {part.batch} {part.batches} {part.time} ".encode())
    return told.hexdigest()
