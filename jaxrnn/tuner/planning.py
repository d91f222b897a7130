"""The space, the configurations to try first and the plan of a search, from its settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jaxrnn
import search
from jaxrnn.tuner.settings import Settings
from search.records.optuna_study import best_configurations
from search.samplers.enqueued import Enqueued, read_configurations

TRIALS = {"default": 256, "full": 128}
"""Default number of trials, by the name of the space."""
POPULATION = 32
"""Default number of trials of population-based training."""
WARM = 8
"""Most configurations that are taken from an earlier run."""
FULL = 64
"""Most concurrent trials per device of samplers that learn; a guess of what keeps one busy."""
Configurations = list[dict[str, Any]]


def space_of(source: Any, trainer: jaxrnn.Trainer, epochs: int) -> search.Space:
    """Return the space, checked against what the trainer takes.

    Args:
        source: Name, path of a TOML file, space, or mapping as `search.Space` takes it.
        trainer: Trainer of any fold.
        epochs: Most epochs of a trial.

    Raises:
        ValueError: The file is missing, or a hyperparameter is unknown, outside its limits, never
            active, or by mistake a range of whole numbers.
    """
    space = _read_space(source, trainer, epochs)
    if not space.hyperparameters:
        raise ValueError("`space` is empty, but must have at least one hyperparameter.")
    for name, value in space.extremes():
        trainer.check(name, value)
    for name, values in space.hyperparameters.items():
        ends = isinstance(values, dict) and isinstance(values.get("low"), int)
        whole = ends and "step" not in values and isinstance(values["high"], int)
        if whole and jaxrnn.HYPERPARAMETERS[name].kind is float:
            raise ValueError(
                f"`{name}` ranges over whole numbers from {values['low']} to {values['high']}; "
                f"write `low` = {float(values['low'])} for all numbers, or add `step` = 1 for "
                "whole numbers."
            )
    optimizers = [value for name, value in space.extremes() if name == "optimizer"]
    jaxrnn.check_parents(space.hyperparameters, optimizers)
    return search.Space(space.hyperparameters, jaxrnn.conditions(optimizers))


def _read_space(source: Any, trainer: jaxrnn.Trainer, epochs: int) -> search.Space:
    if isinstance(source, search.Space):
        return source
    if isinstance(source, Mapping):
        return search.Space(source)
    if isinstance(source, str) and source in jaxrnn.SPACES:
        return search.Space(trainer.space(source, epochs))
    names = ", ".join(f"'{name}'" for name in jaxrnn.SPACES)
    if not isinstance(source, str):
        raise ValueError(
            f"`space` is {source!r}, but must be {names}, the path of a .toml file, a "
            "search.Space, or a mapping of ranges, choices and values by name."
        )
    if Path(source).suffix != ".toml" and not Path(source).exists():
        raise ValueError(f"`space` is '{source}', but must be {names} or the path of a .toml file.")
    return search.Space.from_toml(source)


def starts_of(settings: Settings, space: search.Space) -> Configurations:
    """The configurations to try first; of an earlier run those that the space contains.

    Raises:
        ValueError: The source can't be read, or the space contains none of its best configurations.
    """
    starts = [] if settings.enqueue is None else read_configurations(settings.enqueue)
    if settings.warm_start is None:
        return starts
    best = best_configurations(settings.warm_start, WARM, space)
    fitting = [configuration for configuration in best if _fits(configuration, space)]
    if not fitting:
        raise ValueError(
            f"`warm_start` is '{settings.warm_start}', but the space contains none of its best "
            f"{len(best)} configurations."
        )
    return starts + fitting


def _fits(configuration: dict[str, Any], space: search.Space) -> bool:
    try:
        Enqueued(search.make_sampler("random", space, 0), space, [configuration], 0)
    except ValueError:
        return False
    return True


def plan_of(
    settings: Settings,
    trainer: jaxrnn.Trainer,
    space: search.Space,
    metric: str,
    starts: Configurations,
    totals: tuple[int, ...],
) -> search.Plan:
    """The plan of the search.

    Args:
        settings: Settings of the run.
        trainer: Trainer of any fold.
        space: Space to search.
        metric: Validation metric to search by.
        starts: Configurations to try first.
        totals: Numbers of trials of a resumed run, one for each raise; empty for a new run.

    Raises:
        ValueError: As `search.make_plan`.
    """
    if settings.audit and settings.scheduler == "pbt":
        raise ValueError("`audit` is given, but population-based training prunes no trial.")
    options = search.PlanOptions(
        sampler=settings.sampler,
        scheduler=settings.scheduler,
        min_epochs=settings.min_epochs,
        max_epochs=settings.max_epochs,
        eta=settings.eta,
        metric=metric,
        mode=trainer.data.task.metrics[metric],
        seed=settings.seed,
        max_concurrent=settings.max_concurrent,
        lanes=min(trainer.lanes, FULL) * trainer.mesh.size,
        grid_points=settings.grid_points,
        starts=starts,
    )
    return search.make_plan(space, totals or _default_trials(settings), options)


def _default_trials(settings: Settings) -> int | None:
    if settings.trials is not None or settings.scheduler == "hyperband":
        return settings.trials
    if settings.scheduler == "pbt":
        return POPULATION
    name = settings.space if isinstance(settings.space, str) else "default"
    return None if settings.sampler == "grid" else TRIALS.get(name, TRIALS["default"])
