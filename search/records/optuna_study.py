"""Optuna's study of a search, for its dashboard, importances and plots."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.records.optuna_storage import forget_journal, open_store, open_study, reading
from search.records.signals import deferred
from search.records.strict_json import readable
from search.space.space import Space
from search.trial import Trial, TrialStatus

STATES = {TrialStatus.COMPLETE: TrialState.COMPLETE, TrialStatus.PRUNED: TrialState.PRUNED}


class Study:
    """A view of the trials of a search, which are the truth.

    Trials have the ids of the search as numbers, the hyperparameters that vary as parameters,
    scores at every rung as intermediate values, by epochs, and are complete, pruned, or failed if
    they diverged. What a search does again after a kill is in the study already, and stays.

    The journal shows trials from their beginning. It is only added to, so that a dashboard can
    follow it, unless it contradicts the trials: then it is written anew. Databases take much
    longer for every operation, so that a trial is written there when it has ended, in one
    operation if those before it have ended too, and in another thread.
    """

    def __init__(
        self, storage: str | None, folder: Path, metric: str, mode: str, space: Space
    ) -> None:
        """Open the study, which has the name of the run folder, or make it.

        Args:
            storage: URL of an Optuna storage; `study.log` in the run folder if None.
            folder: The run folder; no other process may write there.
            metric: The objective.
            mode: `min` or `max`: which values of it are better.
            space: Space of the configurations.

        Raises:
            ValueError: The storage can't be opened, or has such a study of another run.
        """
        self._url, self._folder, self._mode = storage, folder, mode
        self._metric, self._space = metric, space
        self._open()
        self._writer = None
        if storage is not None:
            from search.records import database  # here, for searches without one begin sooner

            self._writer = database.Writer(self._store.where, self._store.storage, self._update)

    def write(self, trials: Sequence[Trial]) -> None:
        """Add what is new to the journal, or have it added to the database, and return at once.

        Args:
            trials: All trials of the search so far; they may change afterwards.

        Raises:
            ValueError: The database has a trial of this id with other parameters.
            OSError: The journal can't be written, or what an earlier call asked for could not.
        """
        if self._writer is not None:
            self._writer.submit([_copy(trial) for trial in self._missing(trials)])
            return
        with deferred():  # or what an interrupt leaves out, and what is there, would be unknown
            if any(self._contradicts(trial) for trial in trials):
                forget_journal(self._folder)
                self._open()
            self._update(trials)
            self._store.flush()

    def close(self, seconds: float | None = None) -> None:
        """Wait until all is written; closing twice is fine.

        Args:
            seconds: Longest time to wait, what is not written then being left out; no end if None.

        Raises:
            OSError: It could not be written.
        """
        if self._writer is None:
            return
        try:
            self._writer.close(seconds)
        finally:
            if not self._writer.alive:
                self._store.close()

    def _open(self) -> None:
        about = {"metric": self._metric, "fixed": readable(self._space.fixed)}
        self._store = open_store(self._url, self._folder)
        try:
            self._study = open_study(self._store, self._mode, self._folder, about)
            trials = self._store.storage.get_all_trials(self._study)
        except BaseException:
            self._store.close()
            raise
        self._written = {trial.number: trial for trial in trials}

    def _missing(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return what a database lacks.

        New trials are numbered as they come, so those before one that has ended are missing, too.

        Raises:
            ValueError: It has a trial of this id with other parameters.
        """
        last = max((trial.id for trial in trials if trial.ended), default=-1)
        missing = []
        for trial in trials:
            written = self._written.get(trial.id)
            if written is None:
                missing += [trial] if trial.id <= last else []
            elif written.params != self._params(trial):
                raise ValueError(
                    f"The study in '{self._store.where}' has other parameters for trial "
                    f"{trial.id} than this search. If it went on on other devices after a kill, "
                    "delete the study, and it is written anew."
                )
            elif trial.ended and not written.state.is_finished():
                missing.append(trial)
        return missing

    def _contradicts(self, trial: Trial) -> bool:
        """Return whether the study says otherwise; it may know more after a kill."""
        written = self._written.get(trial.id)
        if written is None:
            return False
        scores, known = self._scores(trial), written.intermediate_values
        if written.params != self._params(trial):
            return True
        if any(scores.get(epochs, value) != value for epochs, value in known.items()):
            return True
        if not written.state.is_finished():
            return False
        state, _ = self._outcome(trial)
        return not scores.keys() <= known.keys() or (trial.ended and state is not written.state)

    def _params(self, trial: Trial) -> dict[str, Any]:
        return self._space.varying(trial.proposal.configuration)

    def _update(self, trials: Sequence[Trial]) -> None:
        for trial in sorted(trials, key=lambda trial: trial.id):
            written = self._written.get(trial.id)
            if written is None:
                self._written[trial.id] = self._create(trial)
            elif not written.state.is_finished():
                self._complete(written, trial)

    def _create(self, trial: Trial) -> FrozenTrial:
        params = self._params(trial)
        state, value = self._outcome(trial)
        created = create_trial(
            state=state,
            value=value,
            params=params,
            distributions={name: self._space.distributions[name] for name in params},
            user_attrs=self._origin(trial) | self._results(trial),
            intermediate_values=self._scores(trial),
        )
        created.datetime_start = datetime.fromtimestamp(trial.begun)
        if trial.ended and trial.finished is not None:
            created.datetime_complete = datetime.fromtimestamp(trial.finished)
        created._trial_id = self._store.storage.create_new_trial(self._study, created)
        return created

    def _complete(self, written: FrozenTrial, trial: Trial) -> None:
        """Add what is missing."""
        storage, id = self._store.storage, written._trial_id
        for epochs, score in self._scores(trial).items():
            if epochs not in written.intermediate_values:
                storage.set_trial_intermediate_value(id, epochs, score)
                written.intermediate_values[epochs] = score
        for name, result in self._results(trial).items():
            storage.set_trial_user_attr(id, name, result)
        state, value = self._outcome(trial)
        if state.is_finished():
            storage.set_trial_state_values(id, state, None if value is None else [value])
            written.state = state

    def _outcome(self, trial: Trial) -> tuple[TrialState, float | None]:
        if not trial.ended:
            return TrialState.RUNNING, None
        value = trial.last(self._metric)
        if trial.state not in STATES or not math.isfinite(value):
            return TrialState.FAIL, None
        return STATES[trial.state], value

    def _scores(self, trial: Trial) -> dict[int, float]:
        """Return scores by epochs; where it diverged there is none."""
        scores = {k: row.get(self._metric, math.nan) for k, row in trial.metrics.items()}
        return {epochs: score for epochs, score in scores.items() if math.isfinite(score)}

    def _origin(self, trial: Trial) -> dict[str, Any]:
        configuration = readable(trial.proposal.configuration)
        return {"seed": trial.seed, "bracket": trial.bracket, "configuration": configuration}

    def _results(self, trial: Trial) -> dict[str, Any]:
        """Return, at its end, the other metrics, and all of them at every rung."""
        if not trial.ended:
            return {}
        last = trial.metrics[max(trial.metrics)] if trial.metrics else {}
        results: dict[str, Any] = {name: last[name] for name in last if name != self._metric}
        results["metrics"] = trial.metrics
        if trial.errors:
            results["errors"] = trial.errors
        if trial.changes:
            results |= {"changes": trial.changes, "configuration": trial.configuration}
        return readable(results)


def _copy(trial: Trial) -> Trial:
    """Return a trial as it is now, for another thread."""
    tables = {"metrics": dict(trial.metrics), "errors": dict(trial.errors)}
    return replace(trial, **tables, changes=list(trial.changes), history={})


def best_configurations(source: str, count: int, space: Space) -> list[dict[str, Any]]:
    """Return the best configurations of an earlier search, to begin another one with.

    Args:
        source: Its run folder, or `URL#name` of its study.
        count: Number of configurations at most.
        space: Space of the new search; hyperparameters that it lacks are left out.

    Raises:
        ValueError: There is no such study, or no trial in it that came to its end.
    """
    with reading(source) as study:
        sign = -1.0 if study.direction is StudyDirection.MAXIMIZE else 1.0
        trials = study.get_trials(states=(TrialState.COMPLETE,))
    if not trials:
        raise ValueError(f"`warm_start` is '{source}', but none of its trials came to its end.")
    trials.sort(key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    best = [trial.user_attrs.get("configuration", trial.params) for trial in trials[:count]]
    return [
        {name: configuration[name] for name in space.hyperparameters if name in configuration}
        for configuration in best
    ]
