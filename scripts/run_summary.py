"""What a search leaves in its run folder."""

import platform
import shlex
import sys
import time
from dataclasses import asdict

from job import Job

import jaxrnn
import search


def write_report(job: Job, model: jaxrnn.Predictor) -> None:
    """Write the winner's tables on the test split, such as `confusion_matrix.csv`."""
    test = job.data.test
    outputs = model.encoded(test.inputs, test.lengths)
    for name, rows in jaxrnn.report(job.data.task, outputs, test.targets, test.lengths).items():
        job.folder.write_table(name, rows)


def write_tables(job: Job) -> None:
    """Write `trials.csv` and `history.csv`, with what is known so far."""
    job.folder.write_trials(job.trials, job.space.entries)
    job.folder.write_history(job.trials)


def write_summary(
    job: Job,
    status: str,
    best: search.Trial | None = None,
    test: dict[str, float] | None = None,
) -> None:
    """Write the tables for the last time, and `summary.json`."""
    total = time.perf_counter() - job.begin
    seconds = {
        "compile": job.trainer.compiler.seconds,
        "train": job.clock.train,
        "evaluate": job.clock.evaluate,
    }
    write_tables(job)
    job.folder.write_summary(
        {
            "status": status,
            "winner": None
            if best is None
            else {k: v for k, v in asdict(best).items() if k != "history"},
            "test": test,
            "data": jaxrnn.describe_data(job.data),
            "metric": job.metric,
            "microbatch": job.trainer.microbatch,
            "rungs": [rung._asdict() for rung in job.plan],
            "seconds": seconds | {"other": total - sum(seconds.values()), "total": total},
            "programs": job.trainer.compiler.programs,
            "cohorts": job.cohorts,
            "devices": jaxrnn.describe(job.trainer.mesh),
            "lanes": job.trainer.lanes,
            "seed": job.settings["seed"],
            "settings": job.settings,
            "command": shlex.join(["python", *sys.argv]),
            "versions": {"python": platform.python_version(), **job.versions},
        }
    )
