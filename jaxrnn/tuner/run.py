"""Runs a search that is ready: trains, shows and keeps the results, also if it ends early."""

from contextlib import suppress

from rich.console import Console

import search
from jaxrnn.tuner.console import (
    show_audit,
    show_beginning,
    show_divergence,
    show_leaderboard,
    show_winner,
)
from jaxrnn.tuner.job import Job
from jaxrnn.tuner.report import Winner, save_winner, score_winner, write_summary
from search.display import Display

CLOSING = 5.0
"""Seconds that a study may take to be written after Ctrl-C; `--resume` completes it."""


def run(job: Job, console: Console) -> Winner | None:
    """Search, then show and keep the winner; None if every trial of the highest rung diverged."""
    show_beginning(job, console)
    with Display(console, job.plan.metric) as display:
        best = job.search.run(on_progress=display, on_epoch=job.recorder)
        with job.search.clock("keep"):
            job.recorder.finish()
        audit = search.audit(job.search, display) if job.settings.audit and best else None
    job.recorder.study.close()
    show_leaderboard(job, console)
    if best is None:
        write_summary(job, "diverged")
        show_divergence(console)
        return None
    with job.search.clock("evaluate"):
        winner = score_winner(job, best)
        save_winner(job, winner)
    write_summary(job, "complete", winner, audit)
    if audit is not None:
        show_audit(audit, console)
    show_winner(job, winner, console)
    return winner


def leave(job: Job, error: BaseException) -> None:
    """Leave the tables of a search that `error` ends early, unless files can't be written."""
    with suppress(Exception, KeyboardInterrupt):
        job.recorder.study.write(job.search.trials)
        job.recorder.study.close(CLOSING)
    for trial in job.search.trials:
        if trial.state is search.TrialStatus.RUNNING:
            trial.state = search.TrialStatus.INTERRUPTED
    if isinstance(error, OSError):
        return
    job.recorder.write_tables()
    write_summary(job, "interrupted" if isinstance(error, KeyboardInterrupt) else "failed")


def interrupt() -> None:
    """End before the search has begun."""
    raise KeyboardInterrupt
