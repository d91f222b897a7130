"""What the measurements say: medians, ratios, goals, and the table of docs/speed.md."""

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

HEAD = (
    "data | cell | units | steps (median, longest) | population | compile | ours | PyTorch "
    "| 2 processes | / 2 processes | padding | / ideal"
)


def summary(row: dict[str, Any]) -> dict[str, float]:
    """Medians of the rounds, in trial-epochs per second, and their ratios."""
    ours, single, both = (statistics.median(row[name]) for name in ("ours", "torch", "torch_2"))
    ideal = statistics.median(row["ideal"]) if row["ideal"] else ours
    return {
        "ours": ours,
        "torch": single,
        "torch_2": both,
        "ratio": ours / both,
        "ideal": ideal / ours,
    }


def geometric_mean(values: Sequence[float]) -> float:
    """The mean of ratios."""
    return math.exp(statistics.fmean(math.log(value) for value in values))


def goals(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[str, bool]]:
    """Sentences on the goals, each with whether it is met."""
    found = [summary(row) for row in rows]
    narrow = [f["ratio"] for f, row in zip(found, rows, strict=True) if row["units"] <= 64]
    every, mean = min(f["ratio"] for f in found), geometric_mean([f["ratio"] for f in found])
    far, padded = max(f["ideal"] for f in found), max(row["padded_share"] for row in rows)
    yield f"least ratio to two processes {every:.2f}, goal 1.2", every >= 1.2
    if narrow:
        yield f"least ratio at 32 and 64 units {min(narrow):.2f}, goal 1.5", min(narrow) >= 1.5
    yield f"geometric mean of the ratios {mean:.2f}, goal 2", mean >= 2.0
    yield f"farthest from the ideal {far:.2f}, goal 1.3", far <= 1.3
    yield f"most padding computed {padded:.1%}, goal 10 %", padded <= 0.1


def table(rows: Sequence[dict[str, Any]]) -> str:
    """All rows in Markdown, and the goals behind them."""
    lines = [f"| {HEAD} |", "|" + " --- |" * len(HEAD.split("|"))]
    for row in rows:
        found = summary(row)
        cells = (
            row["data"],
            row["cell"],
            row["units"],
            "{}, {}".format(*row["lengths"]),
            row["population"],
            f"{row['compile_seconds']:.1f} s",
            f"{found['ours']:.3g}",
            f"{found['torch']:.3g}",
            f"{found['torch_2']:.3g}",
            f"{found['ratio']:.2f}",
            f"{row['padded_share']:.1%}",
            f"{found['ideal']:.2f}" if row["ideal"] else "",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    said = [f"- {'met' if met else 'not met'}: {text}" for text, met in goals(rows)]
    return "\n".join([*lines, "", *said])


def short(rows: Sequence[dict[str, Any]]) -> str:
    """The ratios to two processes by data set, cell and units, in Markdown."""
    kinds = sorted(
        {(row["cell"], row["units"]) for row in rows}, key=lambda kind: (kind[0] != "lstm", kind)
    )
    head = ["data", "steps (median, longest)", *(f"{cell} {units}" for cell, units in kinds)]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for name in dict.fromkeys(row["data"] for row in rows):
        own = {(row["cell"], row["units"]): row for row in rows if row["data"] == name}
        lengths = "{}, {}".format(*next(iter(own.values()))["lengths"])
        cells = (f"{summary(own[kind])['ratio']:.1f}" if kind in own else "" for kind in kinds)
        lines.append(f"| {' | '.join([name, lengths, *cells])} |")
    means = []
    for cell in dict.fromkeys(row["cell"] for row in rows):
        mean = geometric_mean([summary(row)["ratio"] for row in rows if row["cell"] == cell])
        means.append(f"{mean:.1f} for {cell}")
    return "\n".join([*lines, "", f"The geometric mean is {' and '.join(means)}."])
