"""A small search for tests of the study, moment by moment, and the study as Optuna reads it."""

import copy
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from search.records.optuna_study import Study
from search.space.space import Space
from search.trial import Proposal, Trial, TrialStatus

SPACE = Space(
    optimizer=["sgd", "adam"],
    momentum=dict(low=0.5, high=0.9, when={"optimizer": "sgd"}),
    rate=dict(low=1e-4, high=1.0, log=True),
    layers=dict(low=1, high=3),
    width=16,
)
COUNT = 9


def begun(id: int) -> Trial:
    rng = np.random.default_rng(id)
    params: dict[str, Any] = {
        "optimizer": ["sgd", "adam"][id % 2],
        "momentum": 0.5 + 0.4 * rng.random(),
        "rate": float(10 ** rng.uniform(-4, 0)),
        "layers": int(rng.integers(1, 4)),
    }
    configuration = SPACE.sample(lambda name, _: params[name])
    return Trial(id, id + 100, configuration, Proposal(configuration), bracket=id % 3)


def stages(count: int = COUNT) -> list[list[Trial]]:
    """All trials at every moment of a search: halving with rungs at 1, 3 and 9 epochs."""
    trials, moments = [], []
    for batch in np.array_split(np.arange(count), 2):  # the second half begins later
        trials += [begun(int(id)) for id in batch]
        moments.append(copy.deepcopy(trials))
    alive = trials
    for epochs in (1, 3, 9):
        for trial in alive:
            loss = abs(math.log10(trial.configuration["rate"]) + 2) + 1 / epochs
            dead = trial.id == 4 and epochs >= 3
            trial.metrics[epochs] = {"loss": math.nan if dead else loss, "accuracy": 1 - loss / 9}
            trial.errors[epochs] = {"loss": 0.25, "accuracy": math.nan}
            trial.state = TrialStatus.DIVERGED if dead else TrialStatus.RUNNING
            trial.epochs = epochs
        moments.append(copy.deepcopy(trials))
        alive = sorted(alive, key=lambda trial: trial.id != 4)  # one that diverges must go on
        alive, out = alive[: len(alive) // 3 + 1], alive[len(alive) // 3 + 1 :]
        for trial in alive + out if epochs == 9 else out:
            trial.ended = True
            if trial.state is TrialStatus.RUNNING:
                trial.state = TrialStatus.COMPLETE if epochs == 9 else TrialStatus.PRUNED
        moments.append(copy.deepcopy(trials))
    return moments


def url_of(kind: str, folder: Path) -> str | None:
    return None if kind == "journal" else f"sqlite:///{folder.parent}/study.db"


def opened(folder: Path, kind: str = "journal", **changes: Any) -> Study:
    folder.mkdir(exist_ok=True)
    known: dict[str, Any] = dict(metric="loss", mode="min", space=SPACE)
    return Study(url_of(kind, folder), folder, **(known | changes))


def read(folder: Path, kind: str = "journal") -> optuna.Study:
    """The study, read as any user of Optuna would."""
    if kind == "journal":
        storage = JournalStorage(JournalFileBackend(str(folder / "study.log")))
        return optuna.load_study(study_name=folder.name, storage=storage)
    with database(folder.parent / "study.db") as storage:
        memory = optuna.storages.InMemoryStorage()
        optuna.copy_study(from_study_name=folder.name, from_storage=storage, to_storage=memory)
    return optuna.load_study(study_name=folder.name, storage=memory)


@contextmanager
def database(path: Path) -> Iterator[RDBStorage]:
    storage = RDBStorage(f"sqlite:///{path}")
    yield storage
    storage.remove_session()
    storage.engine.dispose()


def check(study: optuna.Study, trials: list[Trial]) -> None:
    """That a study says what there is to say of all these trials, once the search is over."""
    assert [t.number for t in study.trials] == [t.id for t in trials]
    names = {"complete": "COMPLETE", "pruned": "PRUNED", "diverged": "FAIL"}
    for row, trial in zip(study.trials, trials, strict=True):
        active = {k: v for k, v in trial.configuration.items() if k != "width"}
        assert row.params == active
        assert row.distributions == {name: SPACE.distributions[name] for name in active}
        assert row.state.name == names[trial.state]
        scores = {k: m["loss"] for k, m in trial.metrics.items() if not math.isnan(m["loss"])}
        assert row.intermediate_values == scores
        assert row.value == (None if row.state.name == "FAIL" else scores[max(scores)])
        last = trial.metrics[max(trial.metrics)]
        attributes = json.loads(json.dumps(row.user_attrs))
        assert attributes.pop("metrics").keys() == {str(k) for k in trial.metrics}
        assert attributes.pop("errors")["1"] == {"loss": 0.25, "accuracy": None}
        assert attributes == {
            "seed": trial.seed,
            "bracket": trial.bracket,
            "accuracy": last["accuracy"],
            "configuration": trial.configuration,
        }
        assert row.datetime_start is not None
        assert row.datetime_complete is not None
        assert row.datetime_start <= row.datetime_complete
