"""Proposes configurations, prunes losers, keeps the records; knows no neural network."""

from search.halving import Clock, Progress, Result, successive_halving
from search.proposals import random_trials
from search.protocol import Trainer
from search.rungs import Rung, rungs, trial_epochs
from search.space import Space
from search.trial import State, Trial, leaderboard, new_trials

__all__ = [
    "Clock",
    "Progress",
    "Result",
    "Rung",
    "Space",
    "State",
    "Trainer",
    "Trial",
    "leaderboard",
    "new_trials",
    "random_trials",
    "rungs",
    "successive_halving",
    "trial_epochs",
]
