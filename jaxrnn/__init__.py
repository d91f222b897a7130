"""Trains a population of recurrent networks side by side in a few compiled programs."""

from jaxrnn.configuration import DEFAULT_SPACE, ENTRIES, check
from jaxrnn.data import Data, Split, digits, from_arrays, from_splits
from jaxrnn.data import load as load_data
from jaxrnn.devices import describe
from jaxrnn.predictor import Predictor, load
from jaxrnn.trainer import Population, Trainer

__all__ = [
    "DEFAULT_SPACE",
    "ENTRIES",
    "Data",
    "Population",
    "Predictor",
    "Split",
    "Trainer",
    "check",
    "describe",
    "digits",
    "from_arrays",
    "from_splits",
    "load",
    "load_data",
]
