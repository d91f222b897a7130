"""What a person sees of a search: its standing while it runs, the leaderboard at its end."""

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.halving import Progress
from search.trial import Trial, leaderboard


class Display:
    """Shows the standing of a search; live on a terminal, plain lines elsewhere.

    Use it as a context and as the `observe` of a search.
    """

    def __init__(self, console: Console, metric: str) -> None:
        """Show on `console` the best `metric` so far."""
        self._console = console
        self._metric = metric
        self._begin = time.monotonic()
        self._line = "compiling ..."
        self._bar = ProgressBar(total=None, width=40)
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=8, transient=True
        )

    def __enter__(self) -> "Display":
        """Begin to show."""
        if self._console.is_terminal:
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
        if standing.ranked and not self._console.is_terminal:
            self._console.print(self._line, soft_wrap=True)

    def _render(self) -> Group:
        elapsed = Text(f"{time.monotonic() - self._begin:.0f} s so far")
        return Group(Text(self._line), Columns([self._bar, elapsed]))


def describe(standing: Progress, metric: str) -> str:
    """The standing in one line: rung, trials alive, best so far, speed, time left."""
    rung = standing.plan[standing.rung]
    speed = standing.trained / standing.seconds if standing.seconds else 0.0
    left = (standing.total - standing.trained) / speed if speed else 0.0
    best = "none yet"
    if standing.best is not None:
        best = f"{standing.best.last(metric):.4g} (trial {standing.best.id})"
    return (
        f"rung {standing.rung + 1}/{len(standing.plan)}: {rung.trials} trials to epoch "
        f"{rung.epochs} | best validation {metric} {best} | {speed:.0f} trial-epochs/s | "
        f"{left:.0f} s left"
    )


def leaderboard_table(
    trials: Sequence[Trial], metrics: Sequence[str], mode: str, rows: int = 10
) -> Table:
    """The best trials, each with its `metrics` at the highest rung it reached.

    Args:
        trials: All of them.
        metrics: Which to show; the first is the one to rank by.
        mode: `min` or `max`: which values of that one are better.
        rows: How many trials to show at most.
    """
    best = leaderboard(trials, metrics[0], mode)[:rows]
    entries = list(dict.fromkeys(name for trial in best for name in trial.configuration))
    table = Table(
        title=f"best {len(best)} of {len(trials)} trials, validation scores",
        box=None,
        padding=(0, 1, 0, 0),
        title_justify="left",
    )
    for name in ("trial", "epochs", *metrics, *entries):
        table.add_column(name.replace("_", " "), justify="right")
    for trial in best:
        scores = [f"{trial.last(name):.4f}" for name in metrics]
        own = [short(trial.configuration.get(name, "-")) for name in entries]
        table.add_row(str(trial.id), str(trial.epochs), *scores, *own)
    return table


def short(value: Any) -> str:
    """A value of a configuration, to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
