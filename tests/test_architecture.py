"""The picture of the architecture is that of the code, and so are the counts of pieces."""

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import architecture
import house
import import_graph
import pytest

PICTURE = architecture.PICTURE.read_text(encoding="utf-8")
SIZES = re.compile(r"[\d,]+ files?, [\d,]+ lines")
REDRAW = "run `python benchmarks/architecture.py` and look at docs/architecture.svg"


@pytest.fixture(scope="module")
def graph() -> import_graph.Graph:
    return import_graph.graph()


def numbers(text: str) -> list[int]:
    """Files and lines of every box, in order."""
    sizes = re.findall(r"[\d,]+(?= files?, )|[\d,]+(?= lines)", text)
    return [int(number.replace(",", "")) for number in sizes]


def test_committed_picture_is_what_the_script_draws() -> None:
    """All of it but sizes, of which a tenth is allowed to change before it must be drawn anew."""
    picture = architecture.picture()
    assert SIZES.sub("", PICTURE) == SIZES.sub("", picture), REDRAW
    assert numbers(PICTURE) == pytest.approx(numbers(picture), rel=0.1, abs=1), REDRAW
    assert architecture.picture() == picture


def test_every_import_follows_arrows(graph: import_graph.Graph) -> None:
    """And no arrow could be left out."""
    below: dict[str, list[str]] = {name: [] for name in graph.components}
    for source, target in graph.arrows:
        below[source].append(target)
    home = {m.name: name for name, part in graph.components.items() for m in part.modules}
    for name, module in import_graph.modules().items():
        for imported in module.imports:
            source, target = home[name], home[imported]
            reached = import_graph.reachable(source, below)
            assert source == target or target in reached, (name, imported)
    for source, target in graph.arrows:
        fewer = {
            name: [end for end in ends if (name, end) != (source, target)]
            for name, ends in below.items()
        }
        assert target not in import_graph.reachable(source, fewer)


def test_picture_holds_every_package_file_once(graph: import_graph.Graph) -> None:
    files = [m.path for part in graph.components.values() for m in part.modules]
    assert len(files) == len(set(files))
    wanted = {
        path.relative_to(import_graph.ROOT)
        for path in import_graph.python_files("jaxrnn", "search")
    }
    assert wanted <= set(files) and Path("scripts/population_search.py") in files


def test_boxes_do_not_overlap_and_arrows_lead_down() -> None:
    tree = ElementTree.fromstring(PICTURE)
    tag = "{http://www.w3.org/2000/svg}"
    width, height = float(tree.attrib["width"]), float(tree.attrib["height"])
    rectangles = [
        {k: float(v) for k, v in shape.attrib.items() if k in ("x", "y", "width", "height")}
        for shape in tree.iter(f"{tag}rect")
    ]
    boxes = [box for box in rectangles if box["width"] == architecture.WIDTH]
    assert len(boxes) == len(import_graph.graph().components)
    for first, second in combinations(boxes, 2):
        apart = abs(first["x"] - second["x"]) >= architecture.WIDTH
        assert apart or abs(first["y"] - second["y"]) >= architecture.HEIGHT
    for box in boxes:
        assert 0 < box["x"] < width - architecture.WIDTH
        assert 0 < box["y"] < height - architecture.HEIGHT
    for path in tree.iter(f"{tag}path"):
        if path.attrib.get("class") == "arrow":
            coordinates = re.findall(r"[-\d.]+", path.attrib["d"])
            assert float(coordinates[1]) < float(coordinates[-1])


def test_counts_of_a_small_house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of record once, and what is none beside it."""
    code = """
import dataclasses
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol, TypedDict

class A(NamedTuple):
    x: int

class B(TypedDict):
    x: int

@dataclass
class C: ...

@dataclasses.dataclass(frozen=True)
class D:
    class Inner(NamedTuple): ...

class E(Protocol): ...

class F(Enum): ...

class G(A): ...

def eight(self, a, b, c, d, e, f, g, h): ...

def nine(a, b, c, d, /, e, *f, g, h, **i): ...
"""
    (tmp_path / "jaxrnn").mkdir()
    (tmp_path / "jaxrnn" / "__init__.py").write_text('"""Nothing."""\n')
    (tmp_path / "jaxrnn" / "a.py").write_text(code)
    (tmp_path / "jaxrnn" / "b.py").write_text("\n" * 40)
    for module in (house, import_graph):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    counts = house.counts()
    assert [name.split()[1] for name in counts["names"]["record_types"]] == [
        "A",
        "B",
        "C",
        "D",
        "Inner",
    ]
    assert counts["names"]["long_argument_lists"] == {"jaxrnn/a.py nine": 9}
    assert counts["names"]["small_files"] == ["jaxrnn/a.py"]
    assert (counts["files"], counts["record_types"], counts["most_lines"]) == (3, 5, 40)
