"""Optuna's studies in memory, and values out of its trials."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's log and its warnings about experimental features."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def suggest(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Return the value that Optuna's sampler suggests, in a plain Python type."""
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
