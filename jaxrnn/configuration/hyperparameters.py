"""Hyperparameters of a member, as the compiled programs of its cohort take them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.registry import HYPERPARAMETERS
from jaxrnn.types import AnyArray, Number


class Hyperparameters(NamedTuple):
    """The traced hyperparameters of one member by name, `()`.

    Names are given as positions among the choices, and 0 stands where a hyperparameter is not
    active. `optimizer` is a position in `Architecture.optimizers`.

    The fields are those that the registry calls traced, in its order, and they are written out for
    type checkers and editors, which can't see the fields of a class made at run time.
    """

    layer_norm: Number
    activation: Number
    output_activation: Number
    window_norm: Number
    hidden_size: Number
    hidden_size_2: Number
    hidden_size_3: Number
    hidden_size_4: Number
    residual: Number
    dense_before: Number
    dense_before_units: Number
    dense_before_activation: Number
    dense_after: Number
    dense_after_units: Number
    dense_after_activation: Number
    learned_start: Number
    input_dropout: Number
    dropout: Number
    recurrent_dropout: Number
    weight_decay: Number
    l2: Number
    input_noise: Number
    label_smoothing: Number
    optimizer: Number
    momentum: Number
    b1: Number
    b2: Number
    eps: Number
    learning_rate: Number
    schedule: Number
    warmup_epochs: Number
    decay_rate: Number
    decay_epochs: Number
    final_rate: Number
    plateau_factor: Number
    plateau_patience: Number
    plateau_min_delta: Number
    batch_size: Number
    batch_growth_epochs: Number
    batch_growth: Number
    clip_norm: Number
    clip_value: Number
    target_replication: Number
    tbptt_length: Number
    tbptt_overlap: Number
    tbptt_growth_epochs: Number
    tbptt_growth: Number
    crop_length: Number
    crop_at: Number
    epochs: Number
    patience: Number
    min_delta: Number

    @property
    def hidden_sizes(self) -> tuple[Number, ...]:
        """Units of all four layers, from bottom to top."""
        return self.hidden_size, self.hidden_size_2, self.hidden_size_3, self.hidden_size_4


def hyperparameters(
    configuration: Mapping[str, Any], optimizers: tuple[str, ...]
) -> Hyperparameters:
    """Convert a complete configuration to NumPy scalars of 32 bits.

    Args:
        configuration: Values of all active hyperparameters.
        optimizers: Names of optimizers, among them that of the configuration.
    """

    def number(name: str) -> Any:
        kind, value = HYPERPARAMETERS[name].kind, configuration.get(name)
        if name == "optimizer":
            return np.int32(optimizers.index(configuration["optimizer"]))
        if kind is str:
            choices = HYPERPARAMETERS[name].choices
            return np.int32(choices.index(value) if value is not None else 0)
        dtypes = {bool: np.bool_, int: np.int32, float: np.float32}
        return dtypes[kind](value if value is not None else 0)

    return Hyperparameters(*map(number, Hyperparameters._fields))


FIELDS = Hyperparameters._fields
FLOATS = tuple(name for name in FIELDS if HYPERPARAMETERS[name].kind is float)
INTEGERS = tuple(name for name in FIELDS if HYPERPARAMETERS[name].kind is not float)


class PackedHyperparameters(NamedTuple):
    """Hyperparameters as two vectors, since a device takes two arrays much faster than fifty.

    Attributes:
        floats: Values of `FLOATS`, `(..., len(FLOATS))` float32.
        integers: Values of `INTEGERS`, also of switches, `(..., len(INTEGERS))` int32.
        seed: Seed of the member, `(...)` uint32.
    """

    floats: AnyArray
    integers: AnyArray
    seed: AnyArray

    @classmethod
    def of(cls, hp: Hyperparameters, seed: AnyArray) -> "PackedHyperparameters":
        """Pack hyperparameters on the host."""

        def vector(names: tuple[str, ...], kind: type) -> np.ndarray:
            return np.stack([getattr(hp, name) for name in names], axis=-1).astype(kind)

        return cls(vector(FLOATS, np.float32), vector(INTEGERS, np.int32), seed)

    @property
    def hp(self) -> Hyperparameters:
        """The hyperparameters by name, `(...)`; the inverse of `of`."""
        parts = [*zip(FLOATS, jnp.unstack(self.floats, axis=-1), strict=True)]
        parts += zip(INTEGERS, jnp.unstack(self.integers, axis=-1), strict=True)
        return Hyperparameters(
            **{
                name: part != 0 if HYPERPARAMETERS[name].kind is bool else part
                for name, part in parts
            }
        )
