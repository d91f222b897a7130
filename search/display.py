"""What a person sees of a search: one live line while it runs, the leaderboard at its end."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from search.halving import Progress as Standing
from search.trial import Trial, leaderboard


class Display:
    """Shows the standing of a search; a live line on a terminal, plain lines elsewhere.

    Use it as a context and as the `observe` of a search.
    """

    def __init__(self, console: Console, metric: str) -> None:
        """Show on `console` the best `metric` so far."""
        self._console = console
        self._metric = metric
        self._live = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._live.add_task("compiling ...", total=None)

    def __enter__(self) -> "Display":
        """Begin to show."""
        self._live.start()
        if not self._console.is_terminal:
            self._console.print("compiling ...")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the live line away."""
        self._live.stop()

    def __call__(self, standing: Standing) -> None:
        """Show where the search stands."""
        line = describe(standing, self._metric)
        self._live.update(
            self._task, description=line, completed=standing.trained, total=standing.total
        )
        if standing.ranked and not self._console.is_terminal:
            self._console.print(line, soft_wrap=True)


def describe(standing: Standing, metric: str) -> str:
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
