"""Layer normalisation of a recurrent layer's maps, and its gradient (Ba et al. 2016)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxrnn.types import Array

EPSILON = 1e-5
"""Added to variances."""


class Normalised(NamedTuple):
    """A map of mean 0 and standard deviation 1 in every gate.

    Attributes:
        values: Normalised values before they are scaled, `(..., gates * units)`.
        inverse: One over the standard deviation of the map, `(..., gates)`.
    """

    values: Array
    inverse: Array


class LayerNorm(NamedTuple):
    """Normalisation of each gate over a member's true units; padded units stay 0 and don't count.

    Gates stay side by side, `(..., gates * units)`. A TPU keeps arrays in tiles of 8 x 128, which
    an axis of four gates would fill with zeros: there gates are slices instead.

    Attributes:
        enabled: True if the member normalises; otherwise nothing changes, `()` bool.
        units: True units of the member, `()`.
        mask: 1 for true units and 0 for padding, `(units,)`.
        scale: Learned scales, `(gates, units)`.
    """

    enabled: Array
    units: Array
    mask: Array
    scale: Array

    def __call__(self, flat: Array) -> Array:
        """Normalise and scale a map `(..., gates * units)`."""
        return self.scaled(flat, self.normalise(flat))

    def normalise(self, flat: Array) -> Normalised:
        """Normalise a map without scaling it."""
        # Padding is zero, but without the mask it would get its share of the mean's gradient.
        mask = self._along(jnp.tile(self.mask, len(self.scale)), flat)
        centred = (flat - self._expand(self._means(flat * mask))) * mask
        inverse = jax.lax.rsqrt(self._means(centred**2) + EPSILON)
        return Normalised(centred * self._expand(inverse), inverse)

    def scaled(self, flat: Array, normalised: Normalised) -> Array:
        """Scale a normalised map, or return the map itself if the member does not normalise."""
        scale = self._along(self.scale.reshape(-1), flat)
        return jnp.where(self.enabled, normalised.values * scale, flat)

    def backwards(self, gradient: Array, normalised: Normalised) -> Array:
        """Compute the gradient of the map from that of `scaled`."""
        y, g = normalised.values, gradient * self._along(self.scale.reshape(-1), gradient)
        centred = g - self._expand(self._means(g)) - y * self._expand(self._means(g * y))
        mask = self._along(jnp.tile(self.mask, len(self.scale)), gradient)
        through = centred * self._expand(normalised.inverse) * mask
        return jnp.where(self.enabled, through, gradient)

    def scale_gradient(self, gradient: Array, normalised: Normalised) -> Array:
        """Compute the gradient of `scale` from that of `scaled`, `(time, batch, gates * units)`."""
        summed = (gradient * normalised.values).sum((0, 1)).reshape(self.scale.shape)
        return jnp.where(self.enabled, summed, 0.0)

    def _means(self, flat: Array) -> Array:
        """Average each gate over the member's units, `(..., gates)`."""
        sums = jax.lax.platform_dependent(flat, tpu=self._sums_by_slices, default=self._sums)
        return sums / self.units.astype(flat.dtype)

    def _expand(self, values: Array) -> Array:
        """Repeat the value of each gate `(..., gates)` for its units, `(..., gates * units)`."""
        return jax.lax.platform_dependent(
            values, tpu=self._expand_by_slices, default=self._expand_by_axis
        )

    def _sums(self, flat: Array) -> Array:
        return flat.reshape(*flat.shape[:-1], *self.scale.shape).sum(-1)

    def _sums_by_slices(self, flat: Array) -> Array:
        gates = jnp.split(flat, len(self.scale), axis=-1)
        return jnp.concatenate([gate.sum(-1, keepdims=True) for gate in gates], axis=-1)

    def _expand_by_axis(self, values: Array) -> Array:
        shape = *values.shape[:-1], *self.scale.shape
        return jnp.broadcast_to(values[..., None], shape).reshape(*values.shape[:-1], -1)

    def _expand_by_slices(self, values: Array) -> Array:
        shape = *values.shape[:-1], self.scale.shape[-1]
        gates = jnp.split(values, len(self.scale), axis=-1)
        return jnp.concatenate([jnp.broadcast_to(gate, shape) for gate in gates], axis=-1)

    def _along(self, values: Array, x: Array) -> Array:
        """Add axes of length 1 in front, up to as many as `x` has."""
        return values.reshape((1,) * (x.ndim - values.ndim) + values.shape)
