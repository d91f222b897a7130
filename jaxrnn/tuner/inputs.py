"""What to begin with and how many trials there are, as the settings of a command line say."""

import argparse
from typing import Any

import jaxrnn
import search
from search.samplers.starts import Enqueued, read_configurations
from search.study import best_configurations

TRIALS = {"default": 256, "full": 128}
POPULATION = 32
"""Trials of population-based training, which compare with each other."""
WARM = 8
"""Configurations that an earlier run gives."""
FULL = 64
"""Trials that keep an accelerator busy, by a guess; searches that learn propose no more at once."""
Configurations = list[dict[str, Any]]


def starts_of(settings: argparse.Namespace, space: search.Space) -> Configurations:
    """The configurations to begin with; of an earlier run those that the space has.

    Raises:
        ValueError: Nothing to read there.
    """
    starts = [] if settings.enqueue is None else read_configurations(settings.enqueue)
    if settings.warm_start is None:
        return starts
    best = best_configurations(settings.warm_start, WARM, space)
    fitting = [one for one in best if _fits(one, space)]
    if not fitting:
        raise ValueError(
            f"`warm_start` is '{settings.warm_start}', but the space has none of its best "
            f"{len(best)} configurations."
        )
    return starts + fitting


def plan_of(
    settings: argparse.Namespace,
    trainer: jaxrnn.Trainer,
    space: search.Space,
    metric: str,
    starts: Configurations,
    totals: tuple[int, ...],
) -> search.Plan:
    """What the search does.

    Args:
        settings: Of the command line.
        trainer: Any of those that will train.
        space: Where to search.
        metric: What to search by.
        starts: Configurations to begin with.
        totals: What `trials` came to, where the run goes on; empty for a new one.

    Raises:
        ValueError: As `search.planned`.
    """
    if settings.audit and settings.scheduler == "pbt":
        raise ValueError("`audit` is given, but population-based training prunes no trial.")
    return search.planned(
        space,
        totals or _default_trials(settings),
        search=settings.search,
        pruning=settings.scheduler,
        min_epochs=settings.min_epochs,
        max_epochs=settings.max_epochs,
        eta=settings.eta,
        metric=metric,
        mode=trainer.data.task.metrics[metric],
        seed=settings.seed,
        at_once=settings.at_once,
        lanes=min(trainer.lanes, FULL) * trainer.mesh.size,
        grid_points=settings.grid_points,
        starts=starts,
    )


def _default_trials(settings: argparse.Namespace) -> int | None:
    if settings.trials is not None or settings.scheduler == "hyperband":
        return settings.trials
    if settings.scheduler == "pbt":
        return POPULATION
    return None if settings.search == "grid" else TRIALS.get(settings.space, TRIALS["default"])


def _fits(configuration: dict[str, Any], space: search.Space) -> bool:
    try:
        Enqueued(search.sampler("random", space, 0), space, [configuration], 0)
    except ValueError:
        return False
    return True
