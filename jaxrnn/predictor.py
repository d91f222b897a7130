"""A trained network by itself: predicts on raw inputs, and lives in a folder."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxrnn.configuration.hyperparameters import hyperparameters
from jaxrnn.data.arrays import check_inputs
from jaxrnn.data.data import standardise
from jaxrnn.network.architecture import Problem
from jaxrnn.network.network import Outputs, RecurrentNetwork
from jaxrnn.network.structure import alone

CONFIGURATION, PARAMETERS = "configuration.json", "parameters.npz"


@dataclass(frozen=True)
class Predictor:
    """One configuration with its trained parameters.

    Attributes:
        configuration: Every active entry of the configuration, defaults included.
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
        """The Linen module that `parameters` belong to; it reads sequences of any length."""
        problem = Problem(len(self.mean), len(self.classes), lengths_differ=True)
        return RecurrentNetwork(alone(self.configuration, problem))

    @cached_property
    def _apply(self) -> Callable[[Any, np.ndarray, np.ndarray], jax.Array]:
        numbers = hyperparameters(self.configuration, self.network.architecture.optimizers)

        def apply(parameters: Any, inputs: np.ndarray, lengths: np.ndarray) -> jax.Array:
            x = jnp.asarray(inputs), jnp.asarray(lengths)
            outputs = self.network.apply({"params": parameters}, *x, numbers)
            assert isinstance(outputs, Outputs)
            return jax.nn.softmax(outputs.last)

        return jax.jit(apply)

    def probabilities(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """Probability of every class, `(samples, classes)`.

        Args:
            inputs: Raw, `(samples, time, features)`.
            lengths: `(samples,)`, true steps of each; all steps by default.

        Raises:
            ValueError: Inputs or lengths that do not fit the network or each other.
        """
        if np.ndim(inputs) != 3 or np.shape(inputs)[-1] != len(self.mean):
            raise ValueError(
                f"`inputs` have the shape {np.shape(inputs)}, but must be "
                f"(samples, time, {len(self.mean)})."
            )
        x, true = check_inputs("predict", inputs, lengths)
        x = standardise(x, true, self.mean, self.scale)
        return np.asarray(self._apply(self.parameters, x, true))

    def predict(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """The likeliest label of each sample, `(samples,)`; see `probabilities`."""
        return self.classes[self.probabilities(inputs, lengths).argmax(-1)]

    def save(self, folder: str | Path) -> None:
        """Write `configuration.json` and `parameters.npz` into a new `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True)
        entries = self.configuration
        about = {
            "configuration": {n: "inf" if v == math.inf else v for n, v in entries.items()},
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
    entries = {n: math.inf if v == "inf" else v for n, v in about["configuration"].items()}
    with np.load(folder / PARAMETERS, allow_pickle=False) as file:
        parameters = unflatten_dict({key: file[key] for key in file.files}, sep="/")
    return Predictor(
        configuration=entries,
        classes=np.asarray(about["classes"]),
        mean=np.asarray(about["mean"]),
        scale=np.asarray(about["scale"]),
        parameters=parameters,
    )
