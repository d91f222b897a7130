"""What a person sees of a search: its standing while it runs, the leaderboard at its end."""

import math
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.progress import Progress
from search.trial import Trial, leaderboard

ABSENT = "-"


class Display:
    """Shows the standing of a search; live on a terminal and in notebooks, plain lines elsewhere.

    Use it as a context and as the `on_progress` of a search.
    """

    def __init__(self, console: Console, metric: str) -> None:
        """Show the best `metric` so far on `console`."""
        self._console = console
        self._metric = metric
        self._begin = time.monotonic()
        self._line = "compiling ..."
        notebook = console.is_jupyter and find_spec("ipywidgets") is not None
        self._lively = (console.is_terminal or notebook) and not console.quiet
        self._bar = ProgressBar(total=None, width=40)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> "Display":
        """Begin to show."""
        if self._lively:
            self._live.start(refresh=True)
        else:
            self._console.print(self._line)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the live lines away."""
        self._live.stop()

    def __call__(self, standing: Progress) -> None:
        """Show where the search stands."""
        self._line = describe(standing, self._metric)
        self._bar.update(standing.trained, standing.total)
        if standing.scored and not self._lively:
            self._console.print(self._line, soft_wrap=True)

    def _render(self) -> Group:
        elapsed = Text(f"{time.monotonic() - self._begin:.0f} s so far")
        return Group(Text(self._line), Columns([self._bar, elapsed]))


def describe(standing: Progress, metric: str) -> str:
    """Return the standing in one line: trials under way, best so far, speed, time left if known."""
    trained = standing.trained - standing.before
    speed = trained / standing.seconds if standing.seconds else 0.0
    best = "none yet"
    if standing.best is not None:
        best = f"{standing.best.last(metric):.4g} (trial {standing.best.id})"
    parts = [
        f"epoch {standing.epochs}/{standing.max_epochs}: {standing.training} of "
        f"{standing.begun} trials training",
        f"best validation {metric} {best}",
        describe_speed(speed),
    ]
    if standing.total is not None and speed:
        parts.append(f"{(standing.total - standing.trained) / speed:.0f} s left")
    return " | ".join(parts)


def describe_speed(speed: float) -> str:
    """Return a number of trial-epochs per second in words: below one, the seconds that one takes.

    Args:
        speed: Trial-epochs per second; 0 where none has been trained.
    """
    if not 0.0 < speed < 1.0:
        return f"{_two_digits(speed)} trial-epochs/s"
    return f"{_two_digits(1.0 / speed)} s a trial-epoch"


def _two_digits(value: float) -> str:
    """Return a number above 1 with a decimal only where it has one digit before that."""
    text = f"{value:.1f}"
    return text if value > 0.0 and len(text) < 4 else f"{value:.0f}"


def leaderboard_table(
    trials: Sequence[Trial], metrics: Sequence[str], mode: str, width: int = 80, rows: int = 10
) -> Table:
    """Return a table of the best trials, each with its `metrics` at the highest rung it reached.

    Hyperparameters are shown as far as the width allows: first those in which the trials differ,
    and of these first the ones that all of them have.

    Args:
        trials: All trials.
        metrics: Names of the metrics to show; the trials are ranked by the first.
        mode: `min` or `max`: which values of the first are better.
        width: Characters per line; `console.width`.
        rows: Most trials to show.
    """
    best = leaderboard(trials, metrics[0], mode)[:rows]
    columns = {"trial": [str(trial.id) for trial in best]}
    columns["search_epochs"] = [str(trial.epochs) for trial in best]
    columns |= {name: [_score(trial, name) for trial in best] for name in metrics}
    values = _values(best)
    room = width - sum(_width(name, cells) for name, cells in columns.items())
    shown = _fitting(values, room)
    left_out = len(values) - len(shown)
    noun = "hyperparameter" if left_out == 1 else "hyperparameters"
    table = Table(
        title=f"best {len(best)} of {len(trials)} trials, validation scores",
        caption=f"... and {left_out} more {noun} in trials.csv" if left_out else None,
        box=None,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    for name in [*columns, *shown]:
        table.add_column(_header(name), justify="right", vertical="bottom", no_wrap=True)
    for row in zip(*columns.values(), *shown.values(), strict=True):
        table.add_row(*row)
    return table


def short(value: Any) -> str:
    """Return a value of a configuration as text, to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _score(trial: Trial, metric: str) -> str:
    """Return the last score, with its standard error if it is a mean."""
    error = trial.errors[max(trial.errors)].get(metric, math.nan) if trial.errors else math.nan
    return f"{trial.last(metric):.4f}" + (f"±{error:.4f}" if math.isfinite(error) else "")


def _values(best: Sequence[Trial]) -> dict[str, list[str]]:
    """Return the cells of every hyperparameter of these trials."""
    names = dict.fromkeys(name for trial in best for name in trial.configuration)
    return {
        name: [short(trial.configuration.get(name, ABSENT)) for trial in best] for name in names
    }


def _fitting(values: Mapping[str, Sequence[str]], room: int) -> dict[str, Sequence[str]]:
    """Return the columns that fit into `room` characters, the most telling ones chosen first."""

    def tells_little(name: str) -> tuple[bool, bool]:
        return len(set(values[name])) == 1, ABSENT in values[name]

    chosen = set()
    for name in sorted(values, key=tells_little):
        if _width(name, values[name]) <= room:
            chosen.add(name)
            room -= _width(name, values[name])
    return {name: cells for name, cells in values.items() if name in chosen}


def _width(name: str, cells: Sequence[str]) -> int:
    """Return the characters of a column, with the space behind it."""
    return max(map(len, (*_header(name).split("\n"), *cells))) + 1


def _header(name: str) -> str:
    return name.replace("_", "\n")
