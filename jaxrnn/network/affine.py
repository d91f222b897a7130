"""The affine map of all time steps at once, with gradients that are one product each."""

import jax
import jax.numpy as jnp

from jaxrnn.types import Array


@jax.custom_vjp
def affine(x: Array, kernel: Array, bias: Array) -> Array:
    """Map x `(time, batch, inputs)` to x W + b `(time, batch, outputs)`; the bias is `(outputs,)`.

    Its gradients are computed for all times at once.
    """
    return x @ kernel + bias.reshape(1, 1, -1)


def kernel_gradient(x: Array, gradient: Array) -> Array:
    """Compute the gradient `(inputs, outputs)` of a kernel from that of its map.

    It is what `jnp.einsum` computes, of which JAX keeps a trace for each call, as long as the
    process lives.

    Args:
        x: Inputs of the map, `(time, batch, inputs)`.
        gradient: Gradient of the map, `(time, batch, outputs)`.
    """
    return jax.lax.dot_general(x, gradient, (((1, 0), (1, 0)), ((), ())))


def _affine_forwards(x: Array, kernel: Array, bias: Array) -> tuple[Array, tuple[Array, Array]]:
    return affine(x, kernel, bias), (x, kernel)


def _affine_backwards(saved: tuple[Array, Array], gradient: Array) -> tuple[Array, Array, Array]:
    x, kernel = saved
    of_kernel, of_bias = jax.lax.platform_dependent(
        x, gradient, cpu=_gradients_of_rows, default=_gradients_at_once
    )
    return gradient @ kernel.T, of_kernel, of_bias


def _gradients_at_once(x: Array, gradient: Array) -> tuple[Array, Array]:
    """Compute the gradients of kernel and bias from that of their map.

    A column of ones makes the gradient of the bias a row of that of the kernel: on a TPU one
    product over all times takes less than that and a sum.
    """
    widened = jnp.concatenate([x, jnp.ones_like(x[..., :1])], axis=-1)
    both = kernel_gradient(widened, gradient)
    # In JAX 0.7 a row at -1 is a gather under `vmap`, a slice is none.
    return both[:-1], both[-1:].reshape(-1)


def _gradients_of_rows(x: Array, gradient: Array) -> tuple[Array, Array]:
    """Compute the same as two products of matrices, each over rows of all times.

    A CPU copies for a product over two axes, and would compute `gradient` anew for each copy of it.
    """
    rows = gradient.reshape(-1, gradient.shape[-1])
    kernel = x.reshape(len(rows), -1).T @ rows
    return kernel, (jnp.ones((1, len(rows)), rows.dtype) @ rows).reshape(-1)


affine.defvjp(_affine_forwards, _affine_backwards)
