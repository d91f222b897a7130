"""The data and the space of the default job, for processes that know no JAX.

python -m peers.digits SEED FOLDER
"""

import json
import sys
from pathlib import Path

import numpy as np

import jaxrnn


def write(seed: int, folder: Path) -> None:
    """Write `data.npz` with the parts that a search sees, standardised, and `space.json`."""
    data = jaxrnn.digits(seed=seed)
    parts = {"train": data.train, "validation": data.validation}
    arrays = {}
    for name, part in parts.items():
        assert isinstance(part, jaxrnn.Split)
        arrays |= {f"{name}_inputs": part.inputs, f"{name}_labels": part.targets}
    np.savez(folder / "data.npz", **arrays)
    (folder / "space.json").write_text(json.dumps(jaxrnn.DEFAULT_SPACE))


if __name__ == "__main__":
    write(int(sys.argv[1]), Path(sys.argv[2]))
