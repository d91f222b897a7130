"""A trained network by itself, which predicts on raw inputs, and is saved in a folder."""

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
from jaxrnn.data import encoding
from jaxrnn.data.dataset import spec_of
from jaxrnn.network.architecture import architecture_of
from jaxrnn.network.network import NetworkCarry, RecurrentNetwork
from jaxrnn.tasks import registry
from jaxrnn.tasks.spec import Outputs
from jaxrnn.tasks.task import Task

CONFIGURATION, PARAMETERS = "configuration.json", "parameters.npz"
BATCH = 512


@dataclass(frozen=True)
class Predictor:
    """One configuration with its trained parameters.

    Attributes:
        configuration: Every active hyperparameter, defaults included.
        task: Task that it learned.
        encoder: Encoder from raw inputs to what networks read.
        parameters: Parameters, as Linen's `params`, at the true width.
    """

    configuration: dict[str, Any]
    task: Task
    encoder: encoding.Encoder
    parameters: dict[str, Any]

    @cached_property
    def network(self) -> RecurrentNetwork:
        """Linen module that `parameters` belong to; it reads sequences of any length."""
        spec = spec_of(self.task, self.encoder, lengths_differ=True)
        return RecurrentNetwork(architecture_of(self.configuration, spec))

    @cached_property
    def _apply(self) -> Callable[..., tuple[jax.Array, NetworkCarry | None]]:
        hp = hyperparameters(self.configuration, self.network.architecture.optimizers)

        def apply(
            parameters: Any, inputs: np.ndarray, lengths: np.ndarray, carry: NetworkCarry | None
        ) -> tuple[jax.Array, NetworkCarry | None]:
            x = jnp.asarray(inputs), jnp.asarray(lengths)
            outputs = self.network.apply({"params": parameters}, *x, hp, carry=carry)
            assert isinstance(outputs, Outputs)
            return outputs.per_step if self.task.per_step else outputs.last, outputs.carry

        return jax.jit(apply)

    def encoded(self, inputs: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return outputs for encoded inputs, such as those of a `Split`; see `outputs`.

        Blocks of a text are read as one text: each starts with the state after the one before.

        Args:
            inputs: Encoded inputs, `(samples, time, features)`, or tokens `(samples, time)`.
            lengths: True lengths in steps, `(samples,)`.
        """
        carry, parts, size = None, [], 1 if self.task.stateful else BATCH
        for begin in range(0, len(inputs), size):
            rows = slice(begin, begin + size)
            # The same on every device, as closely as float32 is.
            with jax.default_matmul_precision("highest"):
                part, carry = self._apply(self.parameters, inputs[rows], lengths[rows], carry)
            parts.append(jax.device_get(part))
        return np.concatenate(parts)

    def outputs(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """Return the network's outputs: logits, or values in units of the training deviation.

        Args:
            inputs: Raw inputs, `(samples, time, features)`, or texts.
            lengths: True lengths in steps, `(samples,)`; all steps by default.

        Returns:
            `(samples, outputs)`, or `(samples, time, outputs)` for a task with an answer per step.

        Raises:
            ValueError: Inputs or lengths that do not fit the network or each other.
        """
        x, true = self.encoder.encode(inputs, lengths)
        if not self.task.stateful:
            return self.encoded(x, true)
        # Texts of users have nothing to do with each other: each starts anew.
        texts = zip(x[:, None], true[:, None], strict=True)
        return np.concatenate([self.encoded(*text) for text in texts])

    def probabilities(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """Return the probability of every class or label, in the shape of `outputs`.

        Raises:
            ValueError: Bad inputs, see `outputs`, or a task without classes.
        """
        return self.task.probabilities(self.outputs(inputs, lengths))

    def predict(self, inputs: Any, lengths: Any = None) -> np.ndarray:
        """Return the task's answers: labels, or values in their own units; see `outputs`."""
        return self.task.decode(self.outputs(inputs, lengths))

    def save(self, folder: str | Path) -> None:
        """Write `configuration.json` and `parameters.npz` into a new `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True)
        configuration = self.configuration
        description = {
            "configuration": {n: "inf" if v == math.inf else v for n, v in configuration.items()},
            "task": registry.to_json(self.task),
            "encoder": self.encoder.to_json(),
        }
        (folder / CONFIGURATION).write_text(json.dumps(description, indent=2) + "\n")
        arrays: dict[str, Any] = dict(flatten_dict(self.parameters, sep="/"))
        np.savez(folder / PARAMETERS, **arrays)


def load(folder: str | Path) -> Predictor:
    """Return the predictor that `Predictor.save` wrote into `folder`.

    Raises:
        ValueError: No such folder, or one without the two files.
    """
    folder = Path(folder)
    for name in (CONFIGURATION, PARAMETERS):
        if not (folder / name).is_file():
            raise ValueError(f"`folder` is '{folder}', but must hold {name}; a run's is `best`.")
    description = json.loads((folder / CONFIGURATION).read_text())
    configuration = {
        n: math.inf if v == "inf" else v for n, v in description["configuration"].items()
    }
    with np.load(folder / PARAMETERS, allow_pickle=False) as file:
        parameters = unflatten_dict({key: file[key] for key in file.files}, sep="/")
    return Predictor(
        configuration=configuration,
        task=registry.from_json(description["task"]),
        encoder=encoding.from_json(description["encoder"]),
        parameters=parameters,
    )
