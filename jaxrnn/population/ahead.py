"""The programs of a cohort for devices that may be absent, from shapes alone.

Nothing is put on a device, so compilers for chips that this machine lacks can be asked what they
make of exactly the programs that users run.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.stages import Traced

from jaxrnn.data.dataset import Data
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.devices import enable_x64, replicated
from jaxrnn.population.input_pipeline import evaluation_splits, microbatch_of, training_data
from jaxrnn.population.layout import Layout
from jaxrnn.population.options import Options, Precision
from jaxrnn.population.planner import CohortPlanner
from jaxrnn.population.programs import evaluate_program, train_program
from jaxrnn.population.snapshot import init
from jaxrnn.types import AnyArray, Configuration

PLAIN = Options()


class Traces(NamedTuple):
    """Both programs of a cohort before any compiler has seen them.

    Attributes:
        train: To be lowered for any platform, or lowered and compiled for those of the mesh.
        evaluate: Likewise.
    """

    train: Traced
    evaluate: Traced


def trace(
    data: Data,
    configurations: Sequence[Configuration],
    mesh: Mesh,
    *,
    lanes: int,
    waves: int = 1,
    epoch_window: int = 1,
    microbatch: int | None = None,
    max_epochs: int = 20,
    options: Options = PLAIN,
    precision: Precision = "highest",
) -> Traces:
    """Trace the programs of one cohort.

    Args:
        data: What is learned.
        configurations: Of its members, or of as many as it takes to need the same code.
        mesh: Devices, also such as `jax.experimental.topologies` describes.
        lanes: Members side by side on each.
        waves: Rows of each device.
        epoch_window: Over how many epochs the members of a turn may be spread.
        microbatch: Samples per step, by default as `jaxrnn.Trainer` chooses.
        max_epochs: The most that any member trains.
        options: How to compile.
        precision: Of matrix products.

    Raises:
        ValueError: A bad configuration, or they don't share an architecture.
    """
    size, put = microbatch_of(data.train, microbatch), partial(_shapes, replicated(mesh))
    batches = put(evaluation_splits(data))["validation"]
    compiler = Compiler(data.task, training_data(data, size, 0, put), batches, mesh, precision)
    plans = CohortPlanner(data, size, mesh)
    drawn = init(configurations, [0] * len(configurations), max_epochs, plans, compiler)
    if len(kinds := {one.architecture for one in drawn}) > 1:
        raise ValueError(f"`configurations` are of {len(kinds)} cohorts, but must be of one.")
    member, layout = compiler.member(*kinds), Layout(mesh, waves, lanes, epoch_window)
    state = drawn[0].state._replace(partial_epoch=member.room(drawn[0].state.train_state))
    setting, state = layout.shapes((drawn[0].packed, state))
    own, turn = (member, layout, options), layout.wave_shapes()
    # As `Compiler` compiles: arrays of 32 bits, and products as precise as was decided.
    with enable_x64(False), jax.default_matmul_precision(precision):
        return Traces(
            train_program(*own).trace(state, setting, turn, *compiler.example(layout)),
            evaluate_program(*own).trace(state, setting, turn, batches),
        )


def _shapes(sharding: NamedSharding, values: Any) -> Any:
    """What `jax.device_put` would make of arrays."""

    def shape(leaf: AnyArray) -> jax.ShapeDtypeStruct:
        found = np.asarray(leaf)
        return jax.ShapeDtypeStruct(found.shape, found.dtype, sharding=sharding)

    return jax.tree.map(shape, values)
