"""Population-based training: the worst take over from the best, with a change, and all go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.rungs import check_whole
from search.samplers.unit_cube import UnitCube
from search.schedulers.scheduler import Decision, Exploit, NewTrial, best_first, healthy
from search.space.space import Space
from search.trial import TrialView

FACTORS = (0.8, 1.2)


@dataclass(frozen=True)
class Pbt:
    """Population-based training with truncation selection (Jaderberg et al. 2017).

    When all trials have come to the same multiple of `interval`, each of the worst takes over from
    one of the best, drawn evenly. A quantile is rounded down, but is at least one trial of two. A
    diverged trial always takes over and is never taken; if all have, they go on as they are.

    Attributes:
        trials: Number of trials, at least 1.
        interval: Epochs between two comparisons, at least 1.
        max_epochs: Epochs of every trial, at least `interval`.
        quantile: Share of the worst, and of the best, above 0 and at most 0.5.
        seed: Seed, at least 0; the winners to take over from are drawn from it and the epochs.
    """

    trials: int
    interval: int
    max_epochs: int
    quantile: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("trials", self.trials)
        check_whole("interval", self.interval)
        check_whole("max_epochs", self.max_epochs, self.interval)
        check_whole("seed", self.seed, 0)
        if not 0 < self.quantile <= 0.5:
            raise ValueError(
                f"`quantile` is {self.quantile!r}, but must be above 0 and at most 0.5."
            )

    @property
    def synchronous(self) -> bool:
        """True, since trials that are behind train first."""
        return True

    @property
    def total(self) -> int:
        """Trial-epochs of the whole search."""
        return self.trials * self.max_epochs

    def decide(self, trials: Sequence[TrialView], free_slots: int) -> Decision:
        """Begin all trials, then let losers take over from winners; see `Scheduler`."""
        missing = self.trials - len(trials)
        if missing:
            return Decision(start=(NewTrial(0, self.interval),) * min(free_slots, missing))
        if not all(trial.waiting and trial.epochs == trials[0].epochs for trial in trials):
            return Decision()
        epochs = trials[0].epochs
        target_epochs = min(epochs + self.interval, self.max_epochs)
        return Decision(
            promote={trial.id: target_epochs for trial in trials},
            exploit=self._exploits(trials, epochs),
        )

    def _exploits(self, trials: Sequence[TrialView], epochs: int) -> tuple[Exploit, ...]:
        order = best_first(trials, epochs)
        count = min(max(int(len(order) * self.quantile), 1), len(order) // 2)
        winners = [trial.id for trial in order[:count] if healthy(trial, epochs)]
        losers = [
            trial.id
            for position, trial in enumerate(order)
            if position >= len(order) - count or not healthy(trial, epochs)
        ]
        # As `spawn_key`, epochs are no part of the seeds that trials have by their ids.
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(epochs,)))
        return tuple(Exploit(loser, int(rng.choice(winners))) for loser in losers if winners)


def explore(
    configuration: Mapping[str, Any],
    space: Space,
    can_change: Callable[[str], bool],
    rng: np.random.Generator,
    resample: float = 0.25,
) -> dict[str, Any]:
    """Return the configuration with a change in every hyperparameter that may change.

    A number is multiplied by 0.8 or 1.2, and stays in its range and on its steps, of which it
    moves by at least one unless it is at the end of the range. A choice is kept. Or else the value
    is drawn anew. A change that would activate or deactivate others is left out.

    Args:
        configuration: Configuration from `space`.
        space: Space of the configuration.
        can_change: Function that returns whether the hyperparameter of this name may change in the
            middle of training.
        rng: Generator of random numbers.
        resample: Probability that a value is drawn anew, from 0 to 1.
    """
    points = UnitCube(space)
    resampled = points.values(rng.random(len(points.names)))
    changed = dict(configuration)
    for name, distribution in space.distributions.items():
        if name in changed and can_change(name):
            moved = _moved(changed[name], distribution, float(rng.choice(FACTORS)))
            value = resampled[name] if rng.random() < resample else moved
            if _complete(space, {**changed, name: value}):
                changed[name] = value
    return changed


def _moved(value: Any, distribution: BaseDistribution, factor: float) -> Any:
    """Return the product, at least a step away in its direction."""
    if isinstance(distribution, CategoricalDistribution):
        return value
    assert isinstance(distribution, (FloatDistribution, IntDistribution))
    product = _inside(value * factor, distribution)
    step = distribution.step
    if step is None or abs(product - value) > step / 2:
        return product
    up = (factor > 1) == (value >= 0)
    return _inside(value + (step if up else -step), distribution)


def _inside(value: float, distribution: FloatDistribution | IntDistribution) -> float | int:
    """Return the nearest number in the range and on its steps, whole where they are."""
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is not None:
        value = low + round((value - low) / step) * step
    kind = int if isinstance(distribution, IntDistribution) else float
    return kind(min(max(value, low), high))


def _complete(space: Space, configuration: Mapping[str, Any]) -> bool:
    """Return whether the configuration has just the hyperparameters whose conditions hold."""
    try:
        return space.sample(lambda name, _: configuration[name]).keys() == configuration.keys()
    except KeyError:
        return False
