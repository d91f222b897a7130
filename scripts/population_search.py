"""Search the hyperparameters of a recurrent network, all trials at once.

    python scripts/population_search.py

trains 256 random LSTM and GRU configurations on scikit-learn's digits side by side, prunes them
by successive halving, and leaves a run folder. README.md says what is in it.
"""

import os
import sys

from cohort_table import cohort_table
from command_line import parse
from job import Job, prepare
from rich.console import Console
from run_summary import write_report, write_summary, write_tables

import jaxrnn
import search
from search.display import Display, leaderboard_table, short


def show_notes(job: Job, console: Console) -> None:
    """Show what people should know about their data."""
    for note in job.data.notes:
        console.print(f"note: {note}", soft_wrap=True)
    if share := job.trainer.feed.padded_share:
        console.print(f"note: {share:.1%} of the steps computed in training are padding.")


def run(job: Job, console: Console) -> int:
    """Search, then show and keep what was found; returns the exit status."""
    devices = jaxrnn.describe(job.trainer.mesh)
    steps = ", ".join(f"{rung.trials} to epoch {rung.epochs}" for rung in job.plan)
    console.print(f"{job.data.name} ({job.data.task.name}) on {devices}: {steps}", soft_wrap=True)
    show_notes(job, console)
    console.print(cohort_table(job.cohorts))
    with Display(console, job.metric) as display:

        def observe(progress: search.Progress) -> None:
            display(progress)
            if progress.ranked:
                write_tables(job)

        result = search.successive_halving(
            job.trainer,
            job.trials,
            job.plan,
            metric=job.metric,
            mode=job.mode,
            observe=observe,
            clock=job.clock,
        )
    console.print(leaderboard_table(job.trials, job.shown, job.mode, console.width))
    if result.best is None:
        write_summary(job, "diverged")
        console.print("every trial diverged; search lower values of `learning_rate`")
        return 1
    job.clock.spent("other")
    scores = job.trainer.evaluate(result.winner, "test")
    test = {name: float(scores[name][0]) for name in job.data.task.metrics}
    model = job.trainer.predictor(result.winner)
    model.save(job.folder.path / "best")
    write_report(job, model)
    job.clock.spent("evaluate")
    write_summary(job, "complete", best=result.best, test=test)
    entries = (f"{name} {short(value)}" for name, value in result.best.configuration.items())
    noun = "blocks" if job.data.task.carries else "sequences"
    told = ", ".join(f"test {name} {test[name]:.4f}" for name in job.shown)
    console.print(
        f"winner: trial {result.best.id}: {', '.join(entries)}\n"
        f"{told} ({len(job.data.test)} {noun}, scored once)\nresults in {job.folder.path}",
        soft_wrap=True,
    )
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    console = Console(markup=False, highlight=False)
    sys.path.append(os.getcwd())  # where a user's own optimizers are
    try:
        job = prepare(parse(arguments))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    try:
        return run(job, console)
    except BaseException as error:
        stopped = isinstance(error, KeyboardInterrupt)
        for trial in job.trials:
            if trial.state is search.State.RUNNING:
                trial.state = search.State.INTERRUPTED
        write_summary(job, "interrupted" if stopped else "failed")
        if not stopped:
            raise
        if any(trial.metrics for trial in job.trials):
            console.print(leaderboard_table(job.trials, job.shown, job.mode, console.width))
        console.print(f"interrupted; what finished is in {job.folder.path}", soft_wrap=True)
        return 130


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # After Ctrl-C, Python would wait for a compiler at work, which nothing can stop.
    os._exit(status) if status == 130 else sys.exit(status)
