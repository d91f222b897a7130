"""The run folder: what people and programs read after a search, or after half of one."""

import csv
import io
import json
import math
import os
from collections.abc import Mapping, Sequence
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

    def write_trials(self, trials: Sequence[Trial]) -> None:
        """`trials.csv`: one row per trial, in order of id.

        Columns: id, state, seed, every entry of the configurations, epochs trained, then every
        metric at every rung, such as `loss_at_3`; empty where a trial did not get there or
        diverged.
        """
        entries = list(dict.fromkeys(name for trial in trials for name in trial.configuration))
        reached = sorted({epochs for trial in trials for epochs in trial.metrics})
        names = list(
            dict.fromkeys(n for trial in trials for row in trial.metrics.values() for n in row)
        )
        columns = [(epochs, name) for epochs in reached for name in names]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        header = ["id", "state", "seed", *entries, "epochs"]
        writer.writerow([*header, *(f"{name}_at_{epochs}" for epochs, name in columns)])
        for trial in sorted(trials, key=lambda trial: trial.id):
            own = [trial.configuration.get(name, "") for name in entries]
            scores = [trial.metrics.get(epochs, {}).get(name) for epochs, name in columns]
            row = [trial.id, trial.state, trial.seed, *own, trial.epochs]
            writer.writerow([*row, *map(_cell, scores)])
        self._write("trials.csv", text.getvalue())

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


def _cell(score: float | None) -> str:
    return f"{score:.8g}" if score is not None and math.isfinite(score) else ""


def _strict(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
