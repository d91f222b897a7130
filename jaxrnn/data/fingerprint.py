"""Whether data are the same as another day."""

import hashlib

import numpy as np

from jaxrnn.data.data import Data
from jaxrnn.data.split import Split


def fingerprint(data: Data) -> str:
    """A number in hexadecimal that tells data apart: shapes, types and values of every part.

    Of training data that comes as a stream nothing is read, only its sizes count.
    """
    told = hashlib.sha256()
    for part in (data.train, data.validation, data.test):
        if isinstance(part, Split):
            for name, values in vars(part).items():
                told.update(f"{name} {values.shape} {values.dtype} ".encode())
                told.update(np.ascontiguousarray(values).tobytes())
        else:
            told.update(f"stream {part.batch} {part.batches} {part.time} ".encode())
    return told.hexdigest()
