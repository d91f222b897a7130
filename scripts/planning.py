"""Who proposes and who prunes, as the settings of a command line say."""

import argparse
from typing import Any

import jaxrnn
import search
from search.samplers.kinds import sampler
from search.samplers.sampler import Proposal
from search.samplers.starts import Enqueued, read_configurations
from search.schedulers.kinds import scheduler
from search.study import best_configurations

TRIALS = {"default": 256, "full": 128}
POPULATION = 32
"""Trials of population-based training, which compare with each other."""
AT_ONCE = 32
"""Trials that train at once where scores guide what comes next, or lanes where there are more."""
WARM = 8
"""Configurations that an earlier run gives."""
LEAST_SAMPLE = 128
"""Configurations that tell what others will be like, where these are not known in advance."""
Configurations = list[dict[str, Any]]


def starts_of(settings: argparse.Namespace, space: search.Space) -> Configurations:
    """The configurations to begin with.

    Raises:
        ValueError: Nothing to read there.
    """
    starts = read_configurations(settings.enqueue) if settings.enqueue else []
    if settings.warm_start:
        starts += best_configurations(settings.warm_start, WARM, space)
    return starts


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
        ValueError: An unknown name, a number out of range, `starts` that the space does not have,
            or more trials than a grid has.
    """
    if settings.at_once is not None and settings.at_once < 1:
        raise ValueError(f"`at_once` is {settings.at_once}, but must be at least 1.")
    at_once = settings.at_once or max(AT_ONCE, trainer.lanes * trainer.mesh.size)
    points = settings.grid_points
    proposes = sampler(settings.search, space, settings.seed, batch=at_once, points=points)
    if starts:
        proposes = Enqueued(proposes, space, starts, settings.seed)
    trials = totals or _default_trials(settings, proposes.size)
    epochs = settings.min_epochs, settings.max_epochs
    prunes = scheduler(settings.scheduler, trials, *epochs, settings.eta, settings.seed)
    if proposes.size is not None and prunes.trials > proposes.size:
        raise ValueError(
            f"`trials` is {prunes.trials}, but there are only {proposes.size} configurations; "
            "raise `grid_points`, or leave `trials` out."
        )
    limited = settings.at_once or proposes.learns or settings.scheduler == "asha"
    return search.Plan(
        space=space,
        sampler=proposes,
        scheduler=prunes,
        metric=metric,
        mode=trainer.data.task.metrics[metric],
        seed=settings.seed,
        at_once=at_once if limited else prunes.trials,
    )


def prepare_trainer(
    trainer: jaxrnn.Trainer, settings: argparse.Namespace, plan: search.Plan, count: int
) -> list[jaxrnn.Group]:
    """Tell a trainer what will come: the very configurations, where these are known in advance.

    Args:
        trainer: Will train.
        settings: Of the command line.
        plan: The search.
        count: Trials, before the number was raised.

    Returns:
        The cohorts that were planned.
    """
    copies = settings.scheduler == "pbt"
    known = list(plan.sampler.ask(count, [])) if not plan.sampler.learns else []
    like = known if known and not copies else _like_these(plan, count)
    configurations = [proposal.configuration for proposal in like]
    together = min(plan.at_once, plan.scheduler.trials) * settings.repeats
    all_known = like is known and plan.at_once >= plan.scheduler.trials
    trainer.expect(configurations, settings.max_epochs, 0 if all_known else together)
    return trainer.plan(configurations, settings.max_epochs)


def _like_these(plan: search.Plan, count: int) -> list[Proposal]:
    """Draws from the space, and the starting points."""
    first = plan.sampler.ask(min(count, WARM), [])
    return [*first, *sampler("random", plan.space, plan.seed).ask(max(count, LEAST_SAMPLE), [])]


def _default_trials(settings: argparse.Namespace, size: int | None) -> int | None:
    if settings.trials is not None or settings.scheduler == "hyperband":
        return settings.trials
    if settings.scheduler == "pbt":
        return POPULATION
    return size or TRIALS.get(settings.space, TRIALS["default"])
