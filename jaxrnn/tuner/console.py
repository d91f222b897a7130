"""Search the hyperparameters of a recurrent network, all trials at once.

    python scripts/population_search.py

trains 256 random LSTM and GRU configurations on scikit-learn's digits side by side, prunes them
by successive halving, and leaves a run folder. README.md says what is in it.
"""

import gc

gc.disable()  # importing makes no garbage, and looking for it takes most of a second

import os
import sys
import warnings
from contextlib import suppress

from cohort_table import cohort_table
from command_line import parse
from job import Job, prepare
from rich.console import Console
from run_summary import write_summary
from winner import Winner, crown, save

import jaxrnn
import search
from jaxrnn.population.memory import is_out_of_memory
from search.display import Display, leaderboard_table, short
from search.signals import answered

gc.freeze()
gc.enable()


def show_beginning(job: Job, console: Console) -> None:
    """Show what is searched where, and what people should know about it."""
    data, settings = job.data[0], job.settings
    devices = jaxrnn.describe(job.trainers[0].mesh)
    trials, epochs = job.plan.scheduler.trials, job.plan.scheduler.max_epochs
    line = f"{data.name} ({job.task.name}) on {devices}: {settings['search']} search"
    line += f", {settings['scheduler']}, {trials} trials of at most {epochs} epochs"
    if job.search.team.size > 1:
        line += f", {job.search.team.size} members each"
    console.print(line, soft_wrap=True)
    notes = [*job.notes, *data.notes]
    if (asked := settings["trials"]) and asked != trials:
        notes.insert(0, f"{asked} trials were asked for; {trials} make whole brackets.")
    for note in notes:
        console.print(f"note: {note}", soft_wrap=True)
    if share := job.trainers[0].feed.padded_share:
        console.print(f"note: {share:.1%} of the steps computed in training are padding.")
    if behind := sum(trial.epochs for trial in job.search.trials):
        console.print(f"going on after {behind} trial-epochs")
    console.print(cohort_table(job.cohorts))


def show_winner(job: Job, winner: Winner, console: Console) -> None:
    """Show what won, how well, and where it is."""
    entries = (f"{name} {short(value)}" for name, value in winner.trial.configuration.items())
    noun = "blocks" if job.task.carries else "sequences"
    spread = {name: f" +- {value:.4f}" for name, value in winner.spread.items()}
    told = ", ".join(
        f"test {name} {winner.test[name]:.4f}{spread.get(name, '')}" for name in job.shown
    )
    console.print(
        f"winner: trial {winner.trial.id}: {', '.join(entries)}\n"
        f"{told} ({len(job.data[0].test)} {noun}, scored once)\nresults in {job.folder.path}",
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
        f"audit: without pruning trial {audit.best_trial} had won with {audit.best:.4g}, the "
        f"winner has {audit.winner:.4g} (regret {audit.regret:.4g}); pruning saved "
        f"{audit.saved:.0%} of the trial-epochs",
        soft_wrap=True,
    )


def run(job: Job, console: Console) -> int:
    """Search, then show and keep what was found; returns the exit status."""
    show_beginning(job, console)
    with Display(console, job.plan.metric) as display:
        job.search.observe = display
        best = job.search.run()
        job.keeper.finish()
        job.search.clock.spent("keep")
        audit = search.audit(job.search) if job.settings["audit"] and best else None
    job.keeper.study.close()
    trials, mode = job.search.trials, job.plan.mode
    console.print(leaderboard_table(trials, job.shown, mode, console.width))
    if best is None:
        write_summary(job, "diverged")
        console.print(
            "every trial diverged that went as far as any; search lower values of `learning_rate`",
            soft_wrap=True,
        )
        return 1
    job.search.clock.spent("other")
    winner = crown(job, best)
    save(job, winner)
    job.search.clock.spent("evaluate")
    write_summary(job, "complete", winner, audit)
    if audit is not None:
        show_audit(audit, console)
    show_winner(job, winner, console)
    return 0


CLOSING = 5.0
"""Seconds that a study may take to be written after Ctrl-C; `--resume` completes it."""


def stop(job: Job, error: BaseException, console: Console) -> int:
    """Leave the tables of a search that ends early; returns the exit status.

    Raises:
        BaseException: The same, if nobody asked for it.
    """
    asked = isinstance(error, KeyboardInterrupt)
    trials = job.search.trials
    with suppress(Exception, KeyboardInterrupt):
        job.keeper.study.close(CLOSING)
    for trial in trials:
        if trial.state is search.State.RUNNING:
            trial.state = search.State.INTERRUPTED
    if isinstance(error, OSError):
        what = error.filename or job.folder.path
        reason = (error.strerror or str(error)).rstrip(".")
        print(f"error: '{what}' can't be written: {reason}.", file=sys.stderr)
        return 1
    job.keeper.write_tables()
    write_summary(job, "interrupted" if asked else "failed")
    if is_out_of_memory(error):
        told = (isinstance(error, MemoryError) and str(error).rstrip(".")) or "memory ran out"
        print(f"error: {told}; go on with --resume {job.folder.path}.", file=sys.stderr)
        return 1
    if not asked:
        raise error
    if any(trial.metrics for trial in trials):
        console.print(leaderboard_table(trials, job.shown, job.plan.mode, console.width))
    console.print(
        f"interrupted; what finished is in {job.folder.path}; go on with --resume "
        f"{job.folder.path}",
        soft_wrap=True,
    )
    return 130


def interrupt() -> None:
    """End before the search has begun."""
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    console = Console(markup=False, highlight=False)
    warnings.showwarning = lambda message, *_: print(f"note: {message}", file=sys.stderr)
    sys.path.append(os.getcwd())  # where a user's own optimizers are
    try:
        with answered(interrupt):
            job = prepare(parse(arguments))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    with job.open, answered(job.keeper.stop):
        try:
            return run(job, console)
        except BaseException as error:
            return stop(job, error, console)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    # After Ctrl-C, Python would wait for a compiler at work, which nothing can stop.
    os._exit(status) if status == 130 else sys.exit(status)
