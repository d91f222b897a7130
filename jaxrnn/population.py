"""Many members in one compiled program: lanes, waves, and a mesh over devices.

The arrays of a population have the shape `(rows, lanes, ...)`. Rows are dealt to the devices of
the mesh; a device loops over its rows in use (waves), and the lanes of a row run side by side
under `vmap`. How many members are in use is a number, not a shape: a rung with fewer survivors
runs the same program for fewer waves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxrnn.classification import METRICS
from jaxrnn.devices import SPLIT, WHOLE, split, whole
from jaxrnn.member import Batches, Member, Samples, State
from jaxrnn.optimizer import Hyperparameters
from jaxrnn.types import Array, Parameters

Tree = TypeVar("Tree")


@dataclass(frozen=True)
class Layout:
    """Where the members of a population live.

    Member i sits on device i % devices, so that every device has its share of any number of them.

    Attributes:
        mesh: The devices, on one axis.
        waves: Rows of each device.
        lanes: Members that run side by side on one device.
    """

    mesh: Mesh
    waves: int
    lanes: int

    @classmethod
    def for_members(cls, members: int, mesh: Mesh, lanes: int) -> "Layout":
        """The smallest layout that holds `members`."""
        return cls(mesh, -(-members // (mesh.size * lanes)), lanes)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, lanes) of every population array."""
        return self.mesh.size * self.waves, self.lanes

    def slots(self, members: int) -> np.ndarray:
        """Flat position of each of the first `members` in `(rows, lanes)`: `(members,)` int."""
        index = np.arange(members)
        return index % self.mesh.size * self.waves * self.lanes + index // self.mesh.size

    def rows_in_use(self, members: int) -> np.ndarray:
        """How many rows each device has to run: `(devices,)` int32."""
        share = -(-(members - np.arange(self.mesh.size)) // self.mesh.size)
        return -(-share // self.lanes).astype(np.int32)

    def place(self, values: Sequence[Any]) -> Any:
        """One host tree per member stacked into `(rows, lanes, ...)`; free lanes hold zeros."""
        slots = self.slots(len(values))

        def stack(*leaves: Any) -> np.ndarray:
            first = np.asarray(leaves[0])
            out = np.zeros((self.shape[0] * self.lanes, *first.shape), first.dtype)
            out[slots] = leaves
            return out.reshape(*self.shape, *first.shape)

        return self.split(jax.tree.map(stack, *values))

    def split(self, values: Any) -> Any:
        """Host arrays whose first axis is dealt over the devices."""
        return jax.device_put(values, split(self.mesh))

    def collect(self, values: Any, members: int) -> Any:
        """The inverse of `place`: host arrays with a leading axis `(members, ...)`."""
        slots = self.slots(members)
        return jax.tree.map(
            lambda leaf: np.asarray(leaf).reshape(-1, *leaf.shape[2:])[slots], values
        )


def in_waves(
    layout: Layout, one: Callable[[Any, Tree], Tree]
) -> Callable[[Array, Any, Tree], Tree]:
    """Lift `one`, a function of one member, to the rows of one device.

    Args:
        layout: Says how many lanes run side by side.
        one: From what a member only reads and what it carries to what it carries next.

    Returns:
        A function of the number of rows in use and the same two for `(waves, lanes, ...)`; rows
        out of use carry on unchanged.
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

        return jax.lax.fori_loop(0, rows, wave, carried)

    return run


class Programs(NamedTuple):
    """The four compiled programs of a cohort; nothing else of it is ever compiled.

    Attributes:
        start: (parameters, hyperparameters, seeds) -> state.
        train: (state, rows in use, samples, order seed, epoch, epochs) -> state, training loss
            `(rows, lanes)`. The old state's buffers are reused.
        evaluate: (state, rows in use, batches) -> metrics `(rows, lanes, metrics)`.
        gather: (state, source) -> state with lane k taken from the flat position source[k].
    """

    start: Callable[[Parameters, Hyperparameters, Array], State]
    train: Callable[[State, Array, Samples, Array, Array, Array], tuple[State, Array]]
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
    dealt, copied = split(layout.mesh), whole(layout.mesh)
    number = jax.ShapeDtypeStruct((), jnp.int32, sharding=copied)
    seed = jax.ShapeDtypeStruct((), jnp.uint32, sharding=copied)
    rows = jax.ShapeDtypeStruct((layout.mesh.size,), jnp.int32, sharding=dealt)
    source = jax.ShapeDtypeStruct(layout.shape, jnp.int32, sharding=dealt)

    start = jax.jit(jax.vmap(jax.vmap(member.start)), out_shardings=dealt)
    state = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=dealt),
        jax.eval_shape(start, *arguments),
    )
    train = jax.jit(_train(member, layout), donate_argnums=0)
    evaluate = jax.jit(_evaluate(member, layout))
    gather = jax.jit(_gather, out_shardings=dealt)
    return Programs(
        start=start.lower(*arguments).compile(),
        train=train.lower(state, rows, samples, seed, number, number).compile(),
        evaluate=evaluate.lower(state, rows, batches).compile(),
        gather=gather.lower(state, source).compile(),
    )


def _train(member: Member, layout: Layout) -> Callable[..., Any]:
    def train(
        state: State, rows: Array, samples: Samples, seed: Array, epoch: Array, epochs: Array
    ) -> tuple[State, Array]:
        def one(_: None, carried: tuple[State, Array]) -> tuple[State, Array]:
            return member.train(carried[0], samples, seed, epoch, epochs)

        losses = jnp.full(state.diverged.shape, jnp.nan)
        return in_waves(layout, one)(rows[0], None, (state, losses))

    specs = SPLIT, SPLIT, WHOLE, WHOLE, WHOLE, WHOLE
    return _over_devices(train, layout, specs)


def _evaluate(member: Member, layout: Layout) -> Callable[..., Any]:
    def evaluate(state: State, rows: Array, batches: Batches) -> Array:
        def one(state: State, _: Array) -> Array:
            return member.evaluate(state, batches)

        metrics = jnp.full((*state.diverged.shape, len(METRICS)), jnp.nan)
        return in_waves(layout, one)(rows[0], state, metrics)

    return _over_devices(evaluate, layout, (SPLIT, SPLIT, WHOLE))


def _gather(state: State, source: Array) -> State:
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[source], state)


def _over_devices(
    function: Callable[..., Any], layout: Layout, specs: tuple[PartitionSpec, ...]
) -> Callable[..., Any]:
    """Run `function` on every device's own rows; members never talk, so no collectives."""
    return jax.shard_map(
        function, mesh=layout.mesh, in_specs=specs, out_specs=SPLIT, check_vma=False
    )
