"""Programs compile for a TPU v5e and an H100, and start no more in a time step than they used to.

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
from test_lowering import KINDS, MICROBATCH, TIME, drawn

from jaxrnn.population.ahead import trace
from jaxrnn.population.options import CompilerOptions, Options

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(absent.missing() is not None, reason=str(absent.missing())),
]
CHIPS = "v5e:2x2", "h100"
LANES = 8
MOST = {
    "lstm": (15, 14),
    "gru": (20, 14),
    "rnn": (11, 10),
    "layer norm": (50, 19),
    "activations": (16, 14),
    "blocks": (16, 15),
    "overlapping blocks": (25, 14),
    "dropout": (15, 15),
    "optimizers": (15, 14),
    "uneven lengths": (33, 28),
}
"""Operations per time step of training, forwards and back together, on each of `CHIPS`."""
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


def compiled(traced: Traced, told: CompilerOptions) -> tuple[str, int]:
    """The program as its compiler writes it, and the bytes of arguments that results take over."""
    program = traced.lower().compile(compiler_options=told)
    memory: Any = program.memory_analysis()
    return program.as_text() or "", memory.alias_size_in_bytes


def state_bytes(train: Traced, devices: int) -> int:
    """Of the state, on each device."""
    arguments: Any = train.args_info
    leaves = jax.tree.leaves(arguments[0][0])
    return sum(np.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves) // devices


@pytest.mark.parametrize("kind", MOST)
@pytest.mark.parametrize("chip", CHIPS)
def test_compiles_for_a_chip_with_few_operations_in_a_time_step(chip: str, kind: str) -> None:
    mesh, options = absent.mesh(chip), Options.plain(chip, TIME)
    sizes: Any = {"lanes": LANES, "microbatch": MICROBATCH, "max_epochs": 3}
    both = trace(drawn(kind), KINDS[kind], mesh, options=options, **sizes)
    train, taken_over = compiled(both.train, options.for_xla(mesh))
    evaluate, _ = compiled(both.evaluate, options.for_xla(mesh))
    assert not [name for name in NEVER if name in train or name in evaluate]
    assert taken_over >= state_bytes(both.train, mesh.size)
    operations = hlo.Program(train).block.microbatch().over_time(lambda _: 1) / TIME
    assert 2 <= operations <= MOST[kind][CHIPS.index(chip)]
