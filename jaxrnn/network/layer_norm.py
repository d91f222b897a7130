"""Layer normalisation of a recurrent layer's maps, and its gradient (Ba et al. 2016)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.types import Array

EPSILON = 1e-5
"""Added to variances."""


class Normalised(NamedTuple):
    """A map `(..., gates * units)` of mean 0 and deviation 1 in every gate.

    Attributes:
        values: `(..., gates * units)`, not scaled yet.
        inverse: One over the deviation that the map had, `(..., gates)`.
    """

    values: Array
    inverse: Array


class LayerNorm(NamedTuple):
    """Normalises each gate over a member's own units; padded units stay zero and do not count.

    Attributes:
        wanted: `()` bool; without it nothing is changed.
        units: `()`, how many units are the member's own.
        mask: `(units,)`, 1 for these and 0 for padding.
        scale: `(gates, units)`.
    """

    wanted: Array
    units: Array
    mask: Array
    scale: Array

    def __call__(self, flat: Array) -> Array:
        """The map `(..., gates * units)`, normalised and scaled."""
        return self.scaled(flat, self.normalise(flat))

    def normalise(self, flat: Array) -> Normalised:
        """The map before it is scaled."""
        x = self._by_gate(flat)
        # Padding is zero, but without the mask it would get its share of the mean's gradient.
        centred = (x - self._mean(x * self._along(self.mask, x))) * self._along(self.mask, x)
        inverse = jax.lax.rsqrt(self._mean(centred**2) + EPSILON)
        return Normalised((centred * inverse).reshape(flat.shape), inverse[..., 0])

    def scaled(self, flat: Array, normalised: Normalised) -> Array:
        """What the layer goes on with, of a map and the same normalised."""
        scale = self._along(self.scale.reshape(-1), flat)
        return jnp.where(self.wanted, normalised.values * scale, flat)

    def backwards(self, gradient: Array, normalised: Normalised) -> Array:
        """The gradient of the map from that of `scaled`, `(..., gates * units)`."""
        y, g = self._by_gate(normalised.values), self._by_gate(gradient)
        g = g * self._along(self.scale, g)
        own = (g - self._mean(g) - y * self._mean(g * y)) * normalised.inverse[..., None]
        own = own * self._along(self.mask, own)
        return jnp.where(self.wanted, own.reshape(gradient.shape), gradient)

    def of_scale(self, gradient: Array, normalised: Normalised) -> Array:
        """The gradient of `scale` from that of `scaled`, of `(time, batch, gates * units)`."""
        summed = (gradient * normalised.values).sum((0, 1)).reshape(self.scale.shape)
        return jnp.where(self.wanted, summed, 0.0)

    def _along(self, values: Array, x: Array) -> Array:
        """With axes of length 1 in front, as many as `x` has more."""
        return values.reshape((1,) * (x.ndim - values.ndim) + values.shape)

    def _by_gate(self, flat: Array) -> Array:
        return flat.reshape(*flat.shape[:-1], *self.scale.shape)

    def _mean(self, x: Array) -> Array:
        return x.sum(-1, keepdims=True) / self.units.astype(x.dtype)
