"""The house: packages apart, imports going down, files and functions of a readable size."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("jaxrnn", "search")
TUNER = ROOT / "jaxrnn" / "tuner"
FOLDERS = ("configuration", "tasks", "data", "network", "training", "population")


def imported(path: Path) -> set[str]:
    """Modules that a file imports, as full dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative import"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def files(package: str) -> list[Path]:
    """Files of a package; those of `jaxrnn` without the application."""
    return [path for path in (ROOT / package).rglob("*.py") if path.parent != TUNER]


@pytest.mark.parametrize(("package", "other"), [PACKAGES, PACKAGES[::-1]])
def test_packages_never_import_each_other(package: str, other: str) -> None:
    """The application joins them, and alone imports both."""
    for path in files(package):
        assert not {name for name in imported(path) if name.split(".")[0] == other}, path
    assert any("search" in imported(path) for path in TUNER.glob("*.py"))


def test_nothing_imports_the_application() -> None:
    for path in (*files("jaxrnn"), *files("search")):
        assert not {name for name in imported(path) if name.startswith("jaxrnn.tuner")}, path


def test_importing_the_trainer_leaves_search_and_application_alone() -> None:
    shown = "[name for name in sys.modules if name.startswith(('search', 'jaxrnn.tuner'))]"
    code = f"import sys, jaxrnn; print({shown})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_search_knows_no_neural_network() -> None:
    for path in (ROOT / "search").rglob("*.py"):
        assert not {n.split(".")[0] for n in imported(path)} & {"jax", "flax", "optax"}, path


def module(path: Path) -> str:
    """The dotted name of a file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_down(package: str) -> None:
    """Files can be put in an order in which each imports only earlier ones: no circles."""
    names = {
        module(path): path for path in (ROOT / package).rglob("*.py") if path.stem != "__init__"
    }
    below = {name: imported(path) & set(names) for name, path in names.items()}
    placed: set[str] = set()
    while len(placed) < len(names):
        ready = {name for name in names if name not in placed and below[name] <= placed}
        assert ready, f"circle among {set(names) - placed}"
        placed |= ready


@pytest.mark.parametrize("folder", FOLDERS)
def test_folders_go_down(folder: str) -> None:
    """A folder imports only those before it."""
    above = {f"jaxrnn.{name}" for name in FOLDERS[FOLDERS.index(folder) + 1 :]}
    for path in (ROOT / "jaxrnn" / folder).glob("*.py"):
        assert not {n for n in imported(path) if ".".join(n.split(".")[:2]) in above}, path


@pytest.mark.parametrize("package", [*PACKAGES, "scripts", "benchmarks"])
def test_sizes(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        text = path.read_text()
        assert text.count("\n") <= 350, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                doc = ast.get_docstring(node, clean=False) or ""
                size = (node.end_lineno or 0) - node.lineno + 1 - doc.count("\n")
                assert size <= 45, f"{path}, {node.name}: {size} lines"


def test_importing_starts_no_runtime() -> None:
    """No array at import time: JAX must still be free to split the CPU."""
    split = "jax.config.update('jax_num_cpu_devices', 3)"
    code = f"import jaxrnn, search, jax; {split}; print(len(jax.devices()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3\n"
