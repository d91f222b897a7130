"""Programs compile for a TPU v5e and an H100, and start no more in a time step than they used to.

Compilers for chips that are not there come with the extra `aot`, see docs/accelerators.md.
"""

from typing import Any

import absent
import hlo
import jax
import numpy as np
import pytest
from jax.stages import Traced
from test_lowering import KINDS, MICROBATCH, TIME, drawn

from jaxrnn.population.ahead import trace

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(absent.missing() is not None, reason=str(absent.missing())),
]
CHIPS = "v5e:2x2", "h100"
LANES = 8
MOST = {
    "lstm": (99, 99),
    "gru": (99, 99),
    "rnn": (99, 99),
    "layer norm": (99, 99),
    "activations": (99, 99),
    "blocks": (99, 99),
    "overlapping blocks": (99, 99),
    "dropout": (99, 99),
    "optimizers": (99, 99),
    "uneven lengths": (99, 99),
}
"""Operations per time step of training, forwards and back together, on each of `CHIPS`."""
NEVER = ("all-reduce", "all-gather", "all-to-all", "collective-permute", "reduce-scatter")
NEVER += ("infeed", "outfeed", " send(", " recv(", "callback", "host-compute")


def compiled(traced: Traced) -> tuple[str, int]:
    """The program as its compiler writes it, and the bytes of arguments that results take over."""
    program = traced.lower().compile()
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
    mesh = absent.mesh(chip)
    both = trace(drawn(kind), KINDS[kind], mesh, lanes=LANES, microbatch=MICROBATCH, max_epochs=3)
    train, taken_over = compiled(both.train)
    evaluate, _ = compiled(both.evaluate)
    assert not [name for name in NEVER if name in train or name in evaluate]
    assert taken_over >= state_bytes(both.train, mesh.size)
    operations = hlo.Program(train).block.microbatch().over_time(lambda _: 1) / TIME
    print(f"PIN {chip} {kind} {operations:.3f}")
    assert 2 <= operations <= MOST[kind][CHIPS.index(chip)]
