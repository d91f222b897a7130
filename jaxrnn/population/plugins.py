"""Plugins that bring JAX GPUs and TPUs: which are installed, and whether they came to nothing."""

import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version

import jax

KNOWN = ("jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu")
"""Those that may be there without an entry point."""
SEE = '`python -c "import jax; print(jax.devices())"` tells'


def installed() -> dict[str, str]:
    """Versions of the plugins that are installed, by name."""
    found = {entry.dist.name for entry in entry_points(group="jax_plugins") if entry.dist}
    versions: dict[str, str] = {}
    for name in sorted({name.replace("_", "-") for name in found} | set(KNOWN)):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def asked_for_cpu() -> bool:
    """Whether somebody told JAX to use the CPU and nothing else."""
    values = jax.config.values
    return (values["jax_platforms"] or values["jax_platform_name"]) == "cpu"


def why_on_cpu(plugins: dict[str, str], jaxlib: str) -> str:
    """A sentence on plugins that are installed although JAX runs on the CPU.

    Args:
        plugins: At least one, with versions.
        jaxlib: Its version, which those for CUDA and ROCm must share.
    """
    have = ", ".join(f"{name} {version}" for name, version in plugins.items())
    other = [name for name, it in plugins.items() if name.startswith("jax-") and it != jaxlib]
    reason = "another process holds the device, or it or its driver is missing"
    if other:
        reason = f"jaxlib is {jaxlib} and needs {' and '.join(other)} of the same version"
    return (
        f"JAX trains on the CPU although it has a plugin for other devices ({have}), most likely "
        f"because {reason}; {SEE}, and `JAX_PLATFORMS=cpu` says that it is meant."
    )


@cache
def warn_of_idle_plugins() -> None:
    """Warn, once, where JAX runs on the CPU, was not asked to, and has a plugin for more."""
    if not asked_for_cpu() and (plugins := installed()):
        warnings.warn(why_on_cpu(plugins, version("jaxlib")), RuntimeWarning, stacklevel=3)
