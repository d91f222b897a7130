"""Layer normalisation of a recurrent layer's maps, and its gradient (Ba et al. 2016)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.types import Array

EPSILON = 1e-5
"""Added to variances."""


class Normalised(NamedTuple):
    """A map of mean 0 and deviation 1 in every gate.

    Attributes:
        values: `(..., gates * units)`, not scaled yet.
        inverse: One over the deviation that the map had, `(..., gates)`.
    """

    values: Array
    inverse: Array


class LayerNorm(NamedTuple):
    """Normalises each gate over a member's own units; padded units stay zero and do not count.

    Gates stay side by side, `(..., gates * units)`. A TPU keeps arrays in tiles of 8 x 128, which
    an axis of four gates would fill with zeros: there gates are slices instead.

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
        """The map, normalised and scaled."""
        return self.scaled(flat, self.normalise(flat))

    def normalise(self, flat: Array) -> Normalised:
        """The map before it is scaled."""
        # Padding is zero, but without the mask it would get its share of the mean's gradient.
        mask = self._along(jnp.tile(self.mask, len(self.scale)), flat)
        centred = (flat - self._spread(self._means(flat * mask))) * mask
        inverse = jax.lax.rsqrt(self._means(centred**2) + EPSILON)
        return Normalised(centred * self._spread(inverse), inverse)

    def scaled(self, flat: Array, normalised: Normalised) -> Array:
        """What the layer goes on with, of a map and the same normalised."""
        scale = self._along(self.scale.reshape(-1), flat)
        return jnp.where(self.wanted, normalised.values * scale, flat)

    def backwards(self, gradient: Array, normalised: Normalised) -> Array:
        """The gradient of the map from that of `scaled`."""
        y, g = normalised.values, gradient * self._along(self.scale.reshape(-1), gradient)
        own = g - self._spread(self._means(g)) - y * self._spread(self._means(g * y))
        mask = self._along(jnp.tile(self.mask, len(self.scale)), gradient)
        own = own * self._spread(normalised.inverse) * mask
        return jnp.where(self.wanted, own, gradient)

    def of_scale(self, gradient: Array, normalised: Normalised) -> Array:
        """The gradient of `scale` from that of `scaled`, of `(time, batch, gates * units)`."""
        summed = (gradient * normalised.values).sum((0, 1)).reshape(self.scale.shape)
        return jnp.where(self.wanted, summed, 0.0)

    def _means(self, flat: Array) -> Array:
        """Of each gate over the member's units, `(..., gates)`."""
        sums = jax.lax.platform_dependent(flat, tpu=self._sums_by_slices, default=self._sums)
        return sums / self.units.astype(flat.dtype)

    def _spread(self, values: Array) -> Array:
        """Values of each gate `(..., gates)` for all its units, `(..., gates * units)`."""
        return jax.lax.platform_dependent(
            values, tpu=self._spread_by_slices, default=self._spread_by_axis
        )

    def _sums(self, flat: Array) -> Array:
        return flat.reshape(*flat.shape[:-1], *self.scale.shape).sum(-1)

    def _sums_by_slices(self, flat: Array) -> Array:
        gates = jnp.split(flat, len(self.scale), axis=-1)
        return jnp.concatenate([gate.sum(-1, keepdims=True) for gate in gates], axis=-1)

    def _spread_by_axis(self, values: Array) -> Array:
        shape = *values.shape[:-1], *self.scale.shape
        return jnp.broadcast_to(values[..., None], shape).reshape(*values.shape[:-1], -1)

    def _spread_by_slices(self, values: Array) -> Array:
        shape = *values.shape[:-1], self.scale.shape[-1]
        gates = jnp.split(values, len(self.scale), axis=-1)
        return jnp.concatenate([jnp.broadcast_to(gate, shape) for gate in gates], axis=-1)

    def _along(self, values: Array, x: Array) -> Array:
        """With axes of length 1 in front, as many as `x` has more."""
        return values.reshape((1,) * (x.ndim - values.ndim) + values.shape)
