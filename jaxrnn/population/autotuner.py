"""The fastest of two or three ways to compile a cohort, timed on the device at hand.

On a CPU there is one way, and nothing is timed.
"""

import time
import warnings
from collections.abc import Sequence

import jax
import numpy as np

from jaxrnn.population.choices import Choice
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.devices import replicated
from jaxrnn.population.lanes import halved
from jaxrnn.population.memory import is_out_of_memory
from jaxrnn.population.options import Options
from jaxrnn.training.member import State
from jaxrnn.training.setting import Setting

SECONDS = 0.3
"""For which a candidate is timed at a time."""
ROUNDS = 3
"""How often; the shortest counts."""
QUICK = 2.0
"""Seconds: where an epoch of a cohort takes less, compiling more would take longer than it saves.
"""
CLEARLY = 0.97
"""A candidate must take less than this share of the time of the plain one: clocks are noisy."""


def candidates(platform: str, plain: Choice) -> list[Choice]:
    """The ways to compile that are worth a comparison, the `plain` one first."""
    if platform == "cpu":
        return [plain]
    other = Options(unroll=1) if platform == "tpu" else plain.options._replace(graphs=True)
    fewer = halved(plain.lanes)
    rivals = [plain, plain._replace(options=other)]
    rivals += [] if fewer is None else [plain._replace(lanes=fewer)]
    return list({one.describe(): one for one in rivals}.values())


class Autotuner:
    """Times candidates where members are about to train for the first time.

    It trains copies, so that whatever it does nobody notices but by the speed of what follows.
    """

    def __init__(self, compiler: Compiler, wanted: bool) -> None:
        """Choose among what `compiler` compiles, if `wanted`; else leave all as it is."""
        self._compiler, self._wanted = compiler, wanted

    def __call__(self, cohort: Cohort) -> Cohort:
        """The cohort, compiled as was chosen now or before."""
        architecture, lanes = cohort.architecture, cohort.layout.lanes
        plain = Choice(lanes, self._compiler.plain)
        rivals = candidates(self._compiler.mesh.devices.flat[0].platform, plain)
        if not self._wanted or len(rivals) == 1:
            return cohort
        choice = self._compiler.choices.get(architecture, lanes)
        if choice is None:
            choice, timed = self._chosen(cohort, rivals)
            self._compiler.choices.put(architecture, lanes, choice, keep=timed)
        return self._compiler.adopted(cohort, choice)

    def _chosen(self, cohort: Cohort, rivals: Sequence[Choice]) -> tuple[Choice, bool]:
        """The best of the rivals, and whether all were timed; the first if it is quick."""
        plain, *others = rivals
        share = range(min(len(cohort.members), plain.lanes * self._compiler.mesh.size))
        values = [*cohort.layout.each((cohort.setting, cohort.state), share)]
        first = self._timed([plain], cohort, values)
        _, _, piece = self._compiler.example(cohort.layout)
        epoch = first.get(plain.describe(), np.inf) * len(cohort.members) * int(piece.steps)
        if epoch < QUICK:
            return plain._replace(seconds=first), False
        seconds = first | self._timed(others, cohort, values)
        if not seconds:
            return plain, False
        limit = CLEARLY * seconds.get(plain.describe(), np.inf)
        better = [one for one in others if seconds.get(one.describe(), np.inf) < limit]
        best = min(better, key=lambda one: seconds[one.describe()], default=plain)
        return best._replace(seconds=seconds), True

    def _timed(
        self, rivals: Sequence[Choice], cohort: Cohort, values: Sequence[tuple[Setting, State]]
    ) -> dict[str, float]:
        """Seconds of a member's microbatch by each that can be compiled and run."""
        for rival in rivals:
            self._compiler.begin(cohort, rival)
        seconds = {}
        for rival in rivals:
            try:
                trial = self._compiler.trial(cohort, rival, values)
                seconds[rival.describe()] = self._seconds(trial)
            except Exception as error:
                first, *_ = str(error).splitlines() or [type(error).__name__]
                reason = "memory ran out" if is_out_of_memory(error) else first.rstrip(".")
                text = f"the autotuner leaves out {rival.describe()}, for {reason}."
                warnings.warn(text, RuntimeWarning, stacklevel=2)
        return seconds

    def _seconds(self, trial: Cohort) -> float:
        """Of a member's microbatch: the shortest of some turns of all members of `trial`."""
        turn = trial.turn(np.ones(len(trial.members), bool))
        samples, validation, piece = self._compiler.example(trial.layout)
        most, everywhere = int(piece.used), replicated(self._compiler.mesh)

        def run(trial: Cohort, steps: int) -> tuple[Cohort, float]:
            part = piece._replace(used=jax.device_put(np.int32(steps), everywhere))
            begin = time.perf_counter()
            trial = trial.train(turn, samples, validation, part)
            jax.block_until_ready(trial.state)
            return trial, time.perf_counter() - begin

        trial, _ = run(trial, 1)  # loads code, and chooses the matrix products of a GPU
        trial, once = run(trial, 1)
        steps = min(most, max(1, int(SECONDS / once)))
        found = []
        for _ in range(ROUNDS):
            trial, took = run(trial, steps)
            found.append(took)
        return min(found) / steps / len(trial.members)
