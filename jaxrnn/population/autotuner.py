"""The fastest of two or three ways to compile a cohort, timed on the device at hand.

On a CPU there is one way, and nothing is timed.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from jaxrnn.configuration.hyperparameters import PackedHyperparameters
from jaxrnn.population.choices import Choice
from jaxrnn.population.cohort import Cohort
from jaxrnn.population.compiler import Compiler
from jaxrnn.population.devices import replicated
from jaxrnn.population.lanes import halved
from jaxrnn.population.memory import is_out_of_memory
from jaxrnn.training.member import MemberState

Members = Sequence[tuple[PackedHyperparameters, MemberState]]
SECONDS, LEAST = 0.2, 8
"""For which a candidate is timed at a time, and microbatches of it at least."""
ROUNDS = 3
"""How often they take turns; the shortest time of each counts."""
QUICK = 2.0
"""Seconds: where an epoch of a cohort takes less, compiling more would take longer than it saves.
"""
CLEARLY = 0.97
"""A candidate must take less than this share of the time of the plain one: clocks are noisy."""


def candidates(platform: str, plain: Choice, time: int) -> list[Choice]:
    """The ways to compile loops over `time` steps that are worth a comparison, `plain` first."""
    if platform == "cpu":
        return [plain]
    options, fewer = plain.options, halved(plain.lanes)
    other = options._replace(unroll=1) if platform == "tpu" else options.with_graphs(time)
    rivals = [plain, plain._replace(options=other)]
    rivals += [] if fewer is None else [plain._replace(lanes=fewer)]
    return list({one.describe(): one for one in rivals}.values())


@dataclass
class Timed:
    """How long a candidate took.

    Attributes:
        steps: Microbatches that `many` took.
        one: Seconds of a single one, with all that comes once an epoch.
        many: Seconds of `steps` of them.
    """

    steps: int
    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)

    @classmethod
    def by(cls, once: float, most: int) -> "Timed":
        """To be timed for about `SECONDS`, with at most `most` microbatches."""
        return cls(min(most, max(LEAST, int(SECONDS / once))))

    @property
    def seconds(self) -> float:
        """Of a microbatch, without what comes once an epoch where that can be told."""
        if self.steps == 1:
            return min(self.one)
        return max(min(self.many) - min(self.one), 0.0) / (self.steps - 1)


class Autotuner:
    """Times candidates where members are about to train for the first time.

    It trains copies, so that whatever it does nobody notices but by the speed of what follows.
    """

    def __init__(self, compiler: Compiler) -> None:
        """Choose among what `compiler` compiles, if it keeps choices; else leave all as it is."""
        self._compiler = compiler

    def __call__(self, cohort: Cohort) -> Cohort:
        """The cohort, compiled as was chosen now or before."""
        architecture, lanes = cohort.architecture, cohort.layout.lanes
        choices, platform = self._compiler.choices, self._compiler.mesh.devices.flat[0].platform
        plain = Choice(lanes, self._compiler.plain)
        rivals = candidates(platform, plain, self._compiler.loop)
        if choices is None or len(rivals) == 1:
            return cohort
        choice = choices.get(architecture, lanes)
        if choice is None:
            choice, timed = self._chosen(cohort, rivals)
            choices.put(architecture, lanes, choice, keep=timed)
        return self._compiler.adopted(cohort, choice)

    def _chosen(self, cohort: Cohort, rivals: Sequence[Choice]) -> tuple[Choice, bool]:
        """The best of the rivals, and whether all were timed.

        The first one, the plain way, if it is quick, or if it could not be timed itself.
        """
        plain, *others = rivals
        share = range(min(len(cohort.members), plain.lanes * self._compiler.mesh.size))
        members = [*cohort.layout.each((cohort.packed, cohort.state), share)]
        seconds = self._timed([plain], cohort, members)
        _, _, piece = self._compiler.example(cohort.layout)
        epoch = seconds.get(plain.describe(), 0.0) * len(cohort.members) * int(piece.steps)
        if epoch < QUICK:
            return plain._replace(seconds=seconds), False
        seconds = self._timed(rivals, cohort, members)
        limit = CLEARLY * seconds.get(plain.describe(), 0.0)
        better = [one for one in others if seconds.get(one.describe(), limit) < limit]
        best = min(better, key=lambda one: seconds[one.describe()], default=plain)
        return best._replace(seconds=seconds), len(seconds) == len(rivals)

    def _timed(
        self, rivals: Sequence[Choice], cohort: Cohort, members: Members
    ) -> dict[str, float]:
        """Seconds of a member's microbatch by each that can be compiled and run, in turns."""
        for rival in rivals:
            self._compiler.begin(cohort, rival)
        timed: list[tuple[Choice, Timed]] = []
        for rival in rivals:
            self._seconds(rival, cohort, members, 1)  # a GPU chooses its products now
            once = self._seconds(rival, cohort, members, 1)
            if np.isfinite(once):
                most = int(self._compiler.example(cohort.layout)[2].used)
                timed.append((rival, Timed.by(once, most)))
        for _ in range(ROUNDS):
            for rival, own in timed:
                own.one.append(self._seconds(rival, cohort, members, 1))
                own.many.append(self._seconds(rival, cohort, members, own.steps))
        seconds = {rival.describe(): own.seconds / len(members) for rival, own in timed}
        return {name: one for name, one in seconds.items() if np.isfinite(one)}

    def _seconds(self, rival: Choice, cohort: Cohort, members: Members, steps: int) -> float:
        """Of so many microbatches of all members; infinite, with a note, where that fails."""
        try:
            trial = self._compiler.trial(cohort, rival, members)
            return self._run(trial, steps)
        except Exception as error:
            first, *_ = str(error).splitlines() or [type(error).__name__]
            reason = "memory ran out" if is_out_of_memory(error) else first.rstrip(".")
            text = f"the autotuner leaves out {rival.describe()}, for {reason}."
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return np.inf

    def _run(self, trial: Cohort, steps: int) -> float:
        """Seconds of so many microbatches of an epoch; consumes the trial.

        Raises:
            RuntimeError: Nobody trained.
        """
        before, everybody = trial.of_members(trial.state.epochs), np.ones(len(trial.members), bool)
        samples, validation, piece = self._compiler.example(trial.layout)
        count = jax.device_put(np.int32(steps), replicated(self._compiler.mesh))
        turn, part = trial.active_waves(everybody), piece._replace(used=count)
        begin = time.perf_counter()
        trial = trial.train(turn, samples, validation, part)
        jax.block_until_ready(trial.state)
        seconds = time.perf_counter() - begin
        if trial.state.partial_epoch is None and np.all(
            trial.of_members(trial.state.epochs) == before
        ):
            raise RuntimeError("no member has an epoch left to train")
        return seconds
