"""docs/ tells the truth: its code runs, its tables are those of the code and of the results."""

import json
import re
import runpy
from pathlib import Path

import pytest

import search
from jaxrnn.data.load import GENERATED, READERS
from jaxrnn.tasks.classification import Classification
from jaxrnn.tasks.forecasting import Forecasting
from jaxrnn.tasks.labelling import Labelling
from jaxrnn.tasks.language import Language
from jaxrnn.tasks.next_step import NextStep
from jaxrnn.tasks.registry import TASKS
from jaxrnn.tasks.regression import Regression

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [path.relative_to(ROOT).as_posix() for path in sorted(DOCS.glob("*.md"))]
DATA = (DOCS / "data.md").read_text()
SEARCH = (DOCS / "search.md").read_text()
RESULTS = (DOCS / "results.md").read_text()
ONE = [
    Classification((0, 1)),
    Regression(("a",), (0.0,), (1.0,)),
    Forecasting(("a",), (0.0,), (1.0,), (0,), 2),
    NextStep(3),
    Labelling((0, 1)),
    Language(("a", "b"), "character"),
]


def rows(text: str) -> dict[str, list[str]]:
    """Cells of every row of every table, by its first one."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return {cells[0].strip("`"): cells[1:] for cells in (line.split(" | ") for line in lines)}


def test_python_block_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", DATA, re.MULTILINE | re.DOTALL)
    path = tmp_path / "example.py"
    path.write_text(block)
    assert runpy.run_path(str(path))["data"].task.name == "classification"
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_formats_are_those_of_the_loader() -> None:
    (table,) = re.findall(r"## Files\n(.*?)Layouts of a table", DATA, re.DOTALL)
    first = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\.\w+)`", first)) == set(READERS)
    assert set(re.findall(r"`([a-z-]+)`", first)) == set(GENERATED)


def test_tasks_are_those_of_the_code() -> None:
    assert {task.name for task in ONE} == set(TASKS)
    known = rows(DATA)
    for task in ONE:
        _, _, metrics, without = known[task.name]
        assert set(re.findall(r"`(\w+)`", metrics)) == set(task.metrics) - {"loss"}
        named = set(re.findall(r"`(\w+)`", without))
        if task.name == "language":
            named |= set(Labelling.excluded)
        assert named == task.excluded


def test_results_are_those_of_the_files() -> None:
    folder = DOCS.parent / "benchmarks" / "results"
    runs = [json.loads(path.read_text()) for path in sorted(folder.glob("real-data-*.json"))]
    assert runs
    known = rows(RESULTS)
    for run in runs:
        score, _, wall, device, command = known[run["name"]]
        assert score == f"{run['metric']} {run['test'][run['metric']]:.4f}"
        assert wall == f"{run['wall_seconds']:.0f} s"
        assert (device, command) == (run["devices"], f"`{run['command']}`")


def test_strategies_are_those_of_the_code() -> None:
    proposing, pruning = re.findall(r"\| name \| what it does \|\n(.*?)\n\n", SEARCH, re.DOTALL)
    for table, names in ((proposing, search.SAMPLERS), (pruning, search.SCHEDULERS)):
        assert set(rows(table)) - {"---|---"} == set(names)


def test_comparisons_are_those_of_the_files() -> None:
    """Every cell from the curves of its runs, the plots beside them."""
    folder = DOCS.parent / "benchmarks" / "results"
    files = [json.loads(path.read_text()) for path in sorted(folder.glob("strategies-*.json"))]
    assert files
    for results in files:
        (part,) = re.findall(
            rf"^\*\*{results['name']}\*\*(.*?)^!\[", SEARCH, re.MULTILINE | re.DOTALL
        )
        head, *lines = (line for line in part.splitlines() if line.startswith("|"))
        schedulers = [cell.strip() for cell in head.strip("|").split("|")[1:]]
        for line in lines[1:]:
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            for scheduler, cell in zip(schedulers, cells, strict=True):
                runs = [
                    r for r in results["runs"] if (r["search"], r["scheduler"]) == (name, scheduler)
                ]
                ends = [run["curve"][-1][1] for run in runs]
                assert cell.startswith(f"{sum(ends) / len(ends):.4f}" if ends else "-"), (
                    name,
                    cell,
                )
        assert (DOCS / f"strategies-{results['name']}.svg").is_file()


@pytest.mark.parametrize("name", ["steps", "scaling", "agreement", "chips"])
def test_tables_of_measurements_are_those_of_the_results(name: str) -> None:
    script = runpy.run_path(str(DOCS.parent / "benchmarks" / f"{name}.py"))
    assert script["page"]() == script["PAGE"].read_text(encoding="utf-8")
    assert "| lstm 64 x 8 |" in script["page"]() or name != "steps"


def test_helpers_of_tests_are_those_of_the_folder() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    named = set(rows(page.split("## How the tests are laid out")[1]))
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests/support").glob("*.py")}
    assert named - {"module", "---"} == files


SPANS = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\.?[\w<>*.-]+(/[\w<>*.-]*)+|[\w-]+\.(py|md|cff|yaml|svg)")


def paths_in(page: str) -> list[str]:
    """Every path in backticks, also as a word of a command; `<name>` stands for any."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL)
    words = [word for span in SPANS.findall(text) for word in span.split()]
    return [word for word in words if PATH.fullmatch(word)]


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_paths_exist(name: str) -> None:
    """Files and folders in backticks exist, so that no name outlives a move."""
    named = paths_in((ROOT / name).read_text())
    assert len(named) > 20
    for path in named:
        assert [*ROOT.glob(re.sub(r"<\w+>", "*", path))], f"{name}: `{path}` is not there"


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_names_in_tables_are_those_of_the_files(name: str) -> None:
    """A row that names files may name in backticks only what is written in one of these."""
    for line in (ROOT / name).read_text().splitlines():
        files = [ROOT / path for path in paths_in(line) if (ROOT / path).is_file()]
        if line.startswith("|") and files:
            text = " ".join(path.read_text() for path in files)
            for word in re.findall(r"`(\w+)(?:\.\w+)?(?:\(\))?`", line):
                assert re.search(rf"\b{word}\b", text), f"{name}: `{word}` in {line}"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *PAGES])
def test_links_lead_somewhere(page: str) -> None:
    """Links to files of the repository, and to a heading of one."""
    text = (ROOT / page).read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not link.startswith("http"):
            path, _, anchor = link.partition("#")
            target = (ROOT / page).parent / path if path else ROOT / page
            assert target.exists(), f"{page}: {link}"
            headings = re.findall(r"^#+ (.*)$", target.read_text() if anchor else "", re.MULTILINE)
            anchors = [
                re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in headings
            ]
            assert not anchor or anchor in anchors, f"{page}: {link}"


def test_no_test_module_imports_another() -> None:
    for path in (DOCS.parent / "tests").glob("*.py"):
        imports = re.findall(r"^(?:from|import) (\w+)", path.read_text(), re.MULTILINE)
        assert not [name for name in imports if name.startswith("test_") or name == "conftest"]
