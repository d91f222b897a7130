"""Data that lies in memory whole, with inputs that are numbers."""

import numpy as np

from jaxrnn.data.dataset import Data
from jaxrnn.data.scaling import Scaling
from jaxrnn.data.split import Split


def train_of(data: Data) -> Split:
    """Its training part."""
    assert isinstance(data.train, Split)
    return data.train


def splits_of(data: Data) -> list[Split]:
    """Train, validation and test."""
    return [train_of(data), data.validation, data.test]


def scaling_of(data: Data) -> Scaling:
    """Mean and deviation with which its inputs were standardised."""
    assert isinstance(data.encoder, Scaling)
    return data.encoder


def raw_of(data: Data, split: Split) -> np.ndarray:
    """Inputs before they were standardised; the mean behind the true length."""
    scaling = scaling_of(data)
    return split.inputs * scaling.scale + scaling.mean
