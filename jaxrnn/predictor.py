"""A trained network by itself: predicts on raw inputs, and lives in a folder."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxrnn.data import standardise
from jaxrnn.network import Architecture, RecurrentNetwork

CONFIGURATION, PARAMETERS = "configuration.json", "parameters.npz"


@dataclass(frozen=True)
class Predictor:
    """One configuration with its trained parameters.

    Attributes:
        configuration: Every entry of the configuration, defaults included.
        classes: The labels as the user wrote them, in the order of the network's outputs.
        mean: `(features,)`, subtracted from inputs.
        scale: `(features,)`, divides inputs then.
        parameters: Linen's `params`, at the true width.
    """

    configuration: dict[str, Any]
    classes: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    parameters: dict[str, Any]

    @cached_property
    def network(self) -> RecurrentNetwork:
        """The Linen module that `parameters` belong to."""
        entries = self.configuration
        sizes = len(self.mean), len(self.classes)
        return RecurrentNetwork(
            Architecture(entries["cell"], entries["layers"], entries["hidden_size"], *sizes)
        )

    @cached_property
    def _apply(self) -> Callable[[Any, np.ndarray], jax.Array]:
        def apply(parameters: Any, inputs: np.ndarray) -> jax.Array:
            logits = self.network.apply({"params": parameters}, inputs)
            assert isinstance(logits, jax.Array)
            return jax.nn.softmax(logits)

        return jax.jit(apply)

    def probabilities(self, inputs: Any) -> np.ndarray:
        """Probability of every class, `(samples, classes)`, for raw `(samples, time, features)`."""
        x = np.asarray(inputs)
        if x.ndim != 3 or x.shape[-1] != len(self.mean):
            raise ValueError(
                f"`inputs` have the shape {x.shape}, but must be (samples, time, {len(self.mean)})."
            )
        if not np.isfinite(x).all():
            raise ValueError("`inputs` must be finite, but hold NaN or inf.")
        return np.asarray(self._apply(self.parameters, standardise(x, self.mean, self.scale)))

    def predict(self, inputs: Any) -> np.ndarray:
        """The likeliest label of each sample, `(samples,)`."""
        return self.classes[self.probabilities(inputs).argmax(-1)]

    def save(self, folder: str | Path) -> None:
        """Write `configuration.json` and `parameters.npz` into a new `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True)
        about = {
            "configuration": self.configuration,
            "classes": self.classes.tolist(),
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
        }
        (folder / CONFIGURATION).write_text(json.dumps(about, indent=2) + "\n")
        arrays: dict[str, Any] = dict(flatten_dict(self.parameters, sep="/"))
        np.savez(folder / PARAMETERS, **arrays)


def load(folder: str | Path) -> Predictor:
    """The predictor that `Predictor.save` wrote into `folder`.

    Raises:
        ValueError: No such folder, or one without the two files.
    """
    folder = Path(folder)
    for name in (CONFIGURATION, PARAMETERS):
        if not (folder / name).is_file():
            raise ValueError(f"`folder` is '{folder}', but must hold {name}; a run's is `best`.")
    about = json.loads((folder / CONFIGURATION).read_text())
    with np.load(folder / PARAMETERS, allow_pickle=False) as file:
        parameters = unflatten_dict({key: file[key] for key in file.files}, sep="/")
    return Predictor(
        configuration=about["configuration"],
        classes=np.asarray(about["classes"]),
        mean=np.asarray(about["mean"]),
        scale=np.asarray(about["scale"]),
        parameters=parameters,
    )
