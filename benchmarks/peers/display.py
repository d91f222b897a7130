"""A table that fills while the contestants are measured."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from peers.figures import best_row, job
from peers.jobs import COLD, THEIRS, WARM
from peers.tables import number, times
from rich.console import Console
from rich.live import Live
from rich.table import Table

COLUMNS = (
    "cell",
    "hidden",
    "length",
    "population",
    "epochs/s",
    "/ PyTorch",
    "/ processes",
    "/ one",
)


class Display:
    """Shows rows as they come, and what is measured now; without a terminal, a line for each."""

    def __init__(self, console: Console) -> None:
        """Show things on `console`."""
        self._console, self._live = console, Live(console=console, auto_refresh=False)
        self._table = Table(*COLUMNS, box=None, padding=(0, 1, 0, 0))

    def tell(self, what: str) -> None:
        """Say what is going on."""
        self._table.caption = what
        if self._console.is_terminal:
            self._live.update(self._table, refresh=True)
        else:
            self._console.print(what, soft_wrap=True)

    def case(self, measured: dict[str, Any]) -> None:
        """Show a case at its best population."""
        row = best_row(measured)
        sizes = map(str, (row.hidden, row.length, row.population))
        self._table.add_row(row.cell, *sizes, number(row.ours), *times(row))

    def __enter__(self) -> "Display":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._table.caption = None
        if self._console.is_terminal:
            self._live.update(self._table)
            self._live.stop()
        else:
            self._console.print(self._table)


def whole_job(runs: Sequence[dict[str, Any]]) -> str:
    """A sentence about the whole job."""
    took = {who: job(runs, who).seconds for who in (COLD, WARM, THEIRS)}
    return (
        f"whole job: {took[COLD]:.1f} s, compiled before {took[WARM]:.1f} s; Optuna and PyTorch "
        f"{took[THEIRS]:.1f} s, {took[THEIRS] / took[COLD]:.1f} and "
        f"{took[THEIRS] / took[WARM]:.1f} times as long"
    )
