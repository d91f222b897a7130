"""Facts for pip, Git and those who cite: bounds, extras, hooks, the version."""

import re
import subprocess
import tomllib
from importlib.metadata import version
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def bounds(requirements: list[str]) -> dict[str, str]:
    """Lower bounds by name; every requirement must have one, and may have an upper one."""
    pairs = [
        re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)(?:,<[0-9]+)?", requirement)
        for requirement in requirements
    ]
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
    pins = {pin.split("==")[1] for pin in EXTRAS["aot"] if pin.startswith("jax")}
    assert len(pins) == 1


def test_citation_is_that_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["message"] and citation["authors"] == [{"name": "jaxrnn contributors"}]
    for name in ("version", "license"):
        assert citation[name] == PROJECT[name]
    assert (citation["title"], citation["abstract"]) == (PROJECT["name"], PROJECT["description"])
    assert citation["version"] == version("jaxrnn")


def test_hooks_check_what_continuous_integration_checks() -> None:
    """Lines of `lint` in `.ci/run`, without the names of its environments."""
    script = (ROOT / ".ci" / "run").read_text()
    (lint,) = re.findall(r"^lint\(\) \{\n(.*?)^\}", script, re.MULTILINE | re.DOTALL)
    commands = re.findall(r'^ *"\$work/default/bin/(\w+)"(.*)$', lint, re.MULTILINE)
    checked = [(name + rest).removesuffix(' --pythonpath "$python"') for name, rest in commands]
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert [hook["entry"] for hook in hooks] == checked
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {stage for hook in hooks for stage in hook["stages"]} == {
        *config["default_install_hook_types"]
    }


def test_continuous_integration_is_a_script_that_bash_reads() -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)
