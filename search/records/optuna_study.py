"""Optuna's study of a search, for its dashboard, importances and plots."""

import math
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.records.optuna_storage import open_store, open_study, reading
from search.records.strict_json import readable
from search.space import Space
from search.trial import State, Trial

STATES = {State.COMPLETE: TrialState.COMPLETE, State.PRUNED: TrialState.PRUNED}


class Study:
    """Makes a study equal to the trials of a search, in a thread of its own.

    Trials have the ids of the search as numbers, the entries that vary as parameters, scores at
    every rung as intermediate values, by epochs, and are complete, pruned, or failed if they
    diverged. In the journal all of it appears as it happens. Databases take much longer for
    every operation, so that a trial is written there when it has ended, in one operation if those
    before it have ended too.

    What a search does again after a kill is in the study already, and stays as it is.
    """

    def __init__(
        self, storage: str | None, folder: Path, metric: str, mode: str, space: Space
    ) -> None:
        """Open the study, which has the name of the run folder, or make it.

        Args:
            storage: URL of an Optuna storage; `study.log` in the run folder if None.
            folder: Of the run; no other process may write there.
            metric: The objective.
            mode: `min` or `max`: which values of it are better.
            space: Of the configurations.

        Raises:
            ValueError: The storage can't be opened, or has such a study of another run.
        """
        self._metric, self._space = metric, space
        self._store = open_store(storage, folder)
        about = {"metric": metric, "fixed": readable(space.fixed)}
        try:
            self._study = open_study(self._store, mode, folder, about)
            found = self._store.storage.get_all_trials(self._study)
        except BaseException:
            self._store.close()
            raise
        self._there = {trial.number: trial for trial in found}
        self._unchecked = {trial.number: trial.params for trial in found}
        self._sent: dict[int, tuple[int, bool]] = {}
        self._begun: dict[int, datetime] = {}
        self._pending: dict[int, Trial] = {}
        self._closing = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="study", daemon=True)
        self._thread.start()

    def sync(self, trials: Sequence[Trial]) -> None:
        """Have written what is new; returns at once.

        Args:
            trials: All of the search so far; they may change afterwards.

        Raises:
            ValueError: The study has a trial of this id with other parameters.
            OSError: What an earlier call asked for could not be written.
        """
        new: dict[int, Trial] = {}
        for trial in trials:
            standing = len(trial.metrics), trial.ended
            if self._sent.get(trial.id) != standing:
                self._check(trial)
                self._sent[trial.id] = standing
                self._begun.setdefault(trial.id, datetime.now())
                own = {"metrics": dict(trial.metrics), "errors": dict(trial.errors)}
                new[trial.id] = replace(trial, **own, changes=list(trial.changes), history={})
        with self._changed:
            if self._failure:
                raise self._failure
            self._pending |= new
            self._changed.notify()

    def close(self, seconds: float | None = None) -> None:
        """Wait until all is written; closing twice is fine.

        Args:
            seconds: The longest to wait, what is not written then being left out; no end if None.

        Raises:
            OSError: It could not be.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)
        if not self._thread.is_alive():
            self._store.close()
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    def _check(self, trial: Trial) -> None:
        params = self._unchecked.pop(trial.id, None)
        if params is not None and params != self._params(trial):
            raise ValueError(
                f"The study in '{self._store.where}' has other parameters for trial {trial.id} "
                "than this search. If it went on on other devices after a kill, delete the study, "
                "and it is written anew."
            )

    def _params(self, trial: Trial) -> dict[str, Any]:
        proposed = trial.proposal.configuration
        return {name: proposed[name] for name in self._space.distributions if name in proposed}

    def _work(self) -> None:
        waiting: dict[int, Trial] = {}
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._pending or self._closing)
                    new, self._pending = self._pending, {}
                if not new:
                    break
                waiting |= new
                self._write(waiting)
                self._store.flush()
        except StorageInternalError as error:
            from search.records.database import (
                reason,  # here, for searches without one begin sooner
            )

            where = self._store.where
            self._failure = OSError(
                f"the study in '{where}' can't be written: {reason(error.__cause__)}"
            )
        except Exception as error:
            self._failure = error
        finally:
            self._store.storage.remove_session()

    def _write(self, waiting: dict[int, Trial]) -> None:
        """Write what is due of the trials, by id, and take those away.

        New trials are numbered as they come, so those before one that has ended are due as well.
        """
        last = max((trial.id for trial in waiting.values() if trial.ended), default=-1)
        for id in sorted(waiting):
            trial = waiting[id]
            if id not in self._there and (self._store.prompt or id <= last):
                self._there[id] = self._create(trial)
            elif id in self._there and (self._store.prompt or trial.ended):
                self._update(self._there[id], trial)
            if id in self._there:
                del waiting[id]

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
        created.datetime_start = self._begun[trial.id]
        created._trial_id = self._store.storage.create_new_trial(self._study, created)
        return created

    def _update(self, there: FrozenTrial, trial: Trial) -> None:
        """Add what is missing; what has ended stays as it is."""
        storage, id = self._store.storage, there._trial_id
        if there.state.is_finished():
            return
        for step, value in self._scores(trial).items():
            if step not in there.intermediate_values:
                storage.set_trial_intermediate_value(id, step, value)
                there.intermediate_values[step] = value
        state, value = self._outcome(trial)
        for key, result in self._results(trial).items():
            storage.set_trial_user_attr(id, key, result)
        if state.is_finished():
            storage.set_trial_state_values(id, state, None if value is None else [value])
            there.state = state

    def _outcome(self, trial: Trial) -> tuple[TrialState, float | None]:
        if not trial.ended:
            return TrialState.RUNNING, None
        value = trial.last(self._metric)
        if trial.state not in STATES or not math.isfinite(value):
            return TrialState.FAIL, None
        return STATES[trial.state], value

    def _scores(self, trial: Trial) -> dict[int, float]:
        """By epochs; where it diverged there is none."""
        scores = {k: row.get(self._metric, math.nan) for k, row in trial.metrics.items()}
        return {epochs: score for epochs, score in scores.items() if math.isfinite(score)}

    def _origin(self, trial: Trial) -> dict[str, Any]:
        configuration = readable(trial.proposal.configuration)
        return {"seed": trial.seed, "bracket": trial.bracket, "configuration": configuration}

    def _results(self, trial: Trial) -> dict[str, Any]:
        """At its end: the other metrics, and all of them at every rung."""
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


def best_configurations(source: str, count: int, space: Space) -> list[dict[str, Any]]:
    """The best configurations of an earlier search, to begin another one with.

    Args:
        source: Its run folder, or `URL#name` of its study.
        count: How many at most.
        space: Of the new search; entries that it lacks are left out.

    Raises:
        ValueError: There is no such study, or no trial in it that came to its end.
    """
    with reading(source) as study:
        sign = -1.0 if study.direction is StudyDirection.MAXIMIZE else 1.0
        trials = study.get_trials(states=(TrialState.COMPLETE,))
    if not trials:
        raise ValueError(f"`warm_start` is '{source}', but none of its trials came to its end.")
    trials.sort(key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    found = [trial.user_attrs.get("configuration", trial.params) for trial in trials[:count]]
    return [{name: own[name] for name in space.entries if name in own} for own in found]
