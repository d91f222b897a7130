"""Proposes configurations, prunes losers, keeps the records; knows no neural network."""

from search.audit import Audit, audit
from search.engine import Search
from search.find import find
from search.plan import Plan
from search.planning import expected, planned
from search.progress import Clock, Progress
from search.protocol import Trainer
from search.rungs import Rung, rungs, trial_epochs
from search.samplers.kinds import SAMPLERS, sampler
from search.schedulers.kinds import SCHEDULERS, scheduler
from search.space import Space
from search.team import Team
from search.trial import State, Trial, leaderboard

__all__ = [
    "SAMPLERS",
    "SCHEDULERS",
    "Audit",
    "Clock",
    "Plan",
    "Progress",
    "Rung",
    "Search",
    "Space",
    "State",
    "Team",
    "Trainer",
    "Trial",
    "audit",
    "expected",
    "find",
    "leaderboard",
    "planned",
    "rungs",
    "sampler",
    "scheduler",
    "trial_epochs",
]
