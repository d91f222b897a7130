"""Proposes configurations, prunes losers, keeps the records; knows no neural network."""

from search.audit import Audit, audit
from search.optimize import optimize
from search.plans import Plan, PlanOptions, make_plan, plan_trainers
from search.progress import Clock, Progress
from search.replicates import Replicates
from search.rungs import Rung, rungs, trial_epochs
from search.samplers.registry import SAMPLERS, make_sampler
from search.schedulers.registry import SCHEDULERS, make_scheduler
from search.search import Search
from search.space.space import Space
from search.trainer import Trainer
from search.trial import Proposal, Trial, TrialStatus, TrialView, leaderboard

__all__ = [
    "SAMPLERS",
    "SCHEDULERS",
    "Audit",
    "Clock",
    "Plan",
    "PlanOptions",
    "Progress",
    "Proposal",
    "Replicates",
    "Rung",
    "Search",
    "Space",
    "Trainer",
    "Trial",
    "TrialStatus",
    "TrialView",
    "audit",
    "leaderboard",
    "make_plan",
    "make_sampler",
    "make_scheduler",
    "optimize",
    "plan_trainers",
    "rungs",
    "trial_epochs",
]
