"""Compiled programs on disk, so that the next process need not compile them again."""

import hashlib
import os
import platform
from pathlib import Path

import jax
import platformdirs
from jax.experimental.compilation_cache import compilation_cache

MOST_BYTES = 2**30
"""What the programs may take; those not used for the longest time go first."""


def keep_programs(folder: str | Path | None = None) -> Path | None:
    """Keep what is compiled from now on, and use what earlier processes kept.

    By JAX's persistent compilation cache; results are the same to the bit. A folder that JAX was
    told of already, as by `JAX_COMPILATION_CACHE_DIR`, stays as it is. Anybody who can write there
    can run code as you.

    Args:
        folder: By default one of this machine and user, such as `~/.cache/jaxrnn/<processor>`.

    Returns:
        The folder; None where it can't be written, and nothing is kept.
    """
    if told := jax.config.values["jax_compilation_cache_dir"]:
        return Path(told)
    here = Path(folder) if folder else platformdirs.user_cache_path("jaxrnn") / processor()
    try:
        here.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    if not os.access(here, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(here))
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # JAX looks once, at its first compilation
    return here


def forget_programs() -> None:
    """Neither keep what is compiled from now on, nor use what was kept."""
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()


def kept_beside(name: str) -> Path | None:
    """The folder `name` beside the programs that are kept; None where none are."""
    values = jax.config.values
    kept = values["jax_compilation_cache_dir"] if values["jax_enable_compilation_cache"] else None
    return None if kept is None else Path(kept) / name


def processor() -> str:
    """A name for what the CPU can do: homes may be shared by machines that run other code."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    kinds = ("flags", "Features", "model name")
    said = sorted({line for line in lines if line.startswith(kinds)}) or [platform.processor()]
    digest = hashlib.sha256("\n".join(said).encode()).hexdigest()
    return f"{platform.machine()}-{digest[:12]}"
