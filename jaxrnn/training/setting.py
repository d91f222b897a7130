"""What a run reads and never changes, in as few arrays as can be."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxrnn.configuration.entries import ENTRIES
from jaxrnn.configuration.hyperparameters import Hyperparameters
from jaxrnn.types import AnyArray

FIELDS = Hyperparameters._fields
FLOATS = tuple(name for name in FIELDS if ENTRIES[name].kind is float)
INTEGERS = tuple(name for name in FIELDS if ENTRIES[name].kind is not float)


class Setting(NamedTuple):
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
    def of(cls, numbers: Hyperparameters, seed: AnyArray) -> "Setting":
        """The setting of these numbers, on the host."""

        def vector(names: tuple[str, ...], kind: type) -> np.ndarray:
            return np.stack([getattr(numbers, name) for name in names], axis=-1).astype(kind)

        return cls(vector(FLOATS, np.float32), vector(INTEGERS, np.int32), seed)

    @property
    def numbers(self) -> Hyperparameters:
        """Each by its name, `(...)`."""
        parts = [*zip(FLOATS, jnp.unstack(self.floats, axis=-1), strict=True)]
        parts += zip(INTEGERS, jnp.unstack(self.integers, axis=-1), strict=True)
        return Hyperparameters(
            **{name: part != 0 if ENTRIES[name].kind is bool else part for name, part in parts}
        )
