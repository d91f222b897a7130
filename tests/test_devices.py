"""Devices that are missing, idle or shared end in a sentence, each in processes of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jaxrnn.population.devices import cpu_cores
from jaxrnn.population.plugins import why_on_cpu

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "population_search.py"
MESHES = """
import warnings
from jaxrnn.population.devices import population_mesh

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    population_mesh(), population_mesh()
print(*[f"{one.category.__name__}: {one.message}" for one in caught], sep="\\n")
"""
PROCESS = """
import sys
import jax

jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]), initialization_timeout=60)
from jaxrnn.population.devices import population_mesh

try:
    population_mesh()
except ValueError as error:
    print(error)
"""


def begin(*command: object, folder: Path = ROOT, platforms: str = "") -> subprocess.Popen[str]:
    """A Python that sees the project, `folder`, and the `platforms` that JAX may use."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    environment.pop("JAX_PLATFORMS", None)
    if platforms:
        environment["JAX_PLATFORMS"] = platforms
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(cpu_cores() < 2, reason="a core that is alone is never idle")
def test_cores_that_jax_has_left_idle() -> None:
    """Where JAX started before; not where all that there are were asked for."""
    started = "import jax\n\njax.devices()\n"
    output, _ = begin("-c", started + MESHES, platforms="cpu").communicate(timeout=120)
    assert output.startswith(
        "RuntimeWarning: JAX had started before with 1 CPU device, so that not"
    )
    asked = MESHES.replace("population_mesh()", "population_mesh(1)")
    output, _ = begin("-c", started + asked, platforms="cpu").communicate(timeout=120)
    assert output == "\n"


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["rocm", "nonsense"])
def test_platforms_that_are_not_there(tmp_path: Path, platform: str) -> None:
    search = begin(SCRIPT, "--trials", 9, "--out", tmp_path / "out", platforms=platform)
    _, said = search.communicate(timeout=120)
    assert search.returncode == 2
    assert said.startswith(f"error: `JAX_PLATFORMS` is '{platform}', but must name devices that")
    assert len(said.splitlines()) == 1 and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_search_runs_in_one_process() -> None:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    both = [begin("-c", PROCESS, address, number, platforms="cpu") for number in range(2)]
    try:
        for process in both:
            output, failed = process.communicate(timeout=120)
            assert output.startswith("`jax.process_count()` is 2, but must be 1"), failed
    finally:
        for process in both:
            process.kill()


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder with a plugin that brings no device, installed as pip does it."""
    (tmp_path / "idle_plugin.py").write_text("def initialize():\n    pass\n")
    metadata = tmp_path / "jax_idle_plugin-0.0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: jax_idle_plugin\nVersion: 0.0.1\n"
    )
    (metadata / "entry_points.txt").write_text("[jax_plugins]\nidle = idle_plugin\n")
    return tmp_path


def test_idle_plugin_is_noted_once(plugin: Path) -> None:
    output, failed = begin("-c", MESHES, folder=plugin).communicate(timeout=120)
    assert output.startswith("RuntimeWarning: JAX trains on the CPU although"), failed
    assert "jax-idle-plugin 0.0.1" in output and len(output.splitlines()) == 1


@pytest.mark.slow
def test_idle_plugin_is_fine_where_the_cpu_was_asked_for(plugin: Path) -> None:
    output, failed = begin("-c", MESHES, folder=plugin, platforms="cpu").communicate(timeout=120)
    assert output.strip() == "", failed


def test_reasons_for_the_cpu() -> None:
    plugins = {"jax-cuda12-plugin": "0.7.2", "libtpu": "0.0.42"}
    other = "jaxlib is 0.10.2 and needs jax-cuda12-plugin of the same version"
    assert other in why_on_cpu(plugins, "0.10.2")
    assert "another process holds the device" in why_on_cpu(plugins, "0.7.2")
