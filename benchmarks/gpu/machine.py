"""Whether this machine can run the kit: prints its devices, or says in a sentence what is missing.

python -m benchmarks.gpu.machine [--rehearse]
"""

import sys
from importlib.util import find_spec

NEEDED = (
    *("jax", "flax", "optax", "chex", "numpy", "optuna", "rich", "sklearn", "tomli_w", "pandas"),
    *("pyarrow", "scipy", "cmaes", "filelock", "platformdirs", "psutil", "sqlalchemy"),
    *("threadpoolctl", "colorlog", "alembic", "mako"),
)
"""What is imported of others: the project's dependencies, and those of Optuna."""


def missing() -> str:
    """A sentence about packages that are not here; empty if all are."""
    names = " and ".join(f"`{name}`" for name in NEEDED if find_spec(name) is None)
    return names and (
        f"{names} can't be imported here; bring wheels and name their folder with --wheels "
        "(benchmarks/README.md says how)"
    )


def devices() -> tuple[str, str]:
    """The devices that would train, for people, and their platform."""
    import jaxrnn
    import search
    from jaxrnn.population.devices import population_mesh

    assert search
    mesh = population_mesh()
    return jaxrnn.describe(mesh), mesh.devices.flat[0].platform


def main() -> int:
    """Print the devices; returns the exit status."""
    if reason := missing():
        print(f"error: {reason}.", file=sys.stderr)
        return 1
    name, platform = devices()
    if platform not in ("gpu", "cuda") and "--rehearse" not in sys.argv:
        print(f"error: JAX trains on {name} here, not on a GPU.", file=sys.stderr)
        return 1
    print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
