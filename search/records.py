"""The run folder: what people and programs read after a search, or after half of one."""

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.space import Space
from search.trial import Trial


class RunFolder:
    """A new folder for one search; each file that it writes is there whole or not at all.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: str | Path) -> None:
        """Make the folder.

        Raises:
            ValueError: It exists already, or can't be made.
        """
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True)
        except FileExistsError as error:
            raise ValueError(
                f"`out` is '{path}', which exists already, but must be a new folder."
            ) from error
        except OSError as error:
            raise ValueError(f"`out` is '{path}', but can't be made: {error.strerror}.") from error

    def write_space(self, space: Space) -> None:
        """`space.toml`: what was searched, as `--space` reads it."""
        self._write("space.toml", space.to_toml())

    def write_trials(self, trials: Sequence[Trial], entries: Iterable[str] = ()) -> None:
        """`trials.csv`: one row per trial, in order of id.

        Columns: id, state, seed, every entry of the configurations, search_epochs, then every
        metric at every rung, such as `loss_at_3`; empty where a trial has no such entry, did not
        get there, or diverged.

        Args:
            trials: All of them.
            entries: Those with a column in any case, in this order; those of the space, so that
                the columns do not depend on which entries were drawn first.
        """
        trials = sorted(trials, key=lambda trial: trial.id)
        own = (name for trial in trials for name in trial.configuration)
        names = list(dict.fromkeys((*entries, *own)))
        reached = sorted({epochs for trial in trials for epochs in trial.metrics})
        scored = (row for trial in trials for row in trial.metrics.values())
        metrics = dict.fromkeys(metric for row in scored for metric in row)
        columns = [(epochs, metric) for epochs in reached for metric in metrics]
        rows: list[list[Any]] = [["id", "state", "seed", *names, "search_epochs"]]
        rows[0] += [f"{metric}_at_{epochs}" for epochs, metric in columns]
        for trial in trials:
            values = [trial.configuration.get(name, "") for name in names]
            scores = [trial.metrics.get(epochs, {}).get(metric) for epochs, metric in columns]
            row = [trial.id, trial.state, trial.seed, *values, trial.epochs]
            rows.append([*row, *map(_cell, scores)])
        self._write("trials.csv", _csv(rows))

    def write_history(self, trials: Sequence[Trial]) -> None:
        """`history.csv`: one row per trial and epoch trained, in order of id, then epoch.

        Columns: id, epoch, from 1, and whatever the trainer tells of every epoch, such as the
        training loss, or norms of gradients, which show where to clip them; empty where a number
        is not finite.
        """
        trials = sorted(trials, key=lambda trial: trial.id)
        names = list(dict.fromkeys(name for trial in trials for name in trial.history))
        rows: list[list[Any]] = [["id", "epoch", *names]]
        for trial in trials:
            columns = [trial.history.get(name, []) for name in names]
            for epoch, values in enumerate(zip(*columns, strict=False), start=1):
                rows.append([trial.id, epoch, *map(_cell, values)])
        self._write("history.csv", _csv(rows))

    def write_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """`<name>.csv`: rows that share their columns, numbers to eight digits."""
        columns = list(rows[0]) if rows else []
        cells = [[_number(row[column]) for column in columns] for row in rows]
        self._write(f"{name}.csv", _csv([columns, *cells]))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """`summary.json`: strict JSON, in which null stands for NaN, "inf" for infinity."""
        self._write("summary.json", json.dumps(_strict(summary), indent=2) + "\n")

    def _write(self, name: str, text: str) -> None:
        partial = self.path / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, self.path / name)


def unused(path: Path) -> Path:
    """`path`, or the first of `path-2`, `path-3`, ... that does not exist."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cell(score: float | None) -> str:
    return f"{score:.8g}" if score is not None and math.isfinite(score) else ""


def _number(value: Any) -> Any:
    return _cell(value) if isinstance(value, float) else value


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
