"""The plot of docs/speed.md: trial-epochs per second of everybody, by width."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from peers.cases import CELLS
from peers.figures import Row, best_row

LINES = {
    "population": ("ours", "o-"),
    "PyTorch, processes side by side": ("processes", "s--"),
    "PyTorch, one process": ("torch", "^--"),
    "one at a time": ("alone", "v:"),
}
"""What a line is called, its attribute of `Row`, and how it looks."""


def draw(results: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a plot: a row of panels for each device and cell, a column for each length.

    Args:
        results: With throughput.
        path: Its ending says in which format; the same figures give the same `.svg`.
    """
    import matplotlib.pyplot as plt  # nothing else here needs it

    best = [
        (device["device"], best_row(c)) for device in results for c in device["throughput"]["cases"]
    ]
    sides = [(d, c) for d in dict.fromkeys(d for d, _ in best) for c in CELLS]
    sides = [side for side in sides if any((d, row.cell) == side for d, row in best)]
    lengths = sorted({row.length for _, row in best})
    plt.rcParams["svg.hashsalt"] = path.stem  # the same file for the same figures
    size = 1 + 3 * len(lengths), 1 + 2.6 * len(sides)
    figure, axes = plt.subplots(
        len(sides),
        len(lengths),
        figsize=size,
        squeeze=False,
        layout="constrained",
        sharex=True,
        sharey=True,
    )
    for (device, cell), panels in zip(sides, axes, strict=True):
        for length, axis in zip(lengths, panels, strict=True):
            chosen = [row for d, row in best if (d, row.cell, row.length) == (device, cell, length)]
            _panel(axis, chosen)
            axis.set_title(f"{cell.upper()}, length {length}, {device}", fontsize=9)
        panels[0].set_ylabel("trial-epochs per second")
    for axis in axes[-1]:
        axis.set_xlabel("units")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _panel(axis: Any, rows: Sequence[Row]) -> None:
    widths = [row.hidden for row in rows]
    for name, (attribute, look) in LINES.items():
        axis.plot(widths, [getattr(row, attribute) for row in rows], look, label=name, ms=4, lw=1.2)
    axis.set(xscale="log", yscale="log")
    axis.set_xticks(widths, [str(width) for width in widths])
    axis.minorticks_off()
    axis.grid(alpha=0.3)
