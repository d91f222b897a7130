"""The picture of `docs/architecture.md`, drawn from the imports: `docs/architecture.svg`.

    python benchmarks/architecture.py

A box is a folder, or files that lie beside folders, with its number of files and lines. An arrow
leads down from what imports to what is imported; one that others imply is left out. The same code
gives the same picture, byte for byte.
"""

import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from import_graph import PACKAGES, ROOT, Component, Graph, graph, reachable

PICTURE = ROOT / "docs" / "architecture.svg"
WIDTH, HEIGHT, GAP, STEP = 248, 106, 26, 40
"""Pixels: width and height of a box, distance between boxes of a row, distance between rows."""
NARROW = 24
"""Width that an arrow takes where it passes a row of boxes."""
PADDING, MARGIN, HEAD = 22, 22, 38
"""Pixels within a frame, around everything, and for the name of a frame."""
CAPTION = "An arrow leads from what imports to what is imported; one that others imply is left out."
PORT = 22
"""Distance between two arrows at the same edge of a box."""
LETTERS, LINES = 37, 3
"""Letters of a line of text in a box, and lines."""
COLORS = {
    "": ("#fff8ea", "#dc9f33", "#7a4e00"),
    "search": ("#ebf8f2", "#45a57d", "#14573c"),
    "jaxrnn": ("#eef3fc", "#5c8ad8", "#1c407f"),
}
"""Background, lines and name of the application's frame and of each package's."""
STYLE = """
text { font-family: -apple-system, "Segoe UI", "Helvetica Neue", Helvetica, Arial, sans-serif }
.name { font-size: 16px; font-weight: 600 }
.meaning { font-size: 12.2px; fill: #3d4450 }
.size { font-size: 11.5px; fill: #7a8290 }
.frame { font-size: 15px; font-weight: 600 }
.arrow { fill: none; stroke: #68707d; stroke-width: 1.6 }
"""
ARROWHEAD = (
    '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
    'markerHeight="7" orient="auto"><path d="M0 1 L10 5 L0 9 z" fill="#68707d"/></marker></defs>'
)


class Spot(NamedTuple):
    """A place in a row: of a box, whose source and target are the same, or of a passing arrow."""

    source: str
    target: str
    row: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return WIDTH if self.source == self.target else NARROW


class Column(NamedTuple):
    """A frame: title, rows of spots from top to bottom, and left edge and width in pixels."""

    title: str
    rows: list[list[Spot]]
    left: float
    width: float


Points = dict[Spot, tuple[float, float]]
"""Of every spot the middle of its upper edge, in pixels."""


def main() -> None:
    """Draw the picture anew."""
    PICTURE.write_text(picture(), encoding="utf-8")


def picture() -> str:
    """The whole SVG."""
    imports = graph()
    depth = _depths(imports)
    ways = [_way(*arrow, depth) for arrow in imports.arrows]
    columns = _columns(imports, depth, ways)
    tops = _tops(columns)
    points = {spot: point for column in columns for spot, point in _points(column, tops)}
    width = max(column.left + column.width for column in columns) + MARGIN
    height = tops[-1] + HEIGHT + PADDING + 2 * MARGIN
    size = f'width="{width:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:g} {height:g}" '
        'role="img">',
        "<title>The folders of both packages, and what they import</title>",
        f"<style>{STYLE}</style>",
        ARROWHEAD,
        f'<rect {size} rx="12" fill="#ffffff"/>',
        *(line for column in columns for line in _frame(column, tops)),
        *_arrows(ways, points),
        *(
            line
            for column in columns
            for row in column.rows
            for spot in row
            if spot.source == spot.target
            for line in _box(imports.components[spot.source], column.title, *points[spot])
        ),
    ]
    caption = f'<text class="size" x="{MARGIN}" y="{height - 18:g}">{CAPTION}</text>'
    return "\n".join([*parts, caption, "</svg>\n"])


def _depths(imports: Graph) -> dict[str, int]:
    """The row of every component: below all that import it."""
    depth: dict[str, int] = {}
    for name in imports.components:
        depth[name] = max((depth[a] + 1 for a, b in imports.arrows if b == name), default=0)
    return depth


def _way(source: str, target: str, depth: dict[str, int]) -> list[Spot]:
    """An arrow from box to box, past the rows between."""
    ends = Spot(source, source, depth[source]), Spot(target, target, depth[target])
    between = range(depth[source] + 1, depth[target])
    return [ends[0], *(Spot(source, target, row) for row in between), ends[1]]


def _columns(imports: Graph, depth: dict[str, int], ways: Sequence[list[Spot]]) -> list[Column]:
    """The application above, the packages side by side below it."""
    below = {name: [b for a, b in imports.arrows if a == name] for name in imports.components}

    def title(name: str) -> str:
        """The package of a component; the application's imports both."""
        names = name, *reachable(name, below)
        packages = {imports.components[each].package for each in names}
        return "" if packages >= set(PACKAGES) else imports.components[name].package

    spots = {Spot(name, name, row) for name, row in depth.items()}.union(*ways)
    columns: list[Column] = []
    left = float(MARGIN)
    for package in PACKAGES:
        rows = _rows([spot for spot in spots if title(spot.source) == package], ways)
        width = max(map(_width, rows)) + 2 * PADDING
        columns.append(Column(package, rows, left, width))
        left += width + GAP
    above = _rows([spot for spot in spots if title(spot.source) == ""], ways)
    return [Column("", above, MARGIN, left - GAP - MARGIN), *columns]


