"""Many members in one compiled program: lanes under `vmap`, waves in a loop, rows over a mesh.

Population arrays have the shape `(rows, lanes, ...)`, see `jaxrnn.population.layout`. Which rows
run is a number, not a shape: a rung with fewer survivors runs the same program for fewer waves.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from jaxrnn.population.devices import REPLICATED, SHARDED, sharded
from jaxrnn.population.layout import Layout
from jaxrnn.training.member import Member, State
from jaxrnn.training.samples import Batches, Piece, Samples
from jaxrnn.training.step import Setting
from jaxrnn.types import Array

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
        # A lane alone runs the member's own program: a solo run's bits, and conditions that skip.
        read, carried = jax.tree.map(lambda leaf: leaf[0], (read, carried))
        return jax.tree.map(lambda leaf: leaf[None], one(read, carried))

    def run(rows: Array, read: Any, carried: Tree) -> Tree:
        def wave(index: Array, carried: Tree) -> Tree:
            new = row(*jax.tree.map(lambda leaf: leaf[index], (read, carried)))
            return jax.tree.map(lambda rows, row: rows.at[index].set(row), carried, new)

        return jax.lax.fori_loop(rows[0, 0], rows[0, 1], wave, carried)

    return run


class Programs(NamedTuple):
    """The two compiled programs of a cohort; nothing else of it is ever compiled.

    Attributes:
        train: (state, setting, rows to run, samples, validation, piece) -> state a piece of an
            epoch later; the old one's buffers are reused.
        evaluate: (state, setting, rows to run, batches) -> metrics `(rows, lanes, metrics)`.
    """

    train: Callable[[State, Setting, Array, Samples, Batches, Piece], State]
    evaluate: Callable[[State, Setting, Array, Batches], Array]


def compile_programs(
    member: Member,
    layout: Layout,
    state: State,
    setting: Setting,
    samples: Samples,
    batches: Batches,
    piece: Piece,
) -> Programs:
    """Compile everything that a cohort of `member` in `layout` will run.

    Args:
        member: The run to lift.
        layout: Where its members live.
        state: Of all members, as it lies on the devices; only shapes and types count.
        setting: Likewise.
        samples: Training data as it lies on the devices.
        batches: An evaluation split as it lies on the devices.
        piece: Steps of an epoch of `samples`, likewise.
    """
    rows = jax.ShapeDtypeStruct((layout.mesh.size, 2), jnp.int32, sharding=sharded(layout.mesh))
    train = jax.jit(_train(member, layout), donate_argnums=0)
    evaluate = jax.jit(_evaluate(member, layout))
    return Programs(
        train=train.lower(state, setting, rows, samples, batches, piece).compile(),
        evaluate=evaluate.lower(state, setting, rows, batches).compile(),
    )


def _train(member: Member, layout: Layout) -> Callable[..., Any]:
    def train(
        state: State,
        setting: Setting,
        rows: Array,
        samples: Samples,
        validation: Batches,
        piece: Piece,
    ) -> State:
        def one(setting: Setting, state: State) -> State:
            return member.train(setting, state, samples, validation, piece)

        return in_waves(layout, one)(rows, setting, state)

    specs = SHARDED, SHARDED, SHARDED, REPLICATED, REPLICATED, REPLICATED
    return _over_devices(train, layout, specs)


def _evaluate(member: Member, layout: Layout) -> Callable[..., Any]:
    def evaluate(state: State, setting: Setting, rows: Array, batches: Batches) -> Array:
        def one(read: tuple[Setting, State], _: Array) -> Array:
            return member.evaluate(*read, batches)

        count = len(member.step.task.metrics) + 1
        metrics = jnp.full((*state.epochs.shape, count), jnp.nan)
        return in_waves(layout, one)(rows, (setting, state), metrics)

    return _over_devices(evaluate, layout, (SHARDED, SHARDED, SHARDED, REPLICATED))


def _over_devices(
    function: Callable[..., Any], layout: Layout, specs: tuple[PartitionSpec, ...]
) -> Callable[..., Any]:
    """Run `function` on every device's own rows; members never talk, so no collectives."""
    return jax.shard_map(
        function, mesh=layout.mesh, in_specs=specs, out_specs=SHARDED, check_vma=False
    )
