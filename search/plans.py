"""Plans: what a search does, and what its trainers should prepare for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.rungs import check_whole
from search.samplers.enqueued import Enqueued
from search.samplers.registry import make_sampler
from search.samplers.sampler import Sampler
from search.schedulers.pbt import Pbt
from search.schedulers.registry import make_scheduler
from search.schedulers.scheduler import Scheduler
from search.space.space import Space
from search.trainer import Trainer

MAX_CONCURRENT = 32
"""Trials that train at once where scores guide the next ones, or lanes where there are more."""
LEAST_SAMPLE = 128
"""Configurations that tell what others will be like, where these are not known in advance."""


@dataclass(frozen=True)
class Plan:
    """What a search does; with the same plan, the same results.

    Attributes:
        space: Space of the configurations.
        sampler: Sampler that proposes configurations.
        scheduler: Scheduler that decides which trials go on.
        metric: Metric to search by, a name that the trainer's `evaluate` gives.
        mode: `min` or `max`: which values of the metric are better.
        seed: Seed of all that is random.
        max_concurrent: Number of trials up to which new ones begin.
    """

    space: Space
    sampler: Sampler
    scheduler: Scheduler
    metric: str = "loss"
    mode: str = "min"
    seed: int = 0
    max_concurrent: int = 1 << 30

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown mode, or no room for any trial."""
        if self.mode not in ("min", "max"):
            raise ValueError(f"`mode` is {self.mode!r}, but must be 'min' or 'max'.")
        if self.max_concurrent < 1:
            raise ValueError(f"`max_concurrent` is {self.max_concurrent}, but must be at least 1.")


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """Choices of a search besides its space and the number of trials.

    Attributes:
        sampler: Name of the sampler, one of `SAMPLERS`.
        scheduler: Name of the scheduler, one of `SCHEDULERS`.
        min_epochs: Epochs before the first comparison, at least 1.
        max_epochs: Epochs of the trials that are never pruned, at least `min_epochs`.
        eta: Reduction factor where there are rungs, at least 2: one trial in `eta` goes on.
        metric: Metric to search by.
        mode: `min` or `max`: which values of the metric are better.
        seed: Seed of all that is random.
        max_concurrent: Most trials that train at once, at least 1. By default all; at most 32, or
            `lanes`, where scores guide which configurations come next.
        lanes: Number of members that train side by side on all devices.
        grid_points: Number of values that stand for a continuous range in a grid, at least 2.
        starts: Configurations to begin with.
    """

    sampler: str = "random"
    scheduler: str = "halving"
    min_epochs: int = 1
    max_epochs: int = 27
    eta: int = 3
    metric: str = "loss"
    mode: str = "min"
    seed: int = 0
    max_concurrent: int | None = None
    lanes: int = 1
    grid_points: int = 3
    starts: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        """Raise ValueError for a number out of range that neither sampler nor scheduler checks."""
        if self.max_concurrent is not None:
            check_whole("max_concurrent", self.max_concurrent, 2 if self.sampler == "cmaes" else 1)
        check_whole("grid_points", self.grid_points, 2)

    @property
    def batch(self) -> int:
        """Number of trials that train at once where scores guide which ones come next."""
        return self.max_concurrent or max(MAX_CONCURRENT, self.lanes)


def make_plan(
    space: Space, trials: int | Sequence[int] | None, options: PlanOptions | None = None
) -> Plan:
    """Return the plan of a search.

    Args:
        space: Space of the configurations.
        trials: Number of trials, as `make_scheduler` takes it; None for all of a grid.
        options: Further choices; by default those of `PlanOptions()`.

    Raises:
        ValueError: An unknown name, a number out of range, `starts` that the space does not have,
            or more trials than there are configurations.
    """
    options = options or PlanOptions()
    sampler = _sampler(space, options)
    if trials is None and options.scheduler != "hyperband":
        trials = sampler.size
    scheduler = make_scheduler(
        options.scheduler,
        trials,
        options.min_epochs,
        options.max_epochs,
        options.eta,
        options.seed,
    )
    if sampler.size is not None and scheduler.trials > sampler.size:
        raise ValueError(
            f"`trials` is {scheduler.trials}, but there are only {sampler.size} configurations; "
            "raise `grid_points`, or leave `trials` out."
        )
    limited = options.max_concurrent or sampler.learns or options.scheduler == "asha"
    max_concurrent = options.batch if limited else scheduler.trials
    metric, mode, seed = options.metric, options.mode, options.seed
    return Plan(space, sampler, scheduler, metric, mode, seed, max_concurrent)


def _sampler(space: Space, options: PlanOptions) -> Sampler:
    seed, points = options.seed, options.grid_points
    sampler = make_sampler(options.sampler, space, seed, batch=options.batch, points=points)
    return Enqueued(sampler, space, options.starts, seed) if options.starts else sampler


def plan_trainers(
    plan: Plan, trainers: Sequence[Trainer[Any, Any]], trials: int, repeats: int = 1
) -> list[dict[str, Any]]:
    """Let the trainers of a search prepare for its configurations.

    Args:
        plan: Plan of the search.
        trainers: Trainers, one per fold.
        trials: Number of trials, before it was raised.
        repeats: Members of a trial in every fold.

    Returns:
        The very configurations to come where these are known in advance, otherwise configurations
        like them, drawn from the space.
    """
    known = not plan.sampler.learns and not isinstance(plan.scheduler, Pbt)
    proposals = plan.sampler.ask(trials if known else min(trials, MAX_CONCURRENT), [])
    if not known:
        proposals += make_sampler("random", plan.space, plan.seed).ask(
            max(trials, LEAST_SAMPLE), []
        )
    configurations = [proposal.configuration for proposal in proposals]
    scheduler = plan.scheduler
    together = known and plan.max_concurrent >= scheduler.trials  # all of these very ones
    max_concurrent = 0 if together else min(plan.max_concurrent, scheduler.trials) * repeats
    for trainer in trainers:
        trainer.plan_for(
            configurations,
            scheduler.max_epochs,
            max_concurrent,
            synchronous=together or scheduler.synchronous,
        )
    return configurations
