"""The numbers of `jax.random.uniform`, bit for bit, as one piece of arithmetic.

On a CPU JAX computes Threefry in a loop of five turns, each of some twenty operations that are
started one by one. For the few hundred numbers of a dropout mask starting them is all that counts.
"""

import math

import jax
import jax.numpy as jnp

from jaxrnn.types import Array, Key, Shape

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA


def uniform(key: Key, shape: Shape) -> Array:
    """Numbers from 0 to below 1, the same as from `jax.random.uniform` with a Threefry key."""
    first, second = threefry(jax.random.key_data(key), jnp.arange(math.prod(shape), dtype="uint32"))
    # 23 random bits behind the exponent of 1.
    mantissa = ((first ^ second) >> 9) | jnp.uint32(0x3F800000)
    return (jax.lax.bitcast_convert_type(mantissa, jnp.float32) - 1.0).reshape(shape)


def threefry(key: Array, count: Array) -> tuple[Array, Array]:
    """Threefry-2x32 with 20 rounds (Salmon et al. 2011) of the counters (0, `count`).

    Args:
        key: `(2,)` uint32.
        count: `(n,)` uint32.
    """
    keys = key[0], key[1], key[0] ^ key[1] ^ jnp.uint32(PARITY)
    x, y = jnp.broadcast_to(keys[0], count.shape), count + keys[1]
    for turn in range(5):
        for rotation in ROTATIONS[turn % 2]:
            x = x + y
            y = ((y << rotation) | (y >> (32 - rotation))) ^ x
        x = x + keys[(turn + 1) % 3]
        y = y + keys[(turn + 2) % 3] + jnp.uint32(turn + 1)
    return x, y
