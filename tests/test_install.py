"""What pip is told: lower bounds that are tested, and extras that bring devices."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def bounds(requirements: list[str]) -> dict[str, str]:
    """Lower bounds by name; every requirement must have one."""
    pairs = [re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", one) for one in requirements]
    assert all(pairs), requirements
    return {pair[1]: pair[2] for pair in pairs if pair}


def test_oldest_packages_are_the_lower_bounds() -> None:
    lines = (ROOT / ".ci" / "oldest.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    wanted = bounds(PROJECT["dependencies"] + EXTRAS["test"])
    assert pins == wanted | {"jaxlib": wanted["jax"]}


def test_extras_bring_the_devices_of_jax() -> None:
    for name in ("cuda12", "cuda13", "tpu"):
        assert EXTRAS[name] == [f"jax[{name}]"]


def test_compiling_ahead_is_pinned_to_one_jax() -> None:
    pins = {one.split("==")[1] for one in EXTRAS["aot"] if one.startswith("jax")}
    assert len(pins) == 1
