"""The README tells the truth: its code runs, its tables and figures are those of the code."""

import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hyperparameter_table import hyperparameter_table
from sklearn.datasets import load_digits

import jaxrnn
import search

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_python_blocks_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first search, then every example, in the order of the page."""
    monkeypatch.chdir(tmp_path)
    (first,) = (line for block in blocks("bash") for line in block.splitlines() if "--out" in line)
    arguments = first.replace("scripts/", f"{ROOT / 'scripts'}/").split()[1:]
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    examples = blocks("python")
    assert len(examples) == 5
    for number, example in enumerate(examples):
        path = tmp_path / f"example_{number}.py"
        path.write_text(example)
        result = runpy.run_path(str(path))
        if "labels" in result:
            assert (result["labels"] == load_digits(return_X_y=True)[1]).mean() > 0.9
        if "model" in result:
            assert isinstance(result["model"], jaxrnn.Predictor)
        if "space" in result:
            assert result["space"].hyperparameters == jaxrnn.DEFAULT_SPACE
    assert "hidden_size" in capsys.readouterr().out
    for example in examples[2:4]:
        assert len(example.strip().splitlines()) <= 15


def test_toml_block_is_the_default_space() -> None:
    block, _ = blocks("toml")
    assert search.Space(tomllib.loads(block)).hyperparameters == jaxrnn.DEFAULT_SPACE
    assert list(tomllib.loads(block)) == list(jaxrnn.DEFAULT_SPACE)


def test_toml_block_of_conditions() -> None:
    _, block = blocks("toml")
    space = search.Space(tomllib.loads(block), jaxrnn.conditions())
    for trial in search.make_sampler("random", space, 0).ask(100, []):
        c = trial.configuration
        assert ("momentum" in c) == (c["optimizer"] == "momentum")
        assert ("warmup_epochs" in c) == (c["schedule"] == "cosine" and c["optimizer"] == "adam")
        assert ("dropout" in c) == (c["layers"] >= 2)


def test_table_of_hyperparameters_is_that_of_the_code() -> None:
    table = hyperparameter_table()
    assert table in README
    rows = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert rows == list(jaxrnn.HYPERPARAMETERS)


def test_figures_are_those_of_the_results_file() -> None:
    (path,) = re.findall(r"<!-- results: (\S+) -->", README)
    results = json.loads((ROOT / path).read_text())
    assert f"takes {results['median_wall_seconds']:.1f} s" in README
    assert f"accuracy is {results['mean_test_accuracy']:.3f} on average" in README
    assert results["max_wall_seconds"] <= 60
    assert results["mean_test_accuracy"] >= 0.975
    assert [run["seed"] for run in results["runs"]] == [0, 1, 2, 3, 4]
