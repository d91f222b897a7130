"""What a search says of itself at its end: `summary.json`."""

import platform
import shlex
import sys
import time
from dataclasses import asdict
from typing import Any

from cohort_table import cohort_rows
from job import Job
from winner import Winner

import jaxrnn
import search

SECONDS = ("compile", "start", "train", "evaluate", "select", "decide", "keep")
"""What the clock of a search tells; the rest is data, the display, and the winner's model."""


def write_summary(
    job: Job,
    status: str,
    winner: Winner | None = None,
    audit: search.Audit | None = None,
) -> None:
    """Write `summary.json`."""
    total, clock = time.perf_counter() - job.begin, job.search.clock
    seconds = {kind: getattr(clock, kind) for kind in SECONDS}
    job.folder.write_summary(
        {
            "status": status,
            "winner": None if winner is None else _described(winner.trial),
            "test": None if winner is None else winner.test,
            "test_deviation": (winner.spread or None) if winner else None,
            "audit": audit and audit.description(),
            "data": jaxrnn.describe_data(job.data[0]),
            "metric": job.plan.metric,
            "microbatch": job.trainers[0].microbatch,
            "rungs": rungs(job.search.trials),
            "trial_epochs": sum(trial.epochs for trial in job.search.trials),
            "seconds": seconds | {"other": total - sum(seconds.values()), "total": total},
            "programs": sum(trainer.compiler.programs for trainer in job.trainers),
            "precision": job.settings["precision"],
            "compiled": [row for one in job.trainers for row in one.compiler.description()],
            "compile_cache": job.cache and str(job.cache),
            "cohorts": _cohorts(job),
            "devices": jaxrnn.describe(job.trainers[0].mesh),
            "lanes": job.trainers[0].lanes,
            "seed": job.settings["seed"],
            "settings": job.settings,
            "command": shlex.join(["python", *sys.argv]),
            "versions": {"python": platform.python_version(), **job.versions},
        }
    )


def rungs(trials: list[search.Trial]) -> list[dict[str, int]]:
    """How many trials were scored after how many epochs."""
    reached = sorted({epochs for trial in trials for epochs in trial.metrics})
    counts = {epochs: sum(epochs in trial.metrics for trial in trials) for epochs in reached}
    return [{"epochs": epochs, "trials": count} for epochs, count in counts.items()]


def _cohorts(job: Job) -> list[dict[str, Any]]:
    """Of the trials as they came."""
    trials, trainer = job.search.trials, job.trainers[0]
    if not trials:
        return job.cohorts
    groups = trainer.plan([trial.configuration for trial in trials], job.plan.scheduler.max_epochs)
    return cohort_rows(trainer, groups, len(trials))


def _described(trial: search.Trial) -> dict[str, Any]:
    left_out = ("history", "proposal", "until", "ended", "bracket", "changes")
    return {name: value for name, value in asdict(trial).items() if name not in left_out}
