"""Many members in one compiled program: lanes under `vmap`, waves in a loop, rows over a mesh.

Population arrays have the shape `(rows, lanes, ...)`, see `jaxrnn.population.layout`. Which rows
run are numbers, not a shape: it is the same program for fewer or more waves, of any members.
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
from jaxrnn.training.batches import Batches, RaggedSamples, Segment
from jaxrnn.training.member import Member, MemberState
from jaxrnn.types import AnyArray, Array

MAX_PROGRAMS = 16
"""Most programs that are cached for other trainers, two of each cohort."""


@dataclass(frozen=True)
class Request:
    """A request for a program; two are equal if their programs are.

    Attributes:
        key: Everything that the program depends on but `settings`.
        compile: Function that compiles it; it holds shapes, never arrays.
        settings: Configuration of JAX, as this thread has it.
    """

    key: Hashable
    compile: Callable[[], Compiled] = field(compare=False)
    settings: Hashable = field(default_factory=lambda: tuple(jax.config.values.items()))


@lru_cache(MAX_PROGRAMS)
def compiled(request: Request) -> Compiled:
    """Return the program of an equal request among the last `MAX_PROGRAMS`, or a new one."""
    return request.compile()


Tree = TypeVar("Tree")
LOWERING = Lock()
"""Lock of the thread that lowers a program: two that trace one function of JAX at the same time
get two copies of it, and the program would be another to the cache on disk."""


def over_waves(
    layout: Layout, function: Callable[[Any, Tree], Tree]
) -> Callable[[Waves, Any, Tree], Tree]:
    """Lift a function of one member to the rows of one device.

    Args:
        layout: Layout that says how many lanes run side by side.
        function: Function from what a member only reads and what it carries to what it carries
            next.

    Returns:
        A function of a device's share of a turn and the same two for `(waves, lanes, ...)`; rows
        that the turn leaves out stay unchanged.
    """

    def row(read: Any, carried: Tree) -> Tree:
        if layout.lanes > 1:
            return jax.vmap(function)(read, carried)
        # A single lane runs the member's own program: a solo run's bits, and conditions that skip.
        read, carried = jax.tree.map(lambda leaf: leaf[0], (read, carried))
        return jax.tree.map(lambda leaf: leaf[None], function(read, carried))

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
    samples: RaggedSamples,
    validation: Batches,
    segment: Segment,
) -> Compiled:
    """Compile the program that trains a cohort of `member` in `layout`.

    It maps (state, packed, turn, samples, validation, segment) to the state a segment later, whose
    buffers are those of the old one.

    Args:
        member: Training run to lift.
        layout: Layout of the members on the devices.
        options: Options of the program.
        packed: Hyperparameters of all members; of all arrays only shapes and types count.
        state: States of all members.
        samples: Training data.
        validation: An evaluation split.
        segment: Steps of an epoch of `samples`.
    """
    arguments = state, packed, layout.wave_shapes(), samples, validation, segment
    return _compiled(train_program, member, layout, options, arguments)


def compile_evaluate(
    member: Member,
    layout: Layout,
    options: Options,
    packed: PackedHyperparameters,
    state: MemberState,
    batches: Batches,
) -> Compiled:
    """Compile the program that evaluates a cohort; the arguments are those of `compile_train`.

    It maps (state, packed, turn, batches) to metrics `(rows, lanes, metrics)`, NaN in rows that did
    not run.
    """
    arguments = state, packed, layout.wave_shapes(), batches
    return _compiled(evaluate_program, member, layout, options, arguments)


def train_program(member: Member, layout: Layout, options: Options) -> Wrapped:
    """Return what `compile_train` compiles, before it knows any shapes."""
    return jax.jit(_train(member.unrolled(options.unroll), layout), donate_argnums=0)


def evaluate_program(member: Member, layout: Layout, options: Options) -> Wrapped:
    """Return what `compile_evaluate` compiles, before it knows any shapes."""
    return jax.jit(_evaluate(member.unrolled(options.unroll), layout))


def _compiled(
    program: Callable[[Member, Layout, Options], Wrapped],
    member: Member,
    layout: Layout,
    options: Options,
    arguments: Any,
) -> Compiled:
    shapes = jax.tree.map(_shape, arguments)

    def compile() -> Compiled:
        with LOWERING:
            lowered = program(member, layout, options).lower(*shapes)
        return lowered.compile(compiler_options=options.for_compiler(layout.mesh))

    step = member.step
    if not OPTIMIZERS.keys() >= {*step.architecture.optimizers}:
        return compile()  # the user's own factory may have changed
    run = step.architecture, step.task, member.microbatch, member.streaming
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
        samples: RaggedSamples,
        validation: Batches,
        segment: Segment,
    ) -> MemberState:
        def member_function(
            read: tuple[PackedHyperparameters, Array], state: MemberState
        ) -> MemberState:
            packed, active = read
            return member.train(packed, state, active, samples, validation, segment)

        return over_waves(layout, member_function)(turn, (packed, turn.active), state)

    specs = SHARDED, SHARDED, SHARDED, REPLICATED, REPLICATED, REPLICATED
    return _over_devices(train, layout, specs)


def _evaluate(member: Member, layout: Layout) -> Callable[..., Any]:
    def evaluate(
        state: MemberState, packed: PackedHyperparameters, turn: Waves, batches: Batches
    ) -> Array:
        def member_function(read: tuple[PackedHyperparameters, MemberState], _: Array) -> Array:
            return member.evaluate(*read, batches)

        count = len(member.step.task.metrics) + 1
        metrics = jnp.full((*state.epochs.shape, count), jnp.nan)
        return over_waves(layout, member_function)(turn, (packed, state), metrics)

    return _over_devices(evaluate, layout, (SHARDED, SHARDED, SHARDED, REPLICATED))


def _over_devices(
    function: Callable[..., Any], layout: Layout, specs: tuple[PartitionSpec, ...]
) -> Callable[..., Any]:
    """Run `function` on every device's own rows; members never talk, so no collectives."""
    return jax.shard_map(
        function, mesh=layout.mesh, in_specs=specs, out_specs=SHARDED, check_vma=False
    )
