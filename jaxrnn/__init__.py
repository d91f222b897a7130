"""Trains a population of recurrent networks side by side in a few compiled programs."""

from jaxrnn.compile_cache import forget_programs, keep_programs
from jaxrnn.configuration.registry import GROUPS, HYPERPARAMETERS
from jaxrnn.configuration.rules import check_parents, conditions
from jaxrnn.data.dataset import Data, describe_data, fingerprint
from jaxrnn.data.folds import folds
from jaxrnn.data.from_arrays import from_arrays, from_splits
from jaxrnn.data.from_stream import from_stream
from jaxrnn.data.load import load_data, load_folds, read_data
from jaxrnn.data.split import Split
from jaxrnn.data.synthetic import adding, copy, digits, temporal_order
from jaxrnn.population.devices import describe
from jaxrnn.population.options import PRECISIONS, Options
from jaxrnn.population.planner import Group
from jaxrnn.population.snapshot import Snapshot
from jaxrnn.predictor import Predictor, load
from jaxrnn.spaces import DEFAULT_SPACE, SPACES
from jaxrnn.tasks.report import report
from jaxrnn.tasks.task import Task
from jaxrnn.trainer import Population, Trainer

__all__ = [
    "DEFAULT_SPACE",
    "GROUPS",
    "HYPERPARAMETERS",
    "PRECISIONS",
    "SPACES",
    "Data",
    "Group",
    "Options",
    "Population",
    "Predictor",
    "Snapshot",
    "Split",
    "Task",
    "Trainer",
    "adding",
    "check_parents",
    "conditions",
    "copy",
    "describe",
    "describe_data",
    "digits",
    "fingerprint",
    "folds",
    "forget_programs",
    "from_arrays",
    "from_splits",
    "from_stream",
    "keep_programs",
    "load",
    "load_data",
    "load_folds",
    "read_data",
    "report",
    "temporal_order",
]
