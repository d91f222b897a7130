"""The run folder: what people and programs read after a search, or after half of one."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.records.atomic import write_whole
from search.records.strict_json import readable
from search.space.space import Space
from search.trial import Trial

SETTINGS = "settings.json"
"""File that makes a folder a run folder."""


class RunFolder:
    """The folder of one search; each file that it writes is there whole or not at all.

    Attributes:
        path: Path of the folder.
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

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """Open the folder of an earlier search.

        Raises:
            ValueError: It is no such folder.
        """
        folder = cls.__new__(cls)
        folder.path = Path(str(path))
        if not (folder.path / SETTINGS).is_file():
            raise ValueError(
                f"`resume` is '{path}', but must be the folder of an earlier search, "
                f"which has a file '{SETTINGS}'."
            )
        return folder

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Write `settings.json`: all that it takes to do the same search again, in plain types."""
        self._write(SETTINGS, json.dumps(dict(settings), indent=2, allow_nan=False) + "\n")

    def read_settings(self) -> dict[str, Any]:
        """Read what `write_settings` wrote.

        Raises:
            ValueError: The file is damaged, or can't be read.
        """
        path = self.path / SETTINGS
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ValueError(f"'{path}' can't be read: {error.strerror}.") from error
        except ValueError as error:
            raise ValueError(f"'{path}' is damaged: {error}.") from error
        if not isinstance(settings, dict):
            raise ValueError(f"'{path}' is damaged: it holds no settings by name.")
        return settings

    def write_space(self, space: Space) -> None:
        """Write `space.toml`: what was searched, as `--space` reads it."""
        self._write("space.toml", space.to_toml())

    def write_trials(self, trials: Sequence[Trial], hyperparameters: Iterable[str] = ()) -> None:
        """Write `trials.csv`: one row per trial, in order of id.

        Columns: id, state, seed, bracket if there are several, every hyperparameter of the
        configurations, search_epochs, then every metric at every rung, such as `loss_at_3`,
        followed by its standard error if any trial has one, `loss_error_at_3`; empty where a trial
        has no such hyperparameter, did not get there, or diverged.

        Args:
            trials: All trials.
            hyperparameters: Hyperparameters with a column in any case, in this order; those of the
                space, so that the columns do not depend on the order of the trials.
        """
        trials = sorted(trials, key=lambda trial: trial.id)
        names = _names(hyperparameters, (trial.configuration for trial in trials))
        several = len({trial.bracket for trial in trials}) > 1
        columns = _scores(trials)
        rows: list[list[Any]] = [["id", "state", "seed", *["bracket"] * several]]
        rows[0] += [*names, "search_epochs", *columns]
        for trial in trials:
            row = [trial.id, trial.state, trial.seed, *[trial.bracket] * several]
            row += [trial.configuration.get(name, "") for name in names]
            scores = [column.get(trial.id) for column in columns.values()]
            rows.append([*row, trial.epochs, *map(_cell, scores)])
        self._write("trials.csv", _csv(rows))

    def write_changes(self, trials: Sequence[Trial], hyperparameters: Iterable[str] = ()) -> None:
        """Write `changes.csv`: a row per time that a trial took over from another, if any did.

        Columns: id, epochs, copied_from, and every hyperparameter of the configurations since.

        Args:
            trials: All trials.
            hyperparameters: Hyperparameters as in `write_trials`.
        """
        trials = sorted(trials, key=lambda trial: trial.id)
        changes = [(trial.id, *change) for trial in trials for change in trial.changes]
        names = _names(hyperparameters, (configuration for *_, configuration in changes))
        rows: list[list[Any]] = [["id", "epochs", "copied_from", *names]]
        for *change, configuration in changes:
            rows.append([*change, *(configuration.get(name, "") for name in names)])
        if changes:
            self._write("changes.csv", _csv(rows))

    def write_history(self, trials: Sequence[Trial]) -> None:
        """Write `history.csv`: one row per trial and epoch trained, in order of id, then epoch.

        Columns: id, epoch, from 1, and whatever the trainer reports of every epoch, such as the
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
        """Write `<name>.csv`: rows that share their columns, numbers to eight digits."""
        columns = list(rows[0]) if rows else []
        cells = [[_number(row[column]) for column in columns] for row in rows]
        self._write(f"{name}.csv", _csv([columns, *cells]))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write `summary.json`: strict JSON, with null for NaN and "inf" for infinity."""
        self._write("summary.json", json.dumps(readable(summary), indent=2) + "\n")

    def forget_summary(self) -> None:
        """Delete `summary.json`, since the search goes on."""
        (self.path / "summary.json").unlink(missing_ok=True)

    def status(self) -> str | None:
        """Return what became of the search, as `summary.json` says; None where it says nothing."""
        try:
            return json.loads((self.path / "summary.json").read_text(encoding="utf-8"))["status"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write(self, name: str, text: str) -> None:
        write_whole(self.path / name, text)


def unused(path: Path) -> Path:
    """Return `path`, or the first of `path-2`, `path-3`, ... that does not exist."""
    number, candidate = 1, path
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def _names(first: Iterable[str], configurations: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return every hyperparameter once, `first` ones first."""
    names = (name for configuration in configurations for name in configuration)
    return list(dict.fromkeys([*first, *names]))


def _scores(trials: Sequence[Trial]) -> dict[str, dict[int, float]]:
    """Return, by column, the scores and their errors by id of the trial."""
    metrics = {trial.id: trial.metrics for trial in trials}
    errors = {trial.id: trial.errors for trial in trials}
    rungs = sorted({epochs for table in metrics.values() for epochs in table})
    rows = (row for table in metrics.values() for row in table.values())
    names = dict.fromkeys(name for row in rows for name in row)
    columns: dict[str, dict[int, float]] = {}
    for epochs in rungs:
        for name in names:
            columns[f"{name}_at_{epochs}"] = _at(metrics, epochs, name)
            if error := _at(errors, epochs, name):
                columns[f"{name}_error_at_{epochs}"] = error
    return columns


def _at(
    tables: Mapping[int, Mapping[int, Mapping[str, float]]], epochs: int, name: str
) -> dict[int, float]:
    rows = {id: table[epochs] for id, table in tables.items() if epochs in table}
    return {id: row[name] for id, row in rows.items() if name in row}


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _cell(score: float | None) -> str:
    return f"{score:.8g}" if score is not None and math.isfinite(score) else ""


def _number(value: Any) -> Any:
    return _cell(value) if isinstance(value, float) else value
