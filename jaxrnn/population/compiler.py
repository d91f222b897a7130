"""Compiles the programs of cohorts side by side, each kind once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import jax

from jaxrnn.network.architecture import Architecture
from jaxrnn.population.cohort import Cohort, Draft
from jaxrnn.population.devices import cpu_cores
from jaxrnn.population.layout import Layout
from jaxrnn.population.programs import Programs, compile_programs
from jaxrnn.training.samples import Batches, Piece, Samples


class Compiler:
    """Keeps what it compiled.

    Attributes:
        programs: How many programs there are.
        seconds: Wall time spent on compiling them.
    """

    def __init__(self, samples: Samples, batches: Batches, piece: Piece) -> None:
        """Compile for training data, an evaluation split and a piece as they lie on the devices."""
        self.seconds = 0.0
        self._fixed = samples, batches, piece
        self._known: dict[tuple[Architecture, Layout], Programs] = {}

    @property
    def programs(self) -> int:
        """How many programs there are."""
        return len(self._known) * len(Programs._fields)

    def __call__(self, drafts: Sequence[Draft]) -> tuple[Cohort, ...]:
        """The cohorts of `drafts`, with their programs."""
        begin = time.perf_counter()
        keys = [(one.group.architecture, one.layout) for one in drafts]
        missing = dict(zip(keys, drafts, strict=True))
        missing = {key: one for key, one in missing.items() if key not in self._known}
        pool = ThreadPoolExecutor(cpu_cores())
        try:
            for key, programs in zip(missing, pool.map(self._one, missing.values()), strict=True):
                self._known[key] = programs
        finally:  # on Ctrl-C, nobody waits for a compiler that can't be stopped
            pool.shutdown(wait=False, cancel_futures=True)
            self.seconds += time.perf_counter() - begin
        return tuple(one.cohort(self._known[key]) for one, key in zip(drafts, keys, strict=True))

    def _one(self, one: Draft) -> Programs:
        arguments = one.state, one.setting, *self._fixed
        with jax.enable_x64(False):  # whatever the process asks for: arrays are of 32 bits
            return compile_programs(one.member, one.layout, *arguments)
