"""The end of a search: the winner, scored once on the test split, and the summary."""

import platform
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

import jaxrnn
import search
from jaxrnn.tuner.job import Job

SECONDS = ("compile", "start", "train", "evaluate", "select", "decide", "keep")
"""Kinds of work on the clock of a search; the rest is starting, the display, the winner's model."""
LEFT_OUT = ("history", "proposal", "target_epochs", "ended", "bracket", "changes")
"""Attributes of a trial that the summary leaves out."""


@dataclass(frozen=True)
class Winner:
    """The best trial at the end.

    Attributes:
        trial: The trial, as recorded.
        test: Test metrics by name, the mean over seeds and folds.
        deviation: Standard deviations of the same metrics; empty for one seed and fold.
        model: Member of the trial with the best validation score.
    """

    trial: search.Trial
    test: dict[str, float]
    deviation: dict[str, float]
    model: jaxrnn.Predictor


def score_winner(job: Job, trial: search.Trial) -> Winner:
    """Score the members of `trial` on the test split, and take out the best one."""
    names, metric = list(job.task.metrics), job.plan.metric
    sign = 1.0 if job.plan.mode == "min" else -1.0
    replicates = job.search.replicates
    members, repeats = replicates.snapshots()[trial.id], replicates.repeats
    scores, models = [], []
    for fold, trainer in enumerate(job.trainers):
        population = trainer.to_device(members[fold * repeats : (fold + 1) * repeats])
        test, validation = trainer.evaluate(population, "test"), trainer.evaluate(population)
        for k in range(repeats):
            scores.append([float(test[name][k]) for name in names])
            rank = sign * float(validation[metric][k]), fold
            models.append((*rank, trainer.predictor(population, k)))
    _, _, model = min(models, key=lambda ranked: ranked[:2])
    table = dict(zip(names, np.array(scores).T, strict=True))
    several = len(scores) > 1
    return Winner(
        trial,
        {name: float(values.mean()) for name, values in table.items()},
        {name: float(values.std(ddof=1)) for name, values in table.items()} if several else {},
        model,
    )


def save_winner(job: Job, winner: Winner) -> None:
    """Write the model, and its tables on the test split, such as `confusion_matrix.csv`."""
    partial, best = job.folder.path / ".best.partial", job.folder.path / "best"
    shutil.rmtree(partial, ignore_errors=True)
    winner.model.save(partial)
    shutil.rmtree(best, ignore_errors=True)  # of a search that had ended, or was killed here
    partial.rename(best)
    test, task = job.data.test, job.task
    outputs = winner.model.encoded(test.inputs, test.lengths)
    for name, rows in jaxrnn.report(task, outputs, test.targets, test.lengths).items():
        job.folder.write_table(name, rows)


def write_summary(
    job: Job,
    status: str,
    winner: Winner | None = None,
    audit: search.Audit | None = None,
) -> None:
    """Write `summary.json`."""
    total, clock = time.perf_counter() - job.start.begin, job.search.clock
    seconds = {"load": job.inputs.load_seconds}
    seconds |= {kind: getattr(clock, kind) for kind in SECONDS}
    compilers = [trainer.compiler for trainer in job.trainers]
    job.folder.write_summary(
        {
            "status": status,
            "winner": None if winner is None else _described(winner.trial),
            "test": None if winner is None else winner.test,
            "test_deviation": (winner.deviation or None) if winner else None,
            "audit": audit and audit.description(),
            "data": jaxrnn.describe_data(job.data),
            "metric": job.plan.metric,
            "microbatch": job.trainers[0].microbatch,
            "rungs": rungs(job.search.trials),
            "trial_epochs": sum(trial.epochs for trial in job.search.trials),
            "seconds": seconds | {"other": total - sum(seconds.values()), "total": total},
            "programs": sum(compiler.programs for compiler in compilers),
            "precision": job.settings.precision,
            "compiled": [row for one in job.trainers for row in one.placement.description()],
            "compile_cache": job.start.cache and str(job.start.cache),
            "cohorts": cohort_rows(job, [trial.configuration for trial in job.search.trials]),
            "devices": jaxrnn.describe(job.trainers[0].mesh),
            "lanes": job.trainers[0].lanes,
            "seed": job.settings.seed,
            "settings": job.settings.saved(),
            "command": job.start.command,
            "versions": {"python": platform.python_version(), **job.record["versions"]},
        }
    )


def rungs(trials: list[search.Trial]) -> list[dict[str, int]]:
    """The number of trials that were scored at each number of epochs."""
    reached = sorted({epochs for trial in trials for epochs in trial.metrics})
    counts = {epochs: sum(epochs in trial.metrics for trial in trials) for epochs in reached}
    return [{"epochs": epochs, "trials": count} for epochs, count in counts.items()]


def cohort_rows(job: Job, configurations: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cohorts that the planner chose: a row for each, the largest first.

    Args:
        job: The search.
        configurations: Configurations of the trials; if empty, the numbers are estimates from
            likely configurations.
    """
    trainer, scheduler = job.trainers[0], job.plan.scheduler
    trials = len(configurations) or scheduler.trials
    alike = list(configurations) or job.inputs.expected
    groups = trainer.plan(alike, scheduler.max_epochs)
    rows = []
    for group in sorted(groups, key=lambda group: -len(group.members)):
        share = round(len(group.members) * trials / len(alike))
        lanes = trainer.placement.layout(group.architecture, max(share, 1)).lanes
        rows.append({**group.description(), "trials": share, "lanes": lanes})
    return rows


def _described(trial: search.Trial) -> dict[str, Any]:
    return {name: value for name, value in asdict(trial).items() if name not in LEFT_OUT}
