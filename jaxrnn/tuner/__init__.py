"""The application: a whole search of hyperparameters by one command, or by one call in Python."""

from jaxrnn.tuner.api import search
from jaxrnn.tuner.result import Result, open
from jaxrnn.tuner.settings import Settings

__all__ = ["Result", "Settings", "open", "search"]
