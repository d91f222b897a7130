"""A whole search in one call."""

from typing import Any

from search.plans import expected, make_plan
from search.replicates import Replicates
from search.search import Search
from search.space.space import Space
from search.trainer import Trainer


def optimize(
    trainer: Trainer[Any, Any],
    space: Space,
    trials: int | None = 27,
    *,
    repeats: int = 1,
    seed: int = 0,
    **options: Any,
) -> Search:
    """Search to the end, in memory.

    Args:
        trainer: Trains the trials.
        space: Where to search.
        trials: How many to begin; None for one pass of `hyperband`, or a whole grid.
        repeats: Seeds per configuration.
        seed: Of all that is random.
        **options: As `search.planned` takes them: `search`, `pruning`, `max_epochs` and so on.

    Returns:
        The search: its `trials`, the `best` of them, and in `replicates.snapshots()[best.id]` the
        best one's members, which `trainer.to_device` takes.

    Raises:
        ValueError: A name that is not known, or a number out of range.
    """
    plan = make_plan(space, trials, seed=seed, **options)
    trainer.plan_for(*expected(plan, plan.scheduler.trials, repeats))
    search = Search(plan, Replicates([trainer], repeats, seed))
    search.run()
    return search
