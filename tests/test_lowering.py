"""Every kind of program lowers for TPUs and GPUs without one, and its loops over time stay plain.

Plain are arithmetic and slices: a gather or scatter at every time step, such as `vmap` makes of
slices at an index of each lane, costs several kernels and keeps compilers from fusing the step.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.stages import Traced
from support.program_kinds import GRU, KINDS, LSTM, MICROBATCH, TIME, drawn
from support.task_data import TASKS

from jaxrnn.population.ahead import CohortSpec, Traces, trace
from jaxrnn.population.devices import AXIS
from jaxrnn.population.options import Options

PLATFORMS = "tpu", "cuda", "rocm"
PRODUCT = "stablehlo.dot_general"
JUMPS = {"stablehlo.gather", "stablehlo.dynamic_gather", "stablehlo.scatter"}
QUICK = {
    *("overlapping blocks", "both directions, two layers"),
    *("uneven lengths, dropout", "language"),
}
"""Kinds that are not left to `pytest -m slow`; each has what several others have."""
HOST = {"stablehlo.infeed", "stablehlo.outfeed", "stablehlo.send", "stablehlo.recv"}
TOGETHER = {"all_reduce", "all_gather", "all_to_all", "collective_permute", "reduce_scatter"}


def traced(kind: str, lanes: int) -> Traces:
    mesh = Mesh(np.array(jax.devices()[:1]), (AXIS,))
    entries = KINDS.get(kind, [LSTM])
    # As they are for a CPU, and as for accelerators, where turns do not divide all steps.
    options = Options() if lanes == 1 else Options.default("tpu", TIME)
    cohort = CohortSpec(mesh, lanes, microbatch=MICROBATCH, max_epochs=3, options=options)
    return trace(drawn(kind), entries, cohort)


class Module:
    """A lowered program, whose calls are followed as if what they call stood there."""

    def __init__(self, traced: Traced) -> None:
        lowered: Any = traced.lower(lowering_platforms=PLATFORMS)
        body = lowered.compiler_ir("stablehlo").body
        self._functions = {str(one.attributes["sym_name"].value): one for one in body.operations}
        self.main = self._functions["main"]

    def within(self, one: Any) -> Iterator[Any]:
        """All operations of an operation's regions, and of what they call."""
        for region in one.regions:
            for inner in (inner for block in region.blocks for inner in block.operations):
                yield inner
                yield from self.within(inner)
                if inner.operation.name == "func.call":
                    yield from self.within(self._functions[inner.attributes["callee"].value])

    def kinds(self, one: Any) -> set[str]:
        return {inner.operation.name for inner in self.within(one)}

    def loops(self) -> list[Any]:
        """Those over time: innermost ones, with a product of matrices in them."""
        loops = [one for one in self.within(self.main) if one.operation.name == "stablehlo.while"]
        kinds = [(one, self.kinds(one)) for one in loops]
        return [one for one, own in kinds if PRODUCT in own and "stablehlo.while" not in own]

    def targets(self) -> set[str]:
        """Of custom calls."""
        every = self.within(self.main)
        calls = (one for one in every if one.operation.name == "stablehlo.custom_call")
        return {str(one.attributes["call_target_name"]) for one in calls}


@pytest.mark.parametrize(
    ("kind", "lanes"),
    [
        pytest.param(kind, lanes, marks=[] if kind in QUICK and lanes == 4 else pytest.mark.slow)
        for kind in (*KINDS, *TASKS, "adding")
        for lanes in (1, 4)
    ],
)
def test_lowers_for_every_platform_with_plain_loops_over_time(kind: str, lanes: int) -> None:
    both = traced(kind, lanes)
    for one, least in ((both.train, 2), (both.evaluate, 1)):
        module = Module(one)
        assert not module.targets()
        kinds = module.kinds(module.main)
        assert not kinds & (HOST | {f"stablehlo.{name}" for name in TOGETHER})
        loops = module.loops()
        assert len(loops) >= least
        for loop in loops:
            assert not module.kinds(loop) & JUMPS


def test_a_slice_under_vmap_would_be_seen() -> None:
    def read(x: Any) -> Any:
        def add(t: Any, total: Any) -> Any:
            return total + x @ jax.lax.dynamic_index_in_dim(x, t, keepdims=False)

        return jax.lax.fori_loop(0, TIME, add, jnp.zeros(TIME))

    x = jax.ShapeDtypeStruct((4, TIME, TIME), jnp.float32)
    for function, given, seen in (
        (read, x.update(shape=x.shape[1:]), False),
        (jax.vmap(read), x, True),
    ):
        module = Module(jax.jit(function).trace(given))
        (loop,) = module.loops()
        assert bool(module.kinds(loop) & JUMPS) is seen


def test_configurations_of_several_cohorts_are_refused() -> None:
    mesh = Mesh(np.array(jax.devices()[:1]), (AXIS,))
    with pytest.raises(ValueError, match="of 2 cohorts, but must be of one"):
        trace(drawn("lstm"), [LSTM, GRU], CohortSpec(mesh, 1, microbatch=MICROBATCH))
