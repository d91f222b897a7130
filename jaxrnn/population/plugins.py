"""The plugins that bring GPUs and TPUs to JAX, and a warning where they are of no use."""

import warnings
from functools import cache
from importlib.metadata import PackageNotFoundError, entry_points, version

import jax

KNOWN = ("jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu")
"""Plugins that may be installed without an entry point."""
SEE = '`python -c "import jax; print(jax.devices())"` tells'


def installed() -> dict[str, str]:
    """Return the versions of the plugins that are installed, by name."""
    names = {entry.dist.name for entry in entry_points(group="jax_plugins") if entry.dist}
    versions: dict[str, str] = {}
    for name in sorted({name.replace("_", "-") for name in names} | set(KNOWN)):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def asked_for_cpu() -> bool:
    """Return whether JAX is set to use the CPU and nothing else."""
    values = jax.config.values
    return (values["jax_platforms"] or values["jax_platform_name"]) == "cpu"


def why_on_cpu(plugins: dict[str, str], jaxlib: str) -> str:
    """Return a sentence on plugins that are installed although JAX runs on the CPU.

    Args:
        plugins: Versions of the plugins by name, at least one.
        jaxlib: Version of jaxlib, which those for CUDA and ROCm must share.
    """
    names = ", ".join(f"{name} {version}" for name, version in plugins.items())
    other = [name for name, it in plugins.items() if name.startswith("jax-") and it != jaxlib]
    reason = "another process holds the device, or it or its driver is missing"
    if other:
        reason = f"jaxlib is {jaxlib} and needs {' and '.join(other)} of the same version"
    return (
        f"JAX trains on the CPU although it has a plugin for other devices ({names}), most likely "
        f"because {reason}; {SEE}, and `JAX_PLATFORMS=cpu` says that it is meant."
    )


@cache
def warn_of_idle_plugins() -> None:
    """Warn once if JAX runs on the CPU unasked, and has a plugin for other devices."""
    if not asked_for_cpu() and (plugins := installed()):
        warnings.warn(why_on_cpu(plugins, version("jaxlib")), RuntimeWarning, stacklevel=3)
