"""Trains a population of recurrent networks side by side in a few compiled programs."""

from jaxrnn.configuration.entries import ENTRIES, GROUPS
from jaxrnn.configuration.rules import check_parents, conditions
from jaxrnn.configuration.spaces import DEFAULT_SPACE, SPACES
from jaxrnn.data.data import Data, Split, digits, from_arrays, from_splits
from jaxrnn.data.data import load as load_data
from jaxrnn.population.devices import describe
from jaxrnn.population.planner import Group
from jaxrnn.predictor import Predictor, load
from jaxrnn.trainer import Population, Trainer

__all__ = [
    "DEFAULT_SPACE",
    "ENTRIES",
    "GROUPS",
    "SPACES",
    "Data",
    "Group",
    "Population",
    "Predictor",
    "Split",
    "Trainer",
    "check_parents",
    "conditions",
    "describe",
    "digits",
    "from_arrays",
    "from_splits",
    "load",
    "load_data",
]
