"""Plans: what a search is to do, and what its trainers should plan for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from search.rungs import check_whole
from search.samplers.enqueued import Enqueued
from search.samplers.registry import make_sampler
from search.samplers.sampler import Sampler
from search.schedulers.pbt import Pbt
from search.schedulers.registry import make_scheduler
from search.schedulers.scheduler import Scheduler
from search.space.space import Space


@dataclass(frozen=True)
class Plan:
    """What a search does; with the same plan, the same results.

    Attributes:
        space: Where to search.
        sampler: Proposes configurations.
        scheduler: Decides who goes on.
        metric: The score, a name that the trainer's `evaluate` gives.
        mode: `min` or `max`: which scores are better.
        seed: Of all that is random.
        max_concurrent: The most trials that new ones may fill up.
    """

    space: Space
    sampler: Sampler
    scheduler: Scheduler
    metric: str = "loss"
    mode: str = "min"
    seed: int = 0
    max_concurrent: int = 1 << 30

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown mode, or room for nobody."""
        if self.mode not in ("min", "max"):
            raise ValueError(f"`mode` is {self.mode!r}, but must be 'min' or 'max'.")
        if self.max_concurrent < 1:
            raise ValueError(f"`max_concurrent` is {self.max_concurrent}, but must be at least 1.")


MAX_CONCURRENT = 32
"""Trials that train at once where scores guide what comes next, or lanes where there are more."""
LEAST_SAMPLE = 128
"""Configurations that tell what others will be like, where these are not known in advance."""


def make_plan(
    space: Space,
    trials: int | Sequence[int] | None,
    *,
    sampler: str = "random",
    scheduler: str = "halving",
    min_epochs: int = 1,
    max_epochs: int = 27,
    eta: int = 3,
    metric: str = "loss",
    mode: str = "min",
    seed: int = 0,
    max_concurrent: int | None = None,
    lanes: int = 1,
    grid_points: int = 3,
    starts: Sequence[Mapping[str, Any]] = (),
) -> Plan:
    """The plan of a search.

    Args:
        space: Where to search.
        trials: As `search.schedulers.registry.scheduler` takes it; all of a grid if None.
        sampler: Who proposes, one of `SAMPLERS`.
        scheduler: Who prunes, one of `SCHEDULERS`.
        min_epochs: Epochs before the first comparison.
        max_epochs: Epochs of the trials that are never pruned.
        eta: One in `eta` goes on, where there are rungs.
        metric: What to search by.
        mode: `min` or `max`: which values of it are better.
        seed: Of all that is random.
        max_concurrent: Most trials that train at once, at least 1. By default all; at most 32, or
            `lanes`, where scores guide what comes next.
        lanes: Members that train side by side on all devices.
        grid_points: Values of a continuous range in a grid, at least 2.
        starts: Configurations to begin with.

    Raises:
        ValueError: An unknown name, a number out of range, `starts` that the space does not have,
            or more trials than there are configurations.
    """
    check_whole(
        "max_concurrent",
        2 if max_concurrent is None else max_concurrent,
        2 if sampler == "cmaes" else 1,
    )
    check_whole("grid_points", grid_points, 2)
    batch = max_concurrent or max(MAX_CONCURRENT, lanes)
    proposer = make_sampler(sampler, space, seed, batch=batch, points=grid_points)
    if starts:
        proposer = Enqueued(proposer, space, starts, seed)
    if trials is None and scheduler != "hyperband":
        trials = proposer.size
    pruner = make_scheduler(scheduler, trials, min_epochs, max_epochs, eta, seed)
    if proposer.size is not None and pruner.trials > proposer.size:
        raise ValueError(
            f"`trials` is {pruner.trials}, but there are only {proposer.size} configurations; "
            "raise `grid_points`, or leave `trials` out."
        )
    limited = max_concurrent or proposer.learns or scheduler == "asha"
    together = batch if limited else pruner.trials
    return Plan(space, proposer, pruner, metric, mode, seed, together)


class Expected(NamedTuple):
    """What `Trainer.expect` should be told; attributes are its arguments."""

    configurations: list[dict[str, Any]]
    max_epochs: int
    max_concurrent: int
    synchronous: bool


def expected(plan: Plan, trials: int, repeats: int = 1) -> Expected:
    """What to expect of a search.

    The configurations are the very ones to come where these are known in advance, and the number
    is 0 then; otherwise they are drawn from the space.

    Args:
        plan: Of the search.
        trials: How many there are, before the number was raised.
        repeats: Members of a trial.
    """
    same = not plan.sampler.learns and not isinstance(plan.scheduler, Pbt)
    like = plan.sampler.ask(trials if same else min(trials, MAX_CONCURRENT), [])
    if not same:
        like += make_sampler("random", plan.space, plan.seed).ask(max(trials, LEAST_SAMPLE), [])
    all_known = same and plan.max_concurrent >= plan.scheduler.trials
    together = 0 if all_known else min(plan.max_concurrent, plan.scheduler.trials) * repeats
    configurations, last = [proposal.configuration for proposal in like], plan.scheduler.max_epochs
    synchronous = together == 0 or plan.scheduler.synchronous
    return Expected(configurations, last, together, synchronous)
