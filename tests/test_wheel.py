"""The wheel, installed in a new environment, works from a folder that is no checkout."""

import os
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
CALL = """
import jaxrnn.tuner, search, sys
assert all(one.__file__.startswith(sys.prefix) for one in (jaxrnn, jaxrnn.tuner, search))
result = jaxrnn.tuner.search(trials=6, max_epochs=2, out="call", progress=False)
print(result.best.id, len(result.trials), result.model.configuration["cell"])
"""


def run(folder: Path, *command: object) -> Any:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True
    )
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds the wheel, and sees what this one has installed."""
    folder = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    wheel = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    subprocess.run([*pip, *map(str, wheel)], check=True)
    run(folder, sys.executable, "-m", "venv", "--without-pip", folder / "new")
    places = {"base": str(folder / "new"), "platbase": str(folder / "new")}
    packages = Path(sysconfig.get_path("purelib", "venv", places))
    outside = [path for path in sys.path if path.endswith("-packages")]
    (packages / "outside.pth").write_text("\n".join(outside) + "\n")
    (file,) = folder.glob("jaxrnn-*.whl")
    target = ("--python", folder / "new", "install", "--no-deps", "--no-index", file)
    subprocess.run([*pip, *map(str, target)], check=True)
    return folder / "new" / "bin"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("hatchling") is None, reason="needs the extra [dev]")
def test_the_wheel_brings_the_command_and_the_call(installed: Path, tmp_path: Path) -> None:
    small = ("--trials", "6", "--max-epochs", "2", "--out", "command")
    assert "winner: trial" in run(tmp_path, installed / "population-search", *small)
    best, trials, cell = run(tmp_path, installed / "python", "-c", CALL).split()
    assert (int(best) < 6, trials, cell in ("lstm", "gru")) == (True, "6", True)
    both = [(tmp_path / name / "trials.csv").read_bytes() for name in ("command", "call")]
    assert both[0] == both[1]
