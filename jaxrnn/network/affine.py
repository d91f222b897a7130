"""The map x W + b of a sequence, with gradients for all times at once."""

import jax
import jax.numpy as jnp

from jaxrnn.types import Array


@jax.custom_vjp
def affine(x: Array, kernel: Array, bias: Array) -> Array:
    """`(time, batch, outputs)` of x `(time, batch, inputs)` with a bias `(outputs,)`."""
    return x @ kernel + bias.reshape(1, 1, -1)


def kernel_gradient(x: Array, gradient: Array) -> Array:
    """`(inputs, outputs)` from x `(time, batch, inputs)` and that of x W `(time, batch, outputs)`.

    As `jnp.einsum` has it, of which JAX keeps a trace for each call, as long as the process lives.
    """
    return jax.lax.dot_general(x, gradient, (((1, 0), (1, 0)), ((), ())))


def _forwards(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return affine(x, kernel, bias), (x, kernel)


def _backwards(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    x, kernel = saved
    # A column of ones makes the gradient of the bias a row of that of the kernel: on a TPU one
    # product over all times takes less than that and a sum.
    widened = jnp.concatenate([x, jnp.ones_like(x[..., :1])], axis=-1)
    both = kernel_gradient(widened, gradient)
    # In JAX 0.7 a row at -1 is a gather under `vmap`, a slice is none.
    return gradient @ kernel.T, both[:-1], both[-1:].reshape(-1)


affine.defvjp(_forwards, _backwards)
