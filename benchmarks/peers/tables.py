"""The tables and sentences about results."""

from collections.abc import Sequence
from typing import Any

from peers.cases import CELLS
from peers.contestants import THREAD
from peers.figures import Row, best_row, job, rows
from peers.jobs import COLD, THEIRS, WARM

NOTE = (
    "Trial-epochs per second are medians of the rounds; ratios are of these medians. What trains "
    "one trial after the other was timed on a few trials, for each takes as long; how many is in "
    "the result file. Compiling comes apart."
)


def number(value: float) -> str:
    """Three digits, for people."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table."""
    ruled = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled)


def versions(section: dict[str, Any]) -> str:
    """What was compared, and how to do it again."""
    known = section["versions"]
    names = {"jax": "JAX", "torch": "PyTorch", "optuna": "Optuna"}
    packages = ", ".join(f"{name} {known[package]}" for package, name in names.items())
    return f"{section['cores']} CPU cores, {packages}; `{section['command']}`"


def side_by_side(section: dict[str, Any]) -> list[str]:
    """Medians and ratios at the best population: a line for each width and length."""
    best = [best_row(case) for case in section["cases"]]
    cells = [cell for cell in CELLS if any(row.cell == cell for row in best)]
    head = ["hidden", "length", "population", "trial-epochs/s"]
    head += ["PyTorch, one process", f"PyTorch, {section['processes']} processes", "one at a time"]
    lines = []
    for hidden, length in dict.fromkeys((row.hidden, row.length) for row in best):
        alike = {row.cell: row for row in best if (row.hidden, row.length) == (hidden, length)}
        columns = [column(alike[cell]) if cell in alike else ["-"] * 5 for cell in cells]
        joined = (" / ".join(column) for column in zip(*columns, strict=True))
        lines.append([str(hidden), str(length), *joined])
    kinds = " / ".join(cell.upper() for cell in cells)
    return [f"{kinds}; the last three columns say how many times as fast:", markdown(head, lines)]


def column(row: Row) -> list[str]:
    """What a line says of one cell."""
    return [str(row.population), number(row.ours), *times(row)]


def times(row: Row) -> list[str]:
    """The ratios of a row."""
    return [f"{ratio:.1f}" for ratio in row.ratios]


def sentence(section: dict[str, Any]) -> str:
    """The span of the ratios to PyTorch, by length."""
    best = [best_row(case) for case in section["cases"]]
    spans = []
    for length in sorted({row.length for row in best}):
        ratios = zip(*(row.ratios for row in best if row.length == length), strict=True)
        spans.append((length, *map(span, ratios)))
    (length, single, several, _), *others = spans
    first = (
        f"At length {length} the best population trains {single} times as many trial-epochs per "
        f"second as one process of PyTorch, and {several} times as many as "
        f"{section['processes']} side by side"
    )
    more = (f"; at length {n} {single} and {several} times" for n, single, several, _ in others)
    return first + "".join(more) + "."


def span(values: Sequence[float]) -> str:
    """From the least to the greatest."""
    ends = f"{min(values):.1f}", f"{max(values):.1f}"
    return " to ".join(dict.fromkeys(ends))


def whole_job(section: dict[str, Any]) -> list[str]:
    """The default job by everybody, medians over the seeds."""
    named = {
        COLD: "this search, nothing compiled before",
        WARM: "this search, compiled before",
        THEIRS: f"Optuna and PyTorch, {plural(section['threads'], 'thread')}",
    }
    done = {who: job(section["runs"], who) for who in named}
    lines = [
        [
            name,
            f"{done[who].seconds:.1f} s",
            f"{done[who].trial_epochs:.0f}",
            f"{done[who].loss:.4f}",
            f"{done[who].accuracy:.4f}",
            f"{done[THEIRS].seconds / done[who].seconds:.1f}",
        ]
        for who, name in named.items()
    ]
    seeds = plural(len(section["runs"]), "seed")
    head = [f"{section['trials']} trials of at most {section['epochs']} epochs, median of {seeds}"]
    head += ["wall time", "trial-epochs", "validation loss", "accuracy", "times as fast"]
    return [markdown(head, lines)]


def plural(count: int, noun: str) -> str:
    """A number of things."""
    return f"{count} {noun}{'s' * (count != 1)}"


def every_row(section: dict[str, Any]) -> str:
    """Every population of every case."""
    head = ["cell", "hidden", "length", "population", "compile", "ours", "one at a time"]
    head += ["PyTorch (threads)", f"PyTorch, {section['processes']} processes"]
    head += ["/ PyTorch", "/ processes", "/ one at a time"]
    lines = [
        [
            row.cell,
            *map(str, (row.hidden, row.length, row.population)),
            f"{row.compile_seconds:.1f} s",
            *map(number, (row.ours, row.alone)),
            f"{number(row.torch)} ({1 if row.best == THREAD else section['cores']})",
            number(row.processes),
            *times(row),
        ]
        for case in section["cases"]
        for row in rows(case)
    ]
    return markdown(head, lines)
