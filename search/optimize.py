"""A whole search in one call."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from search.plans import PlanOptions, make_plan, plan_trainers
from search.replicates import Replicates
from search.search import Search
from search.space.space import Space
from search.space.suggestions import near
from search.trainer import Trainer


def optimize(
    trainer: Trainer[Any, Any],
    space: Space | Mapping[str, Any],
    trials: int | None = 27,
    *,
    repeats: int = 1,
    **options: Any,
) -> Search:
    """Search to the end, in memory.

        found = search.optimize(trainer, space, trials=27, max_epochs=9)
        found.best.configuration
        members = found.replicates.snapshots()[found.best.id]
        trainer.to_device(members)

    Args:
        trainer: Trainer of all trials.
        space: Space of the configurations, or what `Space` is made of.
        trials: Number of trials; None for one pass of `hyperband`, or a whole grid.
        repeats: Seeds per configuration.
        **options: Attributes of `search.PlanOptions`: `sampler`, `scheduler`, `max_epochs`, `seed`
            and so on.

    Returns:
        The search with its `trials`, the `best` of them, and snapshots of that one's members.

    Raises:
        ValueError: An option or a name that is not known, or a number out of range.
    """
    known = [option.name for option in fields(PlanOptions)]
    for name in options:
        if name not in known:
            raise ValueError(f"`{name}` is no option of a search{near(name, known)}")
    chosen = PlanOptions(**options)
    space = space if isinstance(space, Space) else Space(space)
    plan = make_plan(space, trials, chosen)
    plan_trainers(plan, [trainer], plan.scheduler.trials, repeats)
    search = Search(plan, Replicates([trainer], repeats, chosen.seed))
    search.run()
    return search
