"""What the planner chose, as a table for people and as rows for `summary.json`."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from jaxrnn import Group, Trainer


def cohort_rows(trainer: Trainer, groups: Sequence[Group], trials: int) -> list[dict[str, Any]]:
    """A row per cohort, from the widest share of the trials to the smallest.

    Where the groups are not of the trials themselves but of others like them, the numbers are
    those to be expected of so many `trials`.
    """
    order = sorted(groups, key=lambda group: -len(group.members))
    total = sum(len(group.members) for group in groups)
    rows = []
    for group in order:
        own = round(len(group.members) * trials / total)
        lanes = trainer.compiler.layout(group.architecture, max(own, 1)).lanes
        rows.append({**group.description(), "trials": own, "lanes": lanes})
    return rows


def cohort_table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows of `cohort_rows`."""
    table = Table(
        title=f"{len(rows)} cohort{'s' * (len(rows) > 1)}, each with two compiled programs",
        box=None,
        padding=(0, 1, 0, 0),
        title_justify="left",
    )
    for name in ("cohort", "trials", "bucket", "lanes", "padded"):
        table.add_column(name, justify="left" if name == "cohort" else "right")
    for row in rows:
        layers = f"{row['layers']} layer{'s' * (row['layers'] > 1)}"
        kind = f"{row['cell']}, {layers}{', both directions' * row['bidirectional']}"
        numbers = row["trials"], row["bucket"], row["lanes"]
        table.add_row(kind, *map(str, numbers), f"{row['padded_share']:.0%}")
    return table
