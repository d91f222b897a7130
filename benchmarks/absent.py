"""Compilers for chips that are not here: one core of a TPU v5e, and an NVIDIA H100.

They come as packages and need no driver; the H100 is described by benchmarks/targets/h100.txtpb.
Where they are installed, JAX must start nothing but the CPU: call `only_cpu`.
"""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh

from jaxrnn.population.devices import AXIS

# Whoever else uses libtpu at the same time, and no search for TPUs in the network.
os.environ.update(ALLOW_MULTIPLE_LIBTPU_LOAD="1", TPU_SKIP_MDS_QUERY="1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

H100 = Path(__file__).resolve().parent / "targets" / "h100.txtpb"
CHIPS: dict[str, dict[str, Any]] = {
    "v5e": {"platform": "tpu", "topology_name": "v5e:1x1", "chips_per_host_bounds": [1, 1, 1]},
    "v5e:2x2": {"platform": "tpu", "topology_name": "v5e:2x2"},
    "h100": {"platform": "cuda", "topology": "1x1x1", "target_config": H100.read_text()},
}
NEEDS = {"libtpu": "0.0.42", "jax-cuda12-plugin": "0.10.2", "jax-cuda12-pjrt": "0.10.2"}


def missing() -> str | None:
    """What to say where the compilers are not installed, or are not those of this JAX."""
    installed = {}
    for name in NEEDS:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = ""
    wanted = [name for name, start in NEEDS.items() if not installed[name].startswith(start)]
    if not wanted and jax.__version__ == NEEDS["jax-cuda12-plugin"]:
        return None
    return 'This needs Python 3.11 with JAX 0.10.2 and the compilers of `pip install -e ".[aot]"`.'


def only_cpu() -> None:
    """Let JAX, here and in processes begun here, look for no chip."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    jax.config.update("jax_platforms", "cpu")


def mesh(chip: str) -> Mesh:
    """The devices of one of `CHIPS`, for programs that are compiled and never run."""
    devices = topologies.get_topology_desc(**CHIPS[chip]).devices
    return Mesh(np.array(devices), (AXIS,))
