"""From the settings of a command line to a search that is ready to run, or to go on."""

import argparse
import shutil
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cohort_table import cohort_rows
from command_line import resumed
from planning import plan_of, starts_of
from problem import data_of, metric_of, space_of

import jaxrnn
import search
from search.checkpoint import Checkpoints
from search.keeping import Keeper, take_up
from search.lock import locked
from search.plan import Plan
from search.records import RunFolder, unused
from search.rungs import check_whole
from search.storage import forget_journal
from search.study import Study

SHOWN = 2
"""Metrics of the task in the leaderboard, besides the one that ranks."""
PACKAGES = ("jaxrnn", "jax", "jaxlib", "flax", "optax", "numpy", "optuna", "scikit-learn")


@dataclass(frozen=True)
class Job:
    """A search that passed every check and has its folder.

    Attributes:
        settings: Of the command line.
        versions: Of the packages that results depend on.
        data: One for every fold.
        search: The search itself.
        trainers: One for every fold.
        cohorts: What the planner chose, rows for people.
        folder: Where results go.
        keeper: Keeps the search on disk.
        notes: Sentences for people.
        begin: When this began, seconds of `time.perf_counter`.
        cache: Where compiled programs are kept, if they are.
        open: What has to be closed at the end.
    """

    settings: dict[str, Any]
    versions: dict[str, str]
    data: list[jaxrnn.Data]
    search: search.Search[Any, Any]
    trainers: list[jaxrnn.Trainer]
    cohorts: list[dict[str, Any]]
    folder: RunFolder
    keeper: Keeper
    notes: list[str]
    begin: float
    cache: Path | None
    open: ExitStack

    @property
    def task(self) -> jaxrnn.Task:
        """What is learned."""
        return self.data[0].task

    @property
    def plan(self) -> Plan:
        """What is searched, and how."""
        return self.search.plan

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics that people see, that of the search first."""
        return tuple(dict.fromkeys([self.plan.metric, *list(self.task.metrics)[:SHOWN]]))


@dataclass(frozen=True)
class _Asked:
    """What a search needs before it has a folder."""

    data: list[jaxrnn.Data]
    trainers: list[jaxrnn.Trainer]
    plan: Plan
    starts: list[dict[str, Any]]
    totals: tuple[int, ...]
    cohorts: list[dict[str, Any]]

    @classmethod
    def of(cls, settings: argparse.Namespace, saved: dict[str, Any], space: str) -> "_Asked":
        """Check everything; `saved` is empty for a new run."""
        data = data_of(settings)
        trainers = [_trainer(one, settings) for one in data]
        check_whole("repeats", settings.repeats)
        where = space_of(space, trainers[0], settings.max_epochs)
        metric = metric_of(settings.metric, data[0])
        starts = saved["starts"] if saved else starts_of(settings, where)
        totals = _raised(tuple(saved.get("totals", ())), settings.trials)
        plan = plan_of(settings, trainers[0], where, metric, starts, totals)
        totals = totals or (settings.trials or plan.scheduler.trials,)
        expected = search.expected(plan, totals[0], settings.repeats)
        for trainer in trainers:
            trainer.expect(*expected)
        groups = trainers[0].plan(expected.configurations, settings.max_epochs)
        cohorts = cohort_rows(trainers[0], groups, plan.scheduler.trials)
        return cls(data, trainers, plan, starts, totals, cohorts)

    def record(self, settings: argparse.Namespace) -> dict[str, Any]:
        """All that it takes to do the same again, as JSON."""
        limited = self.plan.at_once < self.plan.scheduler.trials
        at_once = self.plan.at_once if limited else settings.at_once
        return {
            "settings": _saved(settings) | {"at_once": at_once},
            "totals": list(self.totals),
            "starts": self.starts,
            "data": [jaxrnn.fingerprint(one) for one in self.data],
            "versions": {package: version(package) for package in PACKAGES}
            | {"devices": jaxrnn.describe(self.trainers[0].mesh)},
        }


def prepare(settings: argparse.Namespace) -> Job:
    """Check everything, then make the run folder, or enter it again.

    Raises:
        ValueError: A setting that can't be used, in a sentence for people.
    """
    cache = (jaxrnn.forget_programs if settings.no_compile_cache else jaxrnn.keep_programs)()
    with ExitStack() as stack:
        job = _begin(settings, stack) if settings.resume is None else _enter(settings, stack)
        return replace(job, cache=cache, open=stack.pop_all())


def _begin(settings: argparse.Namespace, stack: ExitStack) -> Job:
    begin = time.perf_counter()
    asked = _Asked.of(settings, {}, settings.space)
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{asked.data[0].name}-{settings.seed}"
    folder = RunFolder(settings.out or unused(Path("runs") / name))
    try:
        stack.enter_context(locked(folder.path))
        folder.write_space(asked.plan.space)
        folder.write_settings(asked.record(settings))
        return _job(settings, asked, folder, stack, begin)
    except BaseException:
        stack.close()
        shutil.rmtree(folder.path, ignore_errors=True)
        with suppress(OSError):  # others have runs there
            folder.path.parent.rmdir()
        raise


def _enter(settings: argparse.Namespace, stack: ExitStack) -> Job:
    begin = time.perf_counter()
    folder = RunFolder.open(settings.resume)
    stack.enter_context(locked(folder.path))
    saved = folder.read_settings()
    if not saved.keys() >= {"settings", "totals", "starts", "data", "versions"}:
        raise ValueError(f"`resume` is '{folder.path}', but its settings.json is damaged.")
    settings = resumed(settings, saved["settings"])
    asked = _Asked.of(settings, saved, str(folder.path / "space.toml"))
    now = asked.record(settings)
    raised = now["totals"] != saved["totals"]
    if folder.status() == "complete" and not raised:
        raise ValueError(
            f"`resume` is '{folder.path}', but that search is complete; "
            f"with `trials` above {asked.totals[-1]} it goes on."
        )
    if now["data"] != saved["data"]:
        raise ValueError(f"`data` is {settings.data!r}, but has changed since this run began.")
    if raised and settings.storage is None:
        forget_journal(folder.path)  # of decisions that more trials may change
    job = _job(settings, asked, folder, stack, begin)
    folder.forget_summary()
    folder.write_settings(now)
    job.notes.extend(_differences(saved["versions"], now["versions"]))
    return job


def _differences(was: dict[str, str], now: dict[str, str]) -> list[str]:
    return [
        f"{name} was {was.get(name)} and is {now[name]} now; results may differ in the last bits "
        "from those of a run that was not interrupted."
        for name in now
        if was.get(name) != now[name]
    ]


def _job(
    settings: argparse.Namespace,
    asked: _Asked,
    folder: RunFolder,
    stack: ExitStack,
    begin: float,
) -> Job:
    plan, team = asked.plan, search.Team(asked.trainers, settings.repeats, settings.seed)
    checkpoints = Checkpoints(folder.path / "checkpoints")
    compilers = [trainer.compiler for trainer in asked.trainers]
    for compiler in compilers:
        if compiler.choices is not None:
            compiler.choices.keep_in(folder.path / "autotuned.json")
    clock = search.Clock(compiling=lambda: sum(compiler.seconds for compiler in compilers))
    before = take_up(team, checkpoints)
    running = search.Search(plan, team, *before, keep=settings.audit, clock=clock)
    study = Study(settings.storage, folder.path, plan.metric, plan.mode, plan.space)
    pause = settings.checkpoint_minutes * 60
    running.after = Keeper(running, folder, study, checkpoints, pause, plan.space.entries)
    return Job(
        settings=_saved(settings),
        versions=asked.record(settings)["versions"],
        data=asked.data,
        search=running,
        trainers=asked.trainers,
        cohorts=asked.cohorts,
        folder=folder,
        keeper=running.after,
        notes=checkpoints.notes,
        begin=begin,
        cache=None,
        open=stack,
    )


def _saved(settings: argparse.Namespace) -> dict[str, Any]:
    """What a run that goes on needs of them."""
    left_out = ("resume", "given", "no_compile_cache")
    return {name: value for name, value in vars(settings).items() if name not in left_out}


def _trainer(data: jaxrnn.Data, settings: argparse.Namespace) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(
        data,
        microbatch=settings.microbatch,
        lanes=settings.lanes,
        devices=settings.devices,
        memory_limit=settings.memory_limit,
        seed=settings.seed,
        precision=settings.precision,
        autotune=not settings.no_autotune,
    )


def _raised(totals: tuple[int, ...], trials: int | None) -> tuple[int, ...]:
    """What `trials` came to, once more if a run that goes on is to have more."""
    if not totals or trials in (None, totals[-1]):
        return totals
    if trials < totals[-1]:
        raise ValueError(
            f"`trials` is {trials}, but this run has {totals[-1]} already; the number is a total."
        )
    return (*totals, trials)
