"""Data in plain words and numbers, for records."""

from typing import Any

from jaxrnn.data.data import Data

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
