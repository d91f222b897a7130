"""Many members in one compiled program: lanes under `vmap`, waves in a loop, rows over a mesh.

Population arrays have the shape `(rows, lanes, ...)`, see `jaxrnn.population.layout`. Which rows
run are numbers, not a shape: whoever is due, it is the same program for fewer or more waves.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from jax.stages import Compiled, Wrapped

from jaxrnn.configuration.hyperparameters import PackedHyperparameters
from jaxrnn.configuration.optimizers import OPTIMIZERS
from jaxrnn.population.devices import REPLICATED, SHARDED
from jaxrnn.population.layout import Layout, Waves
from jaxrnn.population.options import Options
from jaxrnn.training.batches import Batches, Piece, Samples
from jaxrnn.training.member import Member, MemberState
from jaxrnn.types import AnyArray, Array

KEPT = 16
"""Programs, two of each cohort."""


@dataclass(frozen=True)
class Request:
    """A request for a program; two are equal if their programs are.

    Attributes:
        key: All that the program depends on but `settings`.
        compile: Compiles it; holds shapes, never arrays.
        settings: JAX's configuration, as this thread has it.
    """

    key: Hashable
    compile: Callable[[], Compiled] = field(compare=False)
    settings: Hashable = field(default_factory=lambda: tuple(jax.config.values.items()))


@lru_cache(KEPT)
def compiled(request: Request) -> Compiled:
    """The program, of an equal request if that is among the last `KEPT` different ones."""
    return request.compile()


Tree = TypeVar("Tree")
LOWERING = Lock()
"""Held by the thread that lowers a program: two that trace one function of JAX at the same time
get two copies of it, and the program would be another to the cache on disk."""


def in_waves(
    layout: Layout, one: Callable[[Any, Tree], Tree]
) -> Callable[[Waves, Any, Tree], Tree]:
    """Lift `one`, a function of one member, to the rows of one device.

    Args:
        layout: Says how many lanes run side by side.
        one: From what a member only reads and what it carries to what it carries next.

    Returns:
        A function of a device's share of a turn and the same two for `(waves, lanes, ...)`; rows
        that the turn leaves out carry on unchanged.
    """

    def row(read: Any, carried: Tree) -> Tree:
        if layout.lanes > 1:
            return jax.vmap(one)(read, carried)
        # A lane alone runs the member's own program: a solo run's bits, and conditions that skip.
        read, carried = jax.tree.map(lambda leaf: leaf[0], (read, carried))
        return jax.tree.map(lambda leaf: leaf[None], one(read, carried))

    def run(turn: Waves, read: Any, carried: Tree) -> Tree:
        def wave(number: Array, carried: Tree) -> Tree:
            index = turn.order[0, number]
            new = row(*jax.tree.map(lambda leaf: leaf[index], (read, carried)))
            return jax.tree.map(lambda rows, row: rows.at[index].set(row), carried, new)

        return jax.lax.fori_loop(turn.bounds[0, 0], turn.bounds[0, 1], wave, carried)

    return run


def compile_train(
    member: Member,
    layout: Layout,
    options: Options,
    packed: PackedHyperparameters,
    state: MemberState,
    samples: Samples,
    validation: Batches,
    piece: Piece,
) -> Compiled:
    """Compile what trains a cohort of `member` in `layout`.

    (state, setting, turn, samples, validation, piece) -> state a piece of an epoch later; the old
    one's buffers are reused.

    Args:
        member: The run to lift.
        layout: Where its members live.
        options: How to compile.
        packed: Of all members, as it lies on the devices; only shapes and types count.
        state: Likewise.
        samples: Training data, likewise.
        validation: An evaluation split, likewise.
        piece: Steps of an epoch of `samples`, likewise.
    """
    given = state, packed, layout.wave_shapes(), samples, validation, piece
    return _compiled(train_program, member, layout, options, given)


def compile_evaluate(
    member: Member,
    layout: Layout,
    options: Options,
    packed: PackedHyperparameters,
    state: MemberState,
    batches: Batches,
) -> Compiled:
    """Compile what evaluates it; arguments as of `compile_train`.

    (state, setting, turn, batches) -> metrics `(rows, lanes, metrics)`, NaN in rows that did not
    run.
    """
    given = state, packed, layout.wave_shapes(), batches
    return _compiled(evaluate_program, member, layout, options, given)


def train_program(member: Member, layout: Layout, options: Options) -> Wrapped:
    """What `compile_train` compiles, before it knows any shapes."""
    return jax.jit(_train(member.unrolled(options.unroll), layout), donate_argnums=0)


def evaluate_program(member: Member, layout: Layout, options: Options) -> Wrapped:
    """What `compile_evaluate` compiles, before it knows any shapes."""
    return jax.jit(_evaluate(member.unrolled(options.unroll), layout))


def _compiled(
    program: Callable[[Member, Layout, Options], Wrapped],
    member: Member,
    layout: Layout,
    options: Options,
    given: Any,
) -> Compiled:
    shapes = jax.tree.map(_shape, given)

    def compile() -> Compiled:
        with LOWERING:
            lowered = program(member, layout, options).lower(*shapes)
        return lowered.compile(compiler_options=options.for_xla(layout.mesh))

    step = member.step
    if not OPTIMIZERS.keys() >= {*step.architecture.optimizers}:
        return compile()  # the user's own factory may have changed
    run = step.architecture, step.task, member.microbatch, member.in_pieces
    leaves, structure = jax.tree.flatten(shapes)
    return compiled(Request((program, run, layout, options, structure, *leaves), compile))


def _shape(leaf: AnyArray | jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
    sharding = getattr(leaf, "sharding", None)
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _train(member: Member, layout: Layout) -> Callable[..., Any]:
    def train(
        state: MemberState,
        packed: PackedHyperparameters,
        turn: Waves,
        samples: Samples,
        validation: Batches,
        piece: Piece,
    ) -> MemberState:
        def one(read: tuple[PackedHyperparameters, Array], state: MemberState) -> MemberState:
            setting, due = read
            return member.train(setting, state, due, samples, validation, piece)

        return in_waves(layout, one)(turn, (packed, turn.active), state)

    specs = SHARDED, SHARDED, SHARDED, REPLICATED, REPLICATED, REPLICATED
    return _over_devices(train, layout, specs)


def _evaluate(member: Member, layout: Layout) -> Callable[..., Any]:
    def evaluate(
        state: MemberState, packed: PackedHyperparameters, turn: Waves, batches: Batches
    ) -> Array:
        def one(read: tuple[PackedHyperparameters, MemberState], _: Array) -> Array:
            return member.evaluate(*read, batches)

        count = len(member.step.task.metrics) + 1
        metrics = jnp.full((*state.epochs.shape, count), jnp.nan)
        return in_waves(layout, one)(turn, (packed, state), metrics)

    return _over_devices(evaluate, layout, (SHARDED, SHARDED, SHARDED, REPLICATED))


def _over_devices(
    function: Callable[..., Any], layout: Layout, specs: tuple[PartitionSpec, ...]
) -> Callable[..., Any]:
    """Run `function` on every device's own rows; members never talk, so no collectives."""
    return jax.shard_map(
        function, mesh=layout.mesh, in_specs=specs, out_specs=SHARDED, check_vma=False
    )
