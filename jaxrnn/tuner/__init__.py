"""The application: a whole search of hyperparameters by one command, or by one call in Python."""

from jaxrnn.tuner.settings import Settings

__all__ = ["Settings"]
