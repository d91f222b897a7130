"""Trials proposed at random."""

from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from search.space import Space
from search.trial import Trial, new_trials


def random_trials(space: Space, count: int, seed: int) -> list[Trial]:
    """`count` trials drawn independently from `space` by Optuna's random sampler.

    Args:
        space: Where to draw.
        count: How many.
        seed: Same seed, same trials; the first of them do not depend on `count`.
    """
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    finally:
        optuna.logging.set_verbosity(verbosity)
    return new_trials([space.draw(partial(_suggest, study.ask())) for _ in range(count)], seed)


def _suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution():
            value = trial.suggest_categorical(name, distribution.choices)
        case IntDistribution(low=low, high=high, step=step, log=log):
            value = trial.suggest_int(name, low, high, step=step, log=log)
        case FloatDistribution(low=low, high=high, step=step, log=log):
            value = trial.suggest_float(name, low, high, step=step, log=log)
        case _:
            raise TypeError(f"no range and no choice: {distribution!r}")
    # Optuna gives NumPy's numbers now and then.
    return value.item() if isinstance(value, np.generic) else value
