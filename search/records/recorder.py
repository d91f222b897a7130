"""Records a search on disk while it runs: tables, study, checkpoints; and resumes it."""

import os
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from search.records.checkpoint import Checkpoints, records_of, trials_of
from search.records.optuna_study import Study
from search.records.run_folder import RunFolder
from search.records.signals import deferred
from search.replicates import Replicates
from search.search import Search
from search.trial import Trial

LEAST_PAUSE = 200
"""Time between two checkpoints at rungs, and two writings of the views, in units of the time that
the last one took: 1 % of the time at most for both."""
FIRST_COST = 0.5
"""Seconds that the first checkpoint is taken to cost, as one of a thousand trials does, so that
searches of less than 100 seconds write none before their end."""
STOPPING = b"\nnote: stopping after this epoch, to lose nothing; Ctrl-C again stops at once\n"


@dataclass
class Recorder:
    """Callback after every epoch of a search, which records it.

    The trials and members of a checkpoint are the truth; tables and study are views of the trials.

    Attributes:
        search: Search to record.
        folder: Run folder of its tables.
        study: Optuna's view of it.
        checkpoints: Checkpoints, from which it can be resumed.
        seconds: Longest time between two checkpoints.
        hyperparameters: Hyperparameters that have a column in any case.
        stopping: Whether the search ends after the epoch under way.
    """

    search: Search
    folder: RunFolder
    study: Study
    checkpoints: Checkpoints
    seconds: float = 300.0
    hyperparameters: Iterable[str] = ()
    stopping: bool = False

    def __post_init__(self) -> None:
        self._saved = self._trained
        self._last = self._viewed = time.monotonic()
        self._cost, self._view_cost = FIRST_COST, 0.0

    def stop(self) -> None:
        """End the search after the epoch under way, or now if nothing is lost, or if asked twice.

        Raises:
            KeyboardInterrupt: Now, or from the call after that epoch.
        """
        if self.stopping or self._saved == self._trained:
            raise KeyboardInterrupt
        self.stopping = True
        with suppress(OSError):
            os.write(sys.stderr.fileno(), STOPPING)  # print may be at work, and is not reentrant

    def __call__(self, scored: bool) -> None:
        """Write what is to be written after an epoch.

        Args:
            scored: Whether trials were scored after it.
        """
        ending = self.stopping  # a signal from here on acts after the next epoch
        if scored and time.monotonic() - self._viewed >= LEAST_PAUSE * self._view_cost:
            self.write_views()
        waited = time.monotonic() - self._last
        overdue = waited >= self.seconds or (scored and waited >= LEAST_PAUSE * self._cost)
        if overdue or ending:
            self.write_checkpoint()
        if ending:
            raise KeyboardInterrupt

    def write_views(self) -> None:
        """Write what people and programs read: the tables and the study."""
        self.study.write(self.search.trials)
        begin = time.monotonic()  # of the study, new trials alone take long, each of them once
        self.write_tables()
        self._viewed = time.monotonic()
        self._view_cost = self._viewed - begin

    def write_tables(self) -> None:
        """Write the tables of the run folder."""
        self.folder.write_trials(self.search.trials, self.hyperparameters)
        self.folder.write_history(self.search.trials)
        self.folder.write_changes(self.search.trials, self.hyperparameters)

    def finish(self) -> None:
        """Write all that has not been written; the search is over."""
        self.write_views()
        self.write_checkpoint()

    def write_checkpoint(self) -> None:
        """Write all that a search needs to go on from here."""
        begin = time.monotonic()
        replicates, number = self.search.replicates, self._trained
        ids = sorted(replicates.snapshots())
        records = {"trials": records_of(self.search.trials), "members": ids}
        with deferred():  # or what saves would go on in a folder that is being cleared away
            self.checkpoints.write(number, records, partial(replicates.save, ids))
            self._saved = number
        self._last = time.monotonic()
        self._cost = self._last - begin

    @property
    def _trained(self) -> int:
        """Number of trial-epochs so far."""
        return sum(trial.epochs for trial in self.search.trials)


def resume(replicates: Replicates[Any, Any], checkpoints: Checkpoints) -> list[Trial]:
    """Read the latest checkpoint that is whole.

    Args:
        replicates: Replicates of the search, which get its members.
        checkpoints: Checkpoints of the search.

    Returns:
        Its trials; none if there is no checkpoint.

    Raises:
        ValueError: There are checkpoints, but all are damaged.
    """
    latest = checkpoints.latest()
    if latest is None:
        return []
    _, records, path = latest
    replicates.restore(records["members"], path)
    return trials_of(records["trials"])
