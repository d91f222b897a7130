"""`peers-<device>.json`, from which `scripts/benchmark_peers.py --table` makes README's tables."""

import os
from importlib.util import find_spec
from typing import Any

from peers import results
from peers.contestants import SHARING_A_GPU

from benchmarks.gpu.record import Record, versions
from jaxrnn.population.devices import cpu_cores

PARTS = {"job": "jobs", "throughput": "throughput"}
"""Which part of the kit measures a section."""


def has_torch(record: Record) -> bool:
    """Whether PyTorch is here; if not, `record` says so."""
    installed = find_spec("torch") is not None
    if not installed:
        reason = "PyTorch is not installed here, so nothing is compared with it"
        record.note(reason) if record.rehearsal else record.fail(reason)
    return installed


def keep(record: Record, section: str, **more: Any) -> None:
    """Write a section; those of a rehearsal go into a file that no table is made of."""
    path = results.path_of(record.folder, record.device, quick=record.rehearsal)
    about = {
        "command": f"bash benchmarks/gpu_kit.sh {PARTS[section]}",
        "platform": "cpu" if record.rehearsal else "gpu",
        "machine": os.uname().machine,
        "cores": cpu_cores(),
        "processes": cpu_cores() if record.rehearsal else SHARING_A_GPU,
        "versions": versions(),
    }
    results.keep(path, record.device, section, about | more)
