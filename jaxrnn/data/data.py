"""A question with everything that it takes to learn and to judge the answer."""

from dataclasses import dataclass

from jaxrnn.data.encoding import Encoder
from jaxrnn.data.split import Split
from jaxrnn.data.stream import Stream
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.problem import Problem
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
    def problem(self) -> Problem:
        """What it asks of a network."""
        splits = self.train, self.validation, self.test
        differ = min(s.shortest for s in splits) < max(s.time for s in splits)
        return problem_of(self.task, self.encoder, differ)


def problem_of(task: Task, encoder: Encoder, lengths_differ: bool) -> Problem:
    """What a task asks of a network that reads what the encoder writes."""
    senseless = {"input_noise"} if encoder.size else {"embedding_size"}
    return Problem(
        inputs=encoder.inputs,
        outputs=task.outputs,
        # The end of a text is the only short block, and the loss alone needs to know.
        lengths_differ=lengths_differ and not task.carries,
        vocabulary=encoder.size,
        every=task.every,
        carries=task.carries,
        forecast=task.features * task.horizon if isinstance(task, Forecasting) else (),
        without=task.without | senseless,
    )
