"""The fastest of two or three ways to compile a cohort, timed on the device at hand.

On a CPU there is one way, and nothing is timed.
"""

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import numpy as np

from jaxrnn.population.cohort import Cohort, MemberArrays
from jaxrnn.population.devices import replicated
from jaxrnn.population.lanes import fewer_lanes
from jaxrnn.population.memory import is_out_of_memory
from jaxrnn.population.placement import Placement
from jaxrnn.population.tuning_cache import Candidate

SECONDS, MIN_STEPS = 0.2, 8
"""Seconds for which a candidate is timed at a time, and fewest microbatches."""
ROUNDS = 3
"""How often candidates take turns; the shortest time of each counts."""
QUICK = 2.0
"""Seconds: where an epoch of a cohort takes less, compiling more would take longer than it saves.
"""
CLEARLY = 0.97
"""A candidate must take less than this share of the default's time: clocks are noisy."""


def candidates(platform: str, default: Candidate, time: int) -> list[Candidate]:
    """Return the ways to compile loops over `time` steps that are worth a comparison.

    Args:
        platform: JAX's name of the platform, such as `gpu`.
        default: Candidate without a measurement; it comes first.
        time: Time steps of the loops.
    """
    if platform == "cpu":
        return [default]
    options, lanes = default.options, fewer_lanes(default.lanes)
    other = options._replace(unroll=1) if platform == "tpu" else options.with_graphs(time)
    rivals = [default, default._replace(options=other)]
    rivals += [] if lanes is None else [default._replace(lanes=lanes)]
    return list({rival.describe(): rival for rival in rivals}.values())


@dataclass
class Timing:
    """Times of a candidate.

    Attributes:
        steps: Microbatches that `many` took.
        single: Seconds of a single microbatch, with all that comes once an epoch, by round.
        many: Seconds of `steps` microbatches, by round.
    """

    steps: int
    single: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)

    @classmethod
    def with_budget(cls, once: float, most: int) -> "Timing":
        """Plan for about `SECONDS` of a candidate that takes `once` seconds, in `most` steps."""
        return cls(min(most, max(MIN_STEPS, int(SECONDS / once))))

    @property
    def seconds(self) -> float:
        """Seconds of a microbatch, without what comes once an epoch where that can be measured."""
        if self.steps == 1:
            return min(self.single)
        return max(min(self.many) - min(self.single), 0.0) / (self.steps - 1)


class Autotuner:
    """Times candidates where members are about to train for the first time.

    It trains copies, so that nothing changes but the speed of what follows.
    """

    def __init__(self, placement: Placement, time: int) -> None:
        """Tune the cohorts of a placement that has a tuning cache; leave all others as they are.

        Args:
            placement: Placement of the cohorts.
            time: Time steps of the loops over time.
        """
        self._placement, self._compiler, self._time = placement, placement.compiler, time

    def __call__(self, cohort: Cohort) -> Cohort:
        """Return the cohort in the programs of the best candidate, timed now or before."""
        architecture, lanes = cohort.architecture, cohort.layout.lanes
        cache, platform = self._placement.tuning_cache, self._compiler.mesh.devices.flat[0].platform
        default = Candidate(lanes, self._placement.default_options)
        rivals = candidates(platform, default, self._time)
        if cache is None or len(rivals) == 1:
            return cohort
        best = cache.get(architecture, lanes)
        if best is None:
            best, complete = self._best(cohort, rivals)
            cache.put(architecture, lanes, best, keep=complete)
        return self._placement.tuned(cohort, best)

    def _best(self, cohort: Cohort, rivals: Sequence[Candidate]) -> tuple[Candidate, bool]:
        """Return the best of the rivals, and whether all were timed.

        It is the first one, the default, if that is quick or could not be timed itself.
        """
        default, *others = rivals
        share = range(min(len(cohort.members), default.lanes * self._compiler.mesh.size))
        members = [*cohort.layout.unstack((cohort.packed, cohort.state), share)]
        seconds = self._time_all([default], cohort, members)
        _, _, segment = self._compiler.example(cohort.layout)
        epoch = (
            seconds.get(default.describe(), 0.0) * len(cohort.members) * int(segment.steps.total)
        )
        if epoch < QUICK:
            return default._replace(seconds=seconds), False
        seconds = self._time_all(rivals, cohort, members)
        limit = CLEARLY * seconds.get(default.describe(), 0.0)
        better = [rival for rival in others if seconds.get(rival.describe(), limit) < limit]
        best = min(better, key=lambda rival: seconds[rival.describe()], default=default)
        return best._replace(seconds=seconds), len(seconds) == len(rivals)

    def _time_all(
        self, rivals: Sequence[Candidate], cohort: Cohort, members: Sequence[MemberArrays]
    ) -> dict[str, float]:
        """Time in turns, by description, a member's microbatch by each candidate that runs."""
        for rival in rivals:
            self._placement.compile_candidate(cohort, rival)
        timings: list[tuple[Candidate, Timing]] = []
        for rival in rivals:
            self._seconds(rival, cohort, members, 1)  # a GPU chooses its products now
            once = self._seconds(rival, cohort, members, 1)
            if np.isfinite(once):
                most = int(self._compiler.example(cohort.layout)[2].steps.count)
                timings.append((rival, Timing.with_budget(once, most)))
        for _ in range(ROUNDS):
            for rival, timing in timings:
                timing.single.append(self._seconds(rival, cohort, members, 1))
                timing.many.append(self._seconds(rival, cohort, members, timing.steps))
        seconds = {rival.describe(): timing.seconds / len(members) for rival, timing in timings}
        return {name: value for name, value in seconds.items() if np.isfinite(value)}

    def _seconds(
        self, rival: Candidate, cohort: Cohort, members: Sequence[MemberArrays], steps: int
    ) -> float:
        """Time so many microbatches of all members; infinite, with a warning, where that fails."""
        try:
            trial = self._placement.trial(cohort, rival, members)
            return self._run(trial, steps)
        except Exception as error:
            first, *_ = str(error).splitlines() or [type(error).__name__]
            reason = "memory ran out" if is_out_of_memory(error) else first.rstrip(".")
            text = f"the autotuner leaves out {rival.describe()}, for {reason}."
            warnings.warn(text, RuntimeWarning, stacklevel=2)
            return np.inf

    def _run(self, trial: Cohort, steps: int) -> float:
        """Time so many microbatches of an epoch; consumes the trial.

        Raises:
            RuntimeError: No member trained.
        """
        before, everybody = trial.gather(trial.state.epochs), np.ones(len(trial.members), bool)
        samples, validation, segment = self._compiler.example(trial.layout)
        count = jax.device_put(np.int32(steps), replicated(self._compiler.mesh))
        part = segment._replace(steps=segment.steps._replace(count=count))
        turn = trial.active_waves(everybody)
        start = time.perf_counter()
        trial = trial.train(turn, samples, validation, part)
        jax.block_until_ready(trial.state)
        seconds = time.perf_counter() - start
        if trial.state.partial_epoch is None and np.all(trial.gather(trial.state.epochs) == before):
            raise RuntimeError("no member has an epoch left to train")
        return seconds
