"""A search as its run folder holds it: the best trial, the model, all trials, the study."""

import json
import math
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import jaxrnn
import search
from search.display import short
from search.records.optuna_storage import JOURNAL, OWNER, quiet
from search.records.run_folder import RunFolder
from search.trial import Proposal


class Result:
    """The result of a search; everything is read from its folder when it is first used.

    Attributes:
        folder: Run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the run in `folder`; the search may still be running.

        Raises:
            ValueError: `folder` is no run folder.
        """
        try:
            run = RunFolder.open(folder)
        except ValueError as error:
            raise ValueError(str(error).replace("`resume` is", "`folder` is")) from error
        self.folder = run.path
        self.settings: dict[str, Any] = run.read_settings()["settings"]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Content of summary.json; empty while the search is running, or if it was killed."""
        path = self.folder / "summary.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @property
    def status(self) -> str:
        """`complete`, `diverged`, `interrupted`, `failed`, or `unfinished` without a summary."""
        return self.summary.get("status", "unfinished")

    @cached_property
    def best(self) -> search.Trial | None:
        """The winner; None if the search has not ended, or no trial of the highest rung is finite.

        Its history is that of `history.csv`.
        """
        winner = self.summary.get("winner")
        if winner is None:
            return None
        configuration = _numbers(winner["configuration"])
        names = self.history.columns.drop("epoch")
        rows = self.history.loc[[winner["id"]], names]
        return search.Trial(
            id=winner["id"],
            seed=winner["seed"],
            configuration=configuration,
            proposal=Proposal(configuration),
            state=search.TrialStatus(winner["state"]),
            epochs=winner["epochs"],
            target_epochs=winner["epochs"],
            ended=True,
            begun=math.nan,
            metrics={int(epochs): _numbers(row) for epochs, row in winner["metrics"].items()},
            errors={int(epochs): _numbers(row) for epochs, row in winner["errors"].items()},
            history={str(name): rows[name].tolist() for name in names},
        )

    @cached_property
    def model(self) -> jaxrnn.Predictor | None:
        """The winner's network; None if `best` is None."""
        return None if self.best is None else jaxrnn.load(self.folder / "best")

    @property
    def test(self) -> dict[str, float]:
        """The winner's metrics on the test split, the mean over seeds and folds; empty if none."""
        return _numbers(self.summary.get("test") or {})

    @property
    def test_deviation(self) -> dict[str, float]:
        """Standard deviations of `test` over seeds and folds; empty for one seed and fold."""
        return _numbers(self.summary.get("test_deviation") or {})

    @cached_property
    def trials(self) -> pd.DataFrame:
        """A row per trial, by its id.

        Columns: state, seed, every hyperparameter, search_epochs, and every validation metric at
        every rung, such as `loss_at_3`; NaN if a trial lacks the hyperparameter, or did not reach
        the rung.
        """
        return _table(self.folder / "trials.csv")

    @cached_property
    def history(self) -> pd.DataFrame:
        """A row per trial and epoch, by the id of the trial: losses, norms, learning rates."""
        return _table(self.folder / "history.csv")

    @cached_property
    def study(self) -> optuna.Study:
        """The same trials as Optuna's study, for its importances and plots."""
        _, _, name = (self.folder / OWNER).read_text(encoding="utf-8").strip().partition(" ")
        if (url := self.settings["storage"]) is None:
            journal = JournalFileBackend(str(self.folder / JOURNAL))
            return optuna.load_study(study_name=name, storage=JournalStorage(journal))
        # Imported here, since SQLAlchemy takes long.
        from search.records.database import open_database

        with quiet():
            return optuna.load_study(study_name=name, storage=open_database(url))

    def __repr__(self) -> str:
        """The text that a notebook shows: the search, the winner, its scores, the folder."""
        data = self.summary.get("data", {})
        about = f" of {data['name']} ({data['task']})" if data else ""
        epochs = sum(self.trials["search_epochs"]) if len(self.trials) else 0
        lines = [f"Search{about}, {self.status}: {len(self.trials)} trials, {epochs} trial-epochs"]
        if self.best is not None:
            values = self.best.configuration.items()
            configuration = ", ".join(f"{name} {short(value)}" for name, value in values)
            lines.append(f"best: trial {self.best.id}: {configuration}")
            scores = ", ".join(f"{name} {value:.4f}" for name, value in self.test.items())
            lines.append(f"test: {scores}")
        return "\n".join([*lines, f"folder: {self.folder}"])


def open(folder: str | Path) -> Result:
    """The result of an earlier search.

    Args:
        folder: Run folder, such as `runs/first`; the search may still be running.

    Raises:
        ValueError: `folder` is no run folder.
    """
    return Result(folder)


def _table(path: Path) -> pd.DataFrame:
    """A table of the run folder by its ids; empty before it is written."""
    if not path.is_file():
        return pd.DataFrame(index=pd.Index([], name="id", dtype=int))
    # Choices may be called "none" or "nan", as only empty cells are missing.
    return pd.read_csv(path, index_col="id", keep_default_na=False, na_values=[""])


def _numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Values of summary.json with the numbers that JSON lacks."""
    known = {"inf": math.inf, "-inf": -math.inf, None: math.nan}
    return {
        name: known[value] if value is None or value in known else value
        for name, value in values.items()
    }
