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
    """A data set, divided and encoded, ready to train on.

    Attributes:
        name: Name of the data, as the run folder shows it.
        task: Task to learn.
        train: Samples to train on.
        validation: Samples to prune and to select by.
        test: Samples to score the winner on, once.
        encoder: Encoder from raw inputs to what networks read.
        notes: Sentences that users should read before they trust results.
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
        """Specification of the networks that can learn the task."""
        splits = self.train, self.validation, self.test
        differ = min(s.shortest for s in splits) < max(s.time for s in splits)
        return spec_of(self.task, self.encoder, differ)


def spec_of(task: Task, encoder: Encoder, lengths_differ: bool) -> TaskSpec:
    """Specify networks for a task and an encoder of inputs."""
    meaningless = {"input_noise"} if encoder.size else {"embedding_size"}
    return TaskSpec(
        inputs=encoder.inputs,
        outputs=task.outputs,
        # The end of a text is the only short block, and the loss alone needs to know.
        lengths_differ=lengths_differ and not task.stateful,
        vocabulary=encoder.size,
        per_step=task.per_step,
        stateful=task.stateful,
        forecast=task.features * task.horizon if isinstance(task, Forecasting) else (),
        excluded=task.excluded | meaningless,
    )


HIDDEN = {"tokens", "features", "ranks"}
"""Attributes of a task that a description leaves out: long, or of little meaning by themselves."""


def describe_data(data: Data) -> dict[str, Any]:
    """Describe data by name, task, sizes and notes, as JSON can hold them."""
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
    """Hash shapes, types and values of every part, in hexadecimal, to tell data apart.

    Of training data that comes as a stream nothing is read; its sizes alone count.
    """
    digest = hashlib.sha256()
    for part in (data.train, data.validation, data.test):
        if isinstance(part, Split):
            for name, values in vars(part).items():
                digest.update(f"{name} {values.shape} {values.dtype} ".encode())
                digest.update(np.ascontiguousarray(values).tobytes())
        else:
            digest.update(f"stream {part.batch} {part.batches} {part.time} ".encode())
    return digest.hexdigest()
