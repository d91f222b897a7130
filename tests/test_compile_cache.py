"""Programs on disk: where, for whom, and what happens when they are damaged."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from support import program_cache
from support.datasets import sequences

import jaxrnn
from jaxrnn.compile_cache import processor

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "population_search.py"
SPACE = 'cell = "gru"\nhidden_size = 4\nlearning_rate = { low = 0.001, high = 0.1, log = true }\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    inputs, labels = sequences(60)
    np.savez(tmp_path / "thirds.npz", X=inputs, y=labels)
    (tmp_path / "space.toml").write_text(SPACE)
    return tmp_path


def search(home: Path, *arguments: str) -> tuple[str, set[Path]]:
    """Runs a search as a user whose caches lie below `home`: its trials, and the programs kept."""
    names = {name.upper() for name in program_cache.settings(home)}
    environment = {k: v for k, v in os.environ.items() if k not in names}
    environment |= {"XDG_CACHE_HOME": str(home / "caches"), "HOME": str(home)}
    small = ["--data", "thirds.npz", "--space", "space.toml", "--trials", "4", "--max-epochs", "3"]
    out = home / f"out-{len([*home.iterdir()])}"
    command = [sys.executable, str(SCRIPT), *small, "--out", str(out), *arguments]
    subprocess.run(command, cwd=home, env=environment, check=True, capture_output=True, timeout=120)
    kept = {path for path in home.rglob("*-cache") if path.is_file()}
    return (out / "trials.csv").read_text(), kept


@pytest.mark.skipif(sys.platform != "linux", reason="caches have other homes elsewhere")
def test_kept_by_default_and_used_again(home: Path) -> None:
    first, kept = search(home)
    assert {path.parent for path in kept} == {home / "caches" / "jaxrnn" / processor()}
    assert sum(path.name.startswith("jit_train-") for path in kept) == 1
    again, still = search(home)
    assert still == kept and again == first


@pytest.mark.slow
def test_damaged_programs_are_compiled_again(home: Path) -> None:
    anew, none = search(home, "--no-compile-cache")
    first, kept = search(home)
    assert kept and not none
    for path in kept:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    damaged, _ = search(home)
    assert anew == first == damaged


@pytest.mark.slow
def test_a_folder_that_can_not_be(home: Path) -> None:
    (home / "caches").write_text("")
    trials, kept = search(home)
    assert trials.count("\n") == 5 and not kept


def test_a_folder_that_jax_has_already_stays(tmp_path: Path) -> None:
    assert jaxrnn.keep_programs(tmp_path / "other") == Path(
        jax.config.values["jax_compilation_cache_dir"]
    )
    assert not (tmp_path / "other").exists()


def test_processors_have_names() -> None:
    assert processor() == processor() and processor().count("-") == 1
