"""Compiled programs on disk, so that the next process need not compile them again."""

import hashlib
import os
import platform
from pathlib import Path

import jax
import platformdirs
from jax.experimental.compilation_cache import compilation_cache

MAX_BYTES = 2**30
"""Most bytes on disk; the programs that were not used for the longest time go first."""


def keep_programs(folder: str | Path | None = None) -> Path | None:
    """Keep what is compiled from now on, and use what earlier processes kept.

    This is JAX's persistent compilation cache; results are the same to the bit. The folder stays
    where JAX has one already, as by `JAX_COMPILATION_CACHE_DIR`.
    Anyone who can write there can run code as you.

    Args:
        folder: Folder of the cache, by default one of this machine and user, such as
            `~/.cache/jaxrnn/<processor>`.

    Returns:
        The folder; None where it can't be written, and nothing is kept.
    """
    if configured := jax.config.values["jax_compilation_cache_dir"]:
        return Path(configured)
    path = Path(folder) if folder else platformdirs.user_cache_path("jaxrnn") / processor()
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return None
    if not os.access(path, os.W_OK):
        return None
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_compilation_cache_max_size", MAX_BYTES)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # JAX looks once, at its first compilation
    return path


def forget_programs() -> None:
    """Turn the cache off: keep nothing from now on, and use nothing that was kept."""
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()


def kept_beside(name: str) -> Path | None:
    """Return the folder `name` beside the programs on disk; None where none are kept."""
    values = jax.config.values
    folder = values["jax_compilation_cache_dir"] if values["jax_enable_compilation_cache"] else None
    return None if folder is None else Path(folder) / name


def processor() -> str:
    """Return a name for what the CPU can do, as homes may be shared by unlike machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    kinds = ("flags", "Features", "model name")
    features = sorted({line for line in lines if line.startswith(kinds)})
    text = "\n".join(features or [platform.processor()])
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{platform.machine()}-{digest[:12]}"
