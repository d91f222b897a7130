"""Texts on the console before and after a search: what is searched, who won, what is left."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

import jaxrnn
import search
from jaxrnn.tuner.job import Job
from jaxrnn.tuner.report import Winner, cohort_rows
from search.display import leaderboard_table, short


def show_beginning(job: Job, console: Console) -> None:
    """Show what is searched on which devices, with the notes about it."""
    settings, scheduler = job.settings, job.plan.scheduler
    devices, trials = jaxrnn.describe(job.trainers[0].mesh), scheduler.trials
    line = f"{job.data.name} ({job.task.name}) on {devices}: {settings.sampler} search"
    line += f", {settings.scheduler}, {trials} trials of at most {scheduler.max_epochs} epochs"
    if job.search.replicates.size > 1:
        line += f", {job.search.replicates.size} members each"
    console.print(line, soft_wrap=True)
    notes = [*job.notes, *job.data.notes]
    if settings.trials and settings.trials != trials:
        notes.insert(0, f"{settings.trials} trials were asked for; whole brackets take {trials}.")
    size = job.plan.sampler.size
    if size is not None and trials < size:
        notes.insert(0, f"the grid has {size} configurations, and only the first {trials} train.")
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
    if share := job.trainers[0].training_data.padded_share:
        console.print(f"note: {share:.1%} of the steps computed in training are padding.")
    if trained := sum(trial.epochs for trial in job.search.trials):
        console.print(f"resumed after {trained} trial-epochs")
    console.print(cohort_table(cohort_rows(job, [])))


def cohort_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A table with the rows of `cohort_rows`."""
    table = Table(
        title=f"{len(rows)} cohort{'s' * (len(rows) > 1)}, each with two compiled programs",
        box=None,
        padding=(0, 1, 0, 0),
        title_justify="left",
    )
    for name in ("cohort", "trials", "bucket", "lanes", "padded"):
        table.add_column(name, justify="left" if name == "cohort" else "right")
    for row in rows:
        layers = f"{row['layers']} layer{'s' * (row['layers'] > 1)}"
        kind = f"{row['cell']}, {layers}{', both directions' * row['bidirectional']}"
        numbers = row["trials"], row["bucket"], row["lanes"]
        table.add_row(kind, *map(str, numbers), f"{row['padded_share']:.0%}")
    return table


def show_leaderboard(job: Job, console: Console) -> None:
    """Show the best trials."""
    table = leaderboard_table(job.search.trials, job.shown, job.plan.mode, console.width)
    console.print(table)


def show_winner(job: Job, winner: Winner, console: Console) -> None:
    """Show the winner, its scores, and the run folder."""
    values = (f"{name} {short(value)}" for name, value in winner.trial.configuration.items())
    noun = "blocks" if job.task.stateful else "sequences"
    deviation = {name: f" +- {value:.4f}" for name, value in winner.deviation.items()}
    scores = ", ".join(
        f"test {name} {winner.test[name]:.4f}{deviation.get(name, '')}" for name in job.shown
    )
    console.print(
        f"winner: trial {winner.trial.id}: {', '.join(values)}\n"
        f"{scores} ({len(job.data.test)} {noun}, scored once)\nresults in {job.folder.path}",
        soft_wrap=True,
    )


def show_divergence(console: Console) -> None:
    """Show that there is no winner."""
    console.print(
        "every trial of the highest rung diverged; search lower values of `learning_rate`",
        soft_wrap=True,
    )


def show_audit(audit: search.Audit, console: Console) -> None:
    """Show what pruning cost and saved."""
    for rung in audit.rungs:
        console.print(
            f"audit: epoch {rung.epochs}, {rung.trials} trials: rank correlation with the end "
            f"{rung.correlation:.3f}"
        )
    console.print(
        f"audit: without pruning, trial {audit.best_trial} would have won with {audit.best:.4g}; "
        f"the winner has {audit.winner:.4g} (regret {audit.regret:.4g}); pruning saved "
        f"{audit.saved:.0%} of the trial-epochs",
        soft_wrap=True,
    )


def show_interruption(job: Job, console: Console) -> None:
    """Show the state of an interrupted search."""
    if any(trial.metrics for trial in job.search.trials):
        show_leaderboard(job, console)
    console.print(
        f"interrupted; the results so far are in {job.folder.path}; continue with "
        f"--resume {job.folder.path}",
        soft_wrap=True,
    )
