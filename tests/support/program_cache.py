"""Programs compiled in a hurry, and kept for other tests, workers, processes and runs."""

import os
from pathlib import Path

import jax

# A third of the time of compiling; what programs compute has other last bits than users see.
QUICK = ["--xla_backend_optimization_level=0"]
if jax.__version_info__ < (0, 11):  # later ones refuse the name
    QUICK.append("--xla_cpu_use_fusion_emitters=false")


def settings(folder: Path) -> dict[str, object]:
    """Settings of JAX for a folder of programs."""
    return {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }


def use(folder: Path) -> None:
    """Compile so here, and in processes that this one begins, and keep what is compiled."""
    os.environ["XLA_FLAGS"] = " ".join([*os.environ.get("XLA_FLAGS", "").split(), *QUICK])
    for name, value in settings(folder).items():
        os.environ[name.upper()] = str(value)
        jax.config.update(name, value)