def _rows(spots: Sequence[Spot], ways: Sequence[list[Spot]]) -> list[list[Spot]]:
    """Spots by row, each row in the order of what leads to it from the row above."""
    rows: list[list[Spot]] = []
    for number in sorted({spot.row for spot in spots}):
        above = {spot: place for place, spot in enumerate(rows[-1])} if rows else {}

        def weight(spot: Spot, above: dict[Spot, int] = above) -> tuple[float, Spot]:
            steps = [step for way in ways for step in pairwise(way)]
            sources = [above[start] for start, end in steps if end == spot and start in above]
            return sum(sources) / max(len(sources), 1), spot

        rows.append(sorted((spot for spot in spots if spot.row == number), key=weight))
    return rows


def _width(row: Sequence[Spot]) -> float:
    return sum(spot.width for spot in row) + GAP * (len(row) - 1)


def _tops(columns: Sequence[Column]) -> list[float]:
    """The upper edge of every row; frames begin above the first, and above the packages' first."""
    count = max(row[0].row for column in columns for row in column.rows) + 1
    tops, y = [], float(MARGIN)
    for number in range(count):
        first = number in (0, len(columns[0].rows))
        y += HEAD if first else STEP
        tops.append(y)
        y += HEIGHT + (PADDING + STEP if number == len(columns[0].rows) - 1 else 0)
    return tops


def _points(column: Column, tops: Sequence[float]) -> Iterator[tuple[Spot, tuple[float, float]]]:
    for row in column.rows:
        x = column.left + (column.width - _width(row)) / 2
        for spot in row:
            yield spot, (x + spot.width / 2, tops[spot.row])
            x += spot.width + GAP


def _frame(column: Column, tops: Sequence[float]) -> Iterator[str]:
    """A package's frame and name."""
    fill, line, ink = COLORS[column.title]
    y, last = tops[column.rows[0][0].row] - HEAD, tops[column.rows[-1][0].row]
    yield (
        f'<rect x="{column.left:g}" y="{y:g}" width="{column.width:g}" '
        f'height="{last + HEIGHT + PADDING - y:g}" rx="12" fill="{fill}" stroke="{line}" '
        'stroke-opacity="0.45"/>'
    )
    yield (
        f'<text class="frame" x="{column.left + PADDING:g}" y="{y + 25:g}" fill="{ink}">'
        f"{column.title or 'application'}</text>"
    )


def _arrows(ways: Sequence[list[Spot]], points: Points) -> Iterator[str]:
    """Every arrow as a smooth line; several at one edge of a box keep a distance."""
    for way in ways:
        places = [points[spot] for spot in way]
        out = sorted(points[each[1]][0] for each in ways if each[0] == way[0])
        into = sorted(points[each[-2]][0] for each in ways if each[-1] == way[-1])
        (first, top), *between, (last, end) = places
        x = first + PORT * (out.index(places[1][0]) - (len(out) - 1) / 2)
        y = top + HEIGHT
        line = f"M{x:g} {y:g}"
        last += PORT * (into.index(places[-2][0]) - (len(into) - 1) / 2)
        for x1, y1 in [*between, (last, end)]:
            middle = (y + y1) / 2
            line += f" C{x:g} {middle:g} {x1:g} {middle:g} {x1:g} {y1:g}"
            x, y = x1, y1
            if (x1, y1) in between:
                y += HEIGHT
                line += f" V{y:g}"
        yield f'<path class="arrow" d="{line}" marker-end="url(#head)"/>'


def _box(component: Component, title: str, x: float, y: float) -> Iterator[str]:
    """A component: its name, what it holds, and how much."""
    _, line, ink = COLORS[title]
    left = x - WIDTH / 2
    yield (
        f'<rect x="{left:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff" '
        f'stroke="{line}" stroke-width="1.4"/>'
    )
    yield (
        f'<text class="name" x="{left + 14:g}" y="{y + 25:g}" fill="{ink}">'
        f"{escape(component.title)}</text>"
    )
    for number, text in enumerate(_wrapped(component.meaning.rstrip("."))):
        yield (
            f'<text class="meaning" x="{left + 14:g}" y="{y + 44 + 16 * number:g}">'
            f"{escape(text)}</text>"
        )
    files = len(component.modules)
    size = f"{files} file{'s' if files > 1 else ''}, {component.lines:,} lines"
    yield f'<text class="size" x="{left + 14:g}" y="{y + HEIGHT - 11:g}">{size}</text>'


def _wrapped(text: str) -> list[str]:
    """Lines of a box, as few as can be and of about the same length."""
    few = [textwrap.wrap(text, n, max_lines=LINES, placeholder=" ...") for n in range(20, LETTERS)]
    whole = textwrap.wrap(text, LETTERS, max_lines=LINES, placeholder=" ...")
    same = [lines for lines in few if len(lines) == len(whole) and lines[-1][-3:] != "..."]
    return same[0] if same else whole


if __name__ == "__main__":
    main()
