"""The faults that `benchmarks/mutants.py` makes can be made, and each has a name of its own."""

import ast
import json
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import mutants
import pytest

MUTANTS = mutants.read()


@cache
def functions(path: Path) -> set[str]:
    """Names of all that a file defines at its top."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_there_are_enough_faults_and_few_exceptions() -> None:
    assert len(MUTANTS) >= 80
    assert sum(bool(mutant.survives) for mutant in MUTANTS) <= 3
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
    assert min(Counter(mutant.area for mutant in MUTANTS).values()) >= 3


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_can_be_made(mutant: mutants.Mutant) -> None:
    text = (mutants.ROOT / mutant.file).read_text(encoding="utf-8")
    changed = mutant.made(text)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text))
    assert mutant.why.endswith(".")
    assert mutant.tests
    for test in mutant.tests:
        file, _, name = test.partition("::")
        assert not name or name in functions(mutants.ROOT / file)
        assert (mutants.ROOT / file).is_file()


def fault(name: str, after: str, test: str = "test_toy.py") -> mutants.Mutant:
    return mutants.Mutant(name, "toy", "toy.py", "a + b", after, "Sums are wrong.", (test,))


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A tree whose only test is weak."""
    (tmp_path / "toy.py").write_text("def add(a, b):\n    return a + b\n")
    test = "import toy\n\ndef test_add():\n    assert toy.add(2, 2) == 4\n"
    (tmp_path / "test_toy.py").write_text(test)
    (tmp_path / ".gitignore").write_text("ignored\n")
    (tmp_path / "ignored").touch()
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


@pytest.mark.slow
def test_outcomes(toy: Path) -> None:
    faults = [
        fault("difference", "a - b"),
        fault("product", "a * b"),
        fault("no-python", "a +"),
        fault("no-test", "a - b", "test_toy.py::test_subtract"),
        fault("for-ever", "max(iter(int, 1))"),
        mutants.Mutant("nowhere", "toy", "toy.py", "x", "y", "", ("test_toy.py",)),
    ]
    outcomes = {mutant.name: outcome for mutant, outcome in mutants.run(toy, faults[:-2], 2, 60.0)}
    outcomes |= {mutant.name: outcome for mutant, outcome in mutants.run(toy, faults[-2:], 1, 1.0)}
    assert {name: outcome.outcome for name, outcome in outcomes.items()} == {
        "difference": "killed",
        "product": "survived",
        "no-python": "broken",
        "no-test": "broken",
        "for-ever": "timeout",
        "nowhere": "broken",
    }
    assert outcomes["difference"].test == "test_toy.py::test_add"
    assert "SyntaxError" in outcomes["no-python"].output
    assert "a + b" in (toy / "toy.py").read_text()


def test_copies_hold_what_git_does_not_ignore(toy: Path, tmp_path: Path) -> None:
    folder = mutants.copied(toy, tmp_path / "copy")
    names = {path.name for path in folder.iterdir()}
    assert names == {"toy.py", "test_toy.py", ".gitignore"}


def test_the_table_names_survivors() -> None:
    rows = {
        mutant.name: mutants.described(mutant, mutants.Outcome(word, 1.0, "test_toy.py::test_add"))
        for mutant, word in [(fault("a", "b"), "killed"), (fault("c", "d"), "survived")]
    }
    lines = [*mutants.table(json.loads(json.dumps({"mutants": rows})))]
    assert "| toy | 2 | 1 | 0 | 1 | 0 |" in lines
    assert lines[-1] == "survived c (toy): Sums are wrong."
