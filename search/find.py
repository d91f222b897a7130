"""A whole search in one call."""

from search.engine import Search
from search.plan import Plan
from search.protocol import Population, Snapshot, Trainer
from search.samplers.kinds import sampler
from search.schedulers.kinds import scheduler
from search.space import Space
from search.team import Team

AT_ONCE = 32


def find(
    trainer: Trainer[Population, Snapshot],
    space: Space,
    *,
    trials: int | None = 27,
    search: str = "random",
    pruning: str = "halving",
    min_epochs: int = 1,
    max_epochs: int = 27,
    eta: int = 3,
    repeats: int = 1,
    metric: str = "loss",
    mode: str = "min",
    seed: int = 0,
) -> Search[Population, Snapshot]:
    """Search to the end, in memory.

    Args:
        trainer: Trains the trials.
        space: Where to search.
        trials: How many to begin; None for one pass of `hyperband`.
        search: Who proposes, one of `SAMPLERS`.
        pruning: Who prunes, one of `SCHEDULERS`.
        min_epochs: Epochs before the first comparison.
        max_epochs: Epochs of the trials that are never pruned.
        eta: One in `eta` goes on, where there are rungs.
        repeats: Seeds per configuration.
        metric: What to search by, a name that `trainer.evaluate` gives.
        mode: `min` or `max`: which values of it are better.
        seed: Of all that is random.

    Returns:
        The search: its `trials`, the `best` of them, and in `members[best.id]` snapshots of it,
        which `trainer.place` takes.

    Raises:
        ValueError: A name that is not known, or a number out of range.
    """
    proposes = sampler(search, space, seed, batch=AT_ONCE)
    prunes = scheduler(pruning, trials, min_epochs, max_epochs, eta, seed)
    limited = proposes.learns or pruning == "asha"
    at_once = AT_ONCE if limited else prunes.trials
    plan = Plan(space, proposes, prunes, metric, mode, seed, at_once)
    like = sampler("random", space, seed).ask(prunes.trials, [])
    trainer.expect([one.configuration for one in like], max_epochs, at_once * repeats)
    found = Search(plan, Team([trainer], repeats, seed))
    found.run()
    return found
