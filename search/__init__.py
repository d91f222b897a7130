"""Proposes configurations, prunes losers, keeps the records; knows no neural network."""

from search.audit import Audit, audit
from search.optimize import find
from search.plans import Plan, expected, planned
from search.progress import Clock, Progress
from search.replicates import Team
from search.rungs import Rung, rungs, trial_epochs
from search.samplers.registry import SAMPLERS, sampler
from search.schedulers.registry import SCHEDULERS, scheduler
from search.search import Search
from search.space.space import Space
from search.trainer import Trainer
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
