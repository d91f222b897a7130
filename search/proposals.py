"""Trials proposed at random."""

import numpy as np
import optuna

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
    drawn = (study.ask(space.distributions).params | space.fixed for _ in range(count))
    # Optuna gives NumPy's numbers now and then.
    plain = (
        {n: v.item() if isinstance(v, np.generic) else v for n, v in one.items()} for one in drawn
    )
    return new_trials([{name: one[name] for name in space.entries} for one in plain], seed)
