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


class CohortSpec(NamedTuple):
    """Layout and options of a cohort that is not on devices.

    Attributes:
        mesh: Devices, also such as `jax.experimental.topologies` describes.
        lanes: Members side by side on each device.
        waves: Rows of each device.
        epoch_window: Number of epochs over which the members of a turn may be spread.
        microbatch: Samples per step; None for what `jaxrnn.Trainer` chooses.
        max_epochs: Most epochs that any member trains.
        options: Options of the programs.
        precision: Precision of matrix products.
    """

    mesh: Mesh
    lanes: int
    waves: int = 1
    epoch_window: int = 1
    microbatch: int | None = None
    max_epochs: int = 20
    options: Options = Options()
    precision: Precision = "highest"

    @property
    def layout(self) -> Layout:
        """Layout of the members on the devices."""
        return Layout(self.mesh, self.waves, self.lanes, self.epoch_window)


class Traces(NamedTuple):
    """Both programs of a cohort before any compiler has seen them.

    Attributes:
        train: Training program, to be lowered for any platform, or for the devices of the mesh.
        evaluate: Evaluation program, likewise.
    """

    train: Traced
    evaluate: Traced


def trace(data: Data, configurations: Sequence[Configuration], cohort: CohortSpec) -> Traces:
    """Trace the programs of one cohort.

    Args:
        data: Data that is learned.
        configurations: Configurations of the members, or of as many as need the same code.
        cohort: Layout and options of the cohort.

    Raises:
        ValueError: A bad configuration, or they don't share an architecture.
    """
    mesh, layout = cohort.mesh, cohort.layout
    microbatch = microbatch_of(data.train, cohort.microbatch)
    put = partial(_shapes, replicated(mesh))
    batches = put(evaluation_splits(data))["validation"]
    train = training_data(data, microbatch, 0, put, cohort.options.unroll == 1)
    compiler = Compiler(data.task, train, batches, mesh, cohort.precision)
    planner = CohortPlanner(data, microbatch, mesh)
    seeds = [0] * len(configurations)
    snapshots = init(configurations, seeds, cohort.max_epochs, planner, compiler)
    if len(kinds := {snapshot.architecture for snapshot in snapshots}) > 1:
        raise ValueError(f"`configurations` are of {len(kinds)} cohorts, but must be of one.")
    member, first = compiler.member(*kinds), snapshots[0]
    packed, state = layout.shapes((first.packed, member.with_partial_epoch(first.state)))
    program, turn = (member, layout, cohort.options), layout.wave_shapes()
    # As `Compiler` compiles: arrays of 32 bits, and products of this precision.
    with enable_x64(False), jax.default_matmul_precision(cohort.precision):
        return Traces(
            train_program(*program).trace(state, packed, turn, *compiler.example(layout)),
            evaluate_program(*program).trace(state, packed, turn, batches),
        )


def _shapes(sharding: NamedSharding, values: Any) -> Any:
    """Return what `jax.device_put` would make of arrays."""

    def shape(leaf: AnyArray) -> jax.ShapeDtypeStruct:
        array = np.asarray(leaf)
        return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)

    return jax.tree.map(shape, values)
