"""Programs compile for a TPU v5e and an H100, and start no more there than they used to.

Compilers for chips that are not there come with the extra `aot`, see docs/accelerators.md.
"""

from collections.abc import Iterator
from typing import Any

import absent
import hlo
import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache
from jax.stages import Traced
from support.program_kinds import KINDS, MICROBATCH, TIME, drawn

from jaxrnn.population.ahead import CohortSpec, trace
from jaxrnn.population.options import CompilerOptions, Options

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(absent.missing() is not None, reason=str(absent.missing())),
]
CHIPS = "v5e:2x2", "h100"
LANES = 8
MOST = {
    "lstm": (194, 154),
    "gru": (251, 150),
    "rnn": (150, 121),
    "layer norm": (791, 216),
    "activations": (198, 155),
    "blocks": (200, 157),
    "overlapping blocks": (290, 160),
    "dropout": (215, 158),
    "optimizers": (194, 154),
    "uneven lengths": (400, 300),
}
"""Operations of a training microbatch of `TIME` steps, on each of `CHIPS`."""
NEVER = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
NEVER += ("infeed", "outfeed", " send(", " recv(", "callback", "host-compute")


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    """JAX keeps programs for chips that are not here, too, and then cannot read them again."""
    for used in (False, True):
        jax.config.update("jax_enable_compilation_cache", used)
        compilation_cache.reset_cache()
        if not used:
            yield


def compiled(traced: Traced, options: CompilerOptions) -> tuple[str, int]:
    """The program as its compiler writes it, and the bytes of arguments that results take over."""
    program = traced.lower().compile(compiler_options=options)
    memory: Any = program.memory_analysis()
    return program.as_text() or "", memory.alias_size_in_bytes


def state_bytes(train: Traced, devices: int) -> int:
    """Of the state, on each device."""
    arguments: Any = train.args_info
    leaves = jax.tree.leaves(arguments[0][0])
    return sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves) // devices


@pytest.mark.parametrize("kind", MOST)
@pytest.mark.parametrize("chip", CHIPS)
def test_compiles_for_a_chip_into_few_operations(chip: str, kind: str) -> None:
    """As users run it there without a measurement."""
    mesh, options = absent.mesh(chip), Options.default(chip, TIME)
    cohort = CohortSpec(mesh, LANES, microbatch=MICROBATCH, max_epochs=3, options=options)
    both = trace(drawn(kind), KINDS[kind], cohort)
    train, taken_over = compiled(both.train, options.for_compiler(mesh))
    evaluate, _ = compiled(both.evaluate, options.for_compiler(mesh))
    assert not [name for name in NEVER if name in train or name in evaluate]
    assert taken_over >= state_bytes(both.train, mesh.size)
    operations = hlo.Program(train).block.microbatch().turn(lambda _: 1)
    assert 2 * TIME <= operations <= MOST[kind][CHIPS.index(chip)]


@pytest.mark.parametrize(
    ("kind", "kernels"), [("lstm", 13), ("gru", 13), ("rnn", 10), ("activations", 13)]
)
def test_kernels_of_a_time_step(kind: str, kernels: int) -> None:
    """Forwards and back together, in loops that are not unrolled, of 64 lanes of 64 units."""
    entries = [one | {"hidden_size": 64} for one in KINDS[kind]]
    cohort = CohortSpec(absent.mesh("h100"), 64, microbatch=MICROBATCH)
    both = trace(drawn(kind), entries, cohort)
    train, _ = compiled(both.train, {})
    block = hlo.Program(train).block.microbatch()
    assert 2 <= block.over_time(lambda _: 1) / TIME <= kernels
