"""Many members in one compiled program: lanes under `vmap`, waves in a loop, rows over a mesh.

Population arrays have the shape `(rows, lanes, ...)`, see `jaxrnn.layout`. Which rows run is a
number, not a shape: a rung with fewer survivors runs the same program for fewer waves.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from jaxrnn.devices import REPLICATED, SHARDED, replicated, sharded
from jaxrnn.layout import Layout
from jaxrnn.member import METRICS, Batches, Member, Samples, State
from jaxrnn.optimizer import Hyperparameters
from jaxrnn.types import Array, Parameters

Tree = TypeVar("Tree")


def in_waves(
    layout: Layout, one: Callable[[Any, Tree], Tree]
) -> Callable[[Array, Any, Tree], Tree]:
    """Lift `one`, a function of one member, to the rows of one device.

    Args:
        layout: Says how many lanes run side by side.
        one: From what a member only reads and what it carries to what it carries next.

    Returns:
        A function of the range `(1, 2)` of rows to run and the same two for `(waves, lanes, ...)`;
        other rows carry on unchanged.
    """

    def row(read: Any, carried: Tree) -> Tree:
        if layout.lanes > 1:
            return jax.vmap(one)(read, carried)
        # A lane alone runs the member's own program: no batched arithmetic, a solo run's bits.
        read, carried = jax.tree.map(lambda leaf: leaf[0], (read, carried))
        return jax.tree.map(lambda leaf: leaf[None], one(read, carried))

    def run(rows: Array, read: Any, carried: Tree) -> Tree:
        def wave(index: Array, carried: Tree) -> Tree:
            new = row(*jax.tree.map(lambda leaf: leaf[index], (read, carried)))
            return jax.tree.map(lambda rows, row: rows.at[index].set(row), carried, new)

        return jax.lax.fori_loop(rows[0, 0], rows[0, 1], wave, carried)

    return run


class Programs(NamedTuple):
    """The four compiled programs of a cohort; nothing else of it is ever compiled.

    Attributes:
        start: (parameters, hyperparameters, seeds) -> state.
        train: (state, rows to run, samples, order seed, epochs behind, epochs ahead) -> state;
            the old one's buffers are reused.
        evaluate: (state, rows to run, batches) -> metrics `(rows, lanes, metrics)`.
        gather: (state, source) -> state with lane k taken from the flat position source[k].
    """

    start: Callable[[Parameters, Hyperparameters, Array], State]
    train: Callable[[State, Array, Samples, Array, Array, Array], State]
    evaluate: Callable[[State, Array, Batches], Array]
    gather: Callable[[State, Array], State]


def compile_programs(
    member: Member, layout: Layout, arguments: tuple[Any, Any, Any], samples: Samples, batches: Any
) -> Programs:
    """Compile everything that a cohort of `member` in `layout` will run.

    Args:
        member: The run to lift.
        layout: Where its members live.
        arguments: Example of what `start` takes; only shapes and types count.
        samples: The training split as it lies on the devices.
        batches: An evaluation split as it lies on the devices.
    """
    by_row, whole = sharded(layout.mesh), replicated(layout.mesh)
    number = jax.ShapeDtypeStruct((), jnp.int32, sharding=whole)
    seed = jax.ShapeDtypeStruct((), jnp.uint32, sharding=whole)
    rows = jax.ShapeDtypeStruct((layout.mesh.size, 2), jnp.int32, sharding=by_row)
    source = jax.ShapeDtypeStruct(layout.shape, jnp.int32, sharding=by_row)

    start = jax.jit(jax.vmap(jax.vmap(member.start)), out_shardings=by_row)
    state = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=by_row),
        jax.eval_shape(start, *arguments),
    )
    train = jax.jit(_train(member, layout), donate_argnums=0)
    evaluate = jax.jit(_evaluate(member, layout))
    gather = jax.jit(_gather, out_shardings=by_row)
    return Programs(
        start=start.lower(*arguments).compile(),
        train=train.lower(state, rows, samples, seed, number, number).compile(),
        evaluate=evaluate.lower(state, rows, batches).compile(),
        gather=gather.lower(state, source).compile(),
    )


def _train(member: Member, layout: Layout) -> Callable[..., Any]:
    def train(
        state: State, rows: Array, samples: Samples, seed: Array, behind: Array, ahead: Array
    ) -> State:
        def one(_: None, state: State) -> State:
            return member.train(state, samples, seed, behind, ahead)

        return in_waves(layout, one)(rows, None, state)

    specs = SHARDED, SHARDED, REPLICATED, REPLICATED, REPLICATED, REPLICATED
    return _over_devices(train, layout, specs)


def _evaluate(member: Member, layout: Layout) -> Callable[..., Any]:
    def evaluate(state: State, rows: Array, batches: Batches) -> Array:
        def one(state: State, _: Array) -> Array:
            return member.evaluate(state, batches)

        metrics = jnp.full((*state.diverged.shape, len(METRICS)), jnp.nan)
        return in_waves(layout, one)(rows, state, metrics)

    return _over_devices(evaluate, layout, (SHARDED, SHARDED, REPLICATED))


def _gather(state: State, source: Array) -> State:
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[source], state)


def _over_devices(
    function: Callable[..., Any], layout: Layout, specs: tuple[PartitionSpec, ...]
) -> Callable[..., Any]:
    """Run `function` on every device's own rows; members never talk, so no collectives."""
    return jax.shard_map(
        function, mesh=layout.mesh, in_specs=specs, out_specs=SHARDED, check_vma=False
    )
