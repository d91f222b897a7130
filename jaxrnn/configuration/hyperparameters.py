"""Hyperparameters of a member: numbers that its cohort's programs take as arguments."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.registry import HYPERPARAMETERS
from jaxrnn.types import AnyArray, Number


class Hyperparameters(NamedTuple):
    """One entry of the configuration each, by the same name, `()`.

    Names are given as positions among their entry's choices, and 0 stands where an entry is not
    active. `optimizer` is a position in `Architecture.optimizers`.
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
        """Units of layer after layer."""
        return self.hidden_size, self.hidden_size_2, self.hidden_size_3, self.hidden_size_4


def hyperparameters(entries: Mapping[str, Any], optimizers: tuple[str, ...]) -> Hyperparameters:
    """The numbers of a complete configuration, as NumPy scalars of 32 bits.

    Args:
        entries: The active entries.
        optimizers: Names, of which the configuration's is one.
    """

    def number(name: str) -> Any:
        entry, value = HYPERPARAMETERS[name], entries.get(name)
        if name == "optimizer":
            return np.int32(optimizers.index(entries["optimizer"]))
        if entry.kind is str:
            return np.int32(entry.choices.index(value) if value is not None else 0)
        kinds = {bool: np.bool_, int: np.int32, float: np.float32}
        return kinds[entry.kind](value if value is not None else 0)

    return Hyperparameters(*map(number, Hyperparameters._fields))


FIELDS = Hyperparameters._fields
FLOATS = tuple(name for name in FIELDS if HYPERPARAMETERS[name].kind is float)
INTEGERS = tuple(name for name in FIELDS if HYPERPARAMETERS[name].kind is not float)


class PackedHyperparameters(NamedTuple):
    """Hyperparameters as two vectors, since a device takes two arrays much faster than fifty.

    Attributes:
        floats: Of `FLOATS`, `(..., len(FLOATS))` float32.
        integers: Of `INTEGERS`, `(..., len(INTEGERS))` int32; those that are true or false too.
        seed: `(...)` uint32.
    """

    floats: AnyArray
    integers: AnyArray
    seed: AnyArray

    @classmethod
    def of(cls, hp: Hyperparameters, seed: AnyArray) -> "PackedHyperparameters":
        """The setting of these numbers, on the host."""

        def vector(names: tuple[str, ...], kind: type) -> np.ndarray:
            return np.stack([getattr(hp, name) for name in names], axis=-1).astype(kind)

        return cls(vector(FLOATS, np.float32), vector(INTEGERS, np.int32), seed)

    @property
    def hp(self) -> Hyperparameters:
        """Each by its name, `(...)`."""
        parts = [*zip(FLOATS, jnp.unstack(self.floats, axis=-1), strict=True)]
        parts += zip(INTEGERS, jnp.unstack(self.integers, axis=-1), strict=True)
        return Hyperparameters(
            **{
                name: part != 0 if HYPERPARAMETERS[name].kind is bool else part
                for name, part in parts
            }
        )
