"""The winner of a search: scored on the test split, once, and saved."""

import shutil
from dataclasses import dataclass

import numpy as np
from job import Job

import jaxrnn
import search


@dataclass(frozen=True)
class Winner:
    """The best trial at the end.

    Attributes:
        trial: As recorded.
        test: Test metrics by name, the mean over seeds and folds.
        spread: Their standard deviations; empty for one seed and fold.
        model: Of its members the one with the best validation score.
    """

    trial: search.Trial
    test: dict[str, float]
    spread: dict[str, float]
    model: jaxrnn.Predictor


def crown(job: Job, trial: search.Trial) -> Winner:
    """Score the members of `trial` on the test split, and take out the best one."""
    names, metric = list(job.task.metrics), job.plan.metric
    sign = 1.0 if job.plan.mode == "min" else -1.0
    members, repeats = job.search.members[trial.id], job.search.team.repeats
    scored, models = [], []
    for fold, trainer in enumerate(job.trainers):
        population = trainer.place(members[fold * repeats : (fold + 1) * repeats])
        test, seen = trainer.evaluate(population, "test"), trainer.evaluate(population)
        for k in range(repeats):
            scored.append([float(test[name][k]) for name in names])
            models.append((sign * float(seen[metric][k]), fold, trainer.predictor(population, k)))
    _, _, model = min(models, key=lambda one: one[:2])
    table = dict(zip(names, np.array(scored).T, strict=True))
    several = len(scored) > 1
    return Winner(
        trial,
        {name: float(values.mean()) for name, values in table.items()},
        {name: float(values.std(ddof=1)) for name, values in table.items()} if several else {},
        model,
    )


def save(job: Job, winner: Winner) -> None:
    """Write the model, and its tables on the test split, such as `confusion_matrix.csv`."""
    partial, best = job.folder.path / ".best.partial", job.folder.path / "best"
    shutil.rmtree(partial, ignore_errors=True)
    winner.model.save(partial)
    shutil.rmtree(best, ignore_errors=True)  # of a search that had ended, or was killed here
    partial.rename(best)
    test, task = job.data[0].test, job.task
    outputs = winner.model.encoded(test.inputs, test.lengths)
    for name, rows in jaxrnn.report(task, outputs, test.targets, test.lengths).items():
        job.folder.write_table(name, rows)
