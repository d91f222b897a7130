"""Checked samples as networks read them."""

from jaxrnn.data.arrays import Checked
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split
from jaxrnn.data.targets import encode
from jaxrnn.tasks.task import Task


def read(part: str, samples: Checked, task: Task, scaling: Scaling) -> Split:
    """Standardised inputs and the targets that `task` wants; `part` names them in a message."""
    x, y, lengths = samples
    inputs = scaling.pad(x, lengths, f"`{part}` inputs")
    return Split(inputs, encode(task, y, lengths, part), lengths).trimmed(task.every)
