"""From settings to a search that is ready to run, or to go on."""

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jaxrnn
import search
from jaxrnn.tuner.inputs import Inputs
from jaxrnn.tuner.settings import FIELDS, Settings, checked, resumed
from search.plans import Plan
from search.records.checkpoint import Checkpoints
from search.records.lock import locked
from search.records.optuna_storage import forget_journal
from search.records.optuna_study import Study
from search.records.recorder import Recorder, resume
from search.records.run_folder import RunFolder, unused

SHOWN = 2
"""Number of metrics of the task in the leaderboard, besides the one that ranks."""
PACKAGES = ("jaxrnn", "jax", "jaxlib", "flax", "optax", "numpy", "optuna", "scikit-learn")
CONTENT = {"settings", "totals", "starts", "data", "versions"}
"""Keys of settings.json."""


@dataclass(frozen=True)
class Start:
    """The start of this process.

    Attributes:
        command: Command line or call that began it.
        begin: Moment at which it began, seconds of `time.perf_counter`.
        cache: Folder in which compiled programs are kept, if they are.
    """

    command: str
    begin: float
    cache: Path | None


@dataclass(frozen=True)
class Job:
    """A search that passed every check and has its folder.

    Attributes:
        settings: Settings of the run.
        inputs: Data, trainers and plan.
        record: Content of settings.json.
        search: Search itself.
        folder: Run folder, where results go.
        recorder: Recorder, which keeps the search on disk.
        notes: Sentences for people.
        start: Start of this process.
        open: Resources to close at the end.
    """

    settings: Settings
    inputs: Inputs
    record: dict[str, Any]
    search: search.Search
    folder: RunFolder
    recorder: Recorder
    notes: list[str]
    start: Start
    open: ExitStack

    @property
    def data(self) -> jaxrnn.Data:
        """Data of the first fold."""
        return self.inputs.data[0]

    @property
    def task(self) -> jaxrnn.Task:
        """Task of the data."""
        return self.data.task

    @property
    def trainers(self) -> list[jaxrnn.Trainer]:
        """Trainers, one for every fold."""
        return self.inputs.trainers

    @property
    def plan(self) -> Plan:
        """Plan of the search."""
        return self.inputs.plan

    @property
    def shown(self) -> tuple[str, ...]:
        """Names of the metrics that people see, that of the search first."""
        return tuple(dict.fromkeys([self.plan.metric, *list(self.task.metrics)[:SHOWN]]))


def prepare(settings: Mapping[str, Any], command: str) -> Job:
    """Check everything, then make the run folder, or enter it again.

    Args:
        settings: Settings by name; others have their defaults, or are those of the run.
        command: Command or call that began the search, for the records.

    Raises:
        ValueError: A setting can't be used.
    """
    begin, overrides = time.perf_counter(), checked(settings)
    keep = jaxrnn.forget_programs if overrides.get("no_compile_cache") else jaxrnn.keep_programs
    start, stack = Start(command, begin, keep()), ExitStack()
    try:
        return (_enter if "resume" in overrides else _begin)(overrides, start, stack)
    except BaseException:
        stack.close()
        raise


def _begin(overrides: Mapping[str, Any], start: Start, stack: ExitStack) -> Job:
    settings = Settings(**overrides)
    inputs = Inputs.of(settings, settings.space, {})
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{inputs.data[0].name}-{settings.seed}"
    folder = RunFolder(settings.out or unused(Path("runs") / name))
    try:
        stack.enter_context(locked(folder.path))
        folder.write_space(inputs.plan.space)
        record = _record(settings, inputs)
        folder.write_settings(record)
        return _job(settings, inputs, record, folder, start, stack)
    except BaseException:
        stack.close()
        shutil.rmtree(folder.path, ignore_errors=True)
        with suppress(OSError):  # others have runs there
            folder.path.parent.rmdir()
        raise


def _enter(overrides: Mapping[str, Any], start: Start, stack: ExitStack) -> Job:
    folder = RunFolder.open(overrides["resume"])
    stack.enter_context(locked(folder.path))
    saved = folder.read_settings()
    if not saved.keys() >= CONTENT or not saved["settings"].keys() <= FIELDS.keys():
        raise ValueError(f"`resume` is '{folder.path}', but its settings.json is damaged.")
    settings = resumed(overrides, saved["settings"])
    inputs = Inputs.of(settings, _same_space(overrides, folder), saved)
    record = _record(settings, inputs)
    raised = record["totals"] != saved["totals"]
    if folder.status() == "complete" and not raised:
        raise ValueError(
            f"`resume` is '{folder.path}', but that search is complete; "
            f"raise `trials` above {inputs.totals[-1]} to continue it."
        )
    if record["data"] != saved["data"]:
        if settings.is_object("data"):
            raise ValueError("`data` differs from the data that this run began with.")
        source = record["settings"]["data"]
        raise ValueError(f"`data` is {source!r}, but has changed since this run began.")
    if raised and settings.storage is None:
        forget_journal(folder.path)  # of decisions that more trials may change
    job = _job(settings, inputs, record, folder, start, stack)
    folder.forget_summary()
    folder.write_settings(record)
    job.notes.extend(_differences(saved["versions"], record["versions"]))
    return job


def _same_space(overrides: Mapping[str, Any], folder: RunFolder) -> str:
    """The file with the space of a resumed run.

    Raises:
        ValueError: The space that was passed is another one.
    """
    path, space = folder.path / "space.toml", overrides.get("space")
    if space is not None and not isinstance(space, str):
        hyperparameters = search.Space(
            space.hyperparameters if isinstance(space, search.Space) else space
        ).hyperparameters
        if hyperparameters != search.Space.from_toml(path).hyperparameters:
            raise ValueError(
                f"`space` is {hyperparameters!r}, but this run began with that of '{path}', and a "
                "resumed run keeps its space."
            )
    return str(path)


def _record(settings: Settings, inputs: Inputs) -> dict[str, Any]:
    """Content of settings.json: all that it takes to repeat the run."""
    plan, saved = inputs.plan, settings.saved()
    if plan.max_concurrent < plan.scheduler.trials:
        saved["max_concurrent"] = plan.max_concurrent
    return {
        "settings": saved,
        "totals": list(inputs.totals),
        "starts": inputs.starts,
        "data": [jaxrnn.fingerprint(fold) for fold in inputs.data],
        "versions": versions(inputs.trainers[0]),
    }


def versions(trainer: jaxrnn.Trainer) -> dict[str, str]:
    """Return the versions of the packages that results depend on, and the devices."""
    packages = {package: version(package) for package in PACKAGES}
    return packages | {"devices": jaxrnn.describe(trainer.mesh)}


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{name} was {before.get(name)} and is {now[name]} now; results may differ in the last "
        "bits from those of a run that was not interrupted."
        for name in now
        if before.get(name) != now[name]
    ]


def _job(
    settings: Settings,
    inputs: Inputs,
    record: dict[str, Any],
    folder: RunFolder,
    start: Start,
    stack: ExitStack,
) -> Job:
    plan = inputs.plan
    replicates = search.Replicates(
        inputs.trainers, settings.repeats, settings.seed, keep_released=settings.audit
    )
    checkpoints = Checkpoints(folder.path / "checkpoints")
    compilers = [trainer.compiler for trainer in inputs.trainers]
    for trainer in inputs.trainers:
        if trainer.placement.tuning_cache is not None:
            trainer.placement.tuning_cache.keep_in(folder.path / "autotuned.json")
    clock = search.Clock(compiling=lambda: sum(compiler.seconds for compiler in compilers))
    running = search.Search(plan, replicates, resume(replicates, checkpoints), clock)
    study = Study(settings.storage, folder.path, plan.metric, plan.mode, plan.space)
    pause = settings.checkpoint_minutes * 60
    recorder = Recorder(running, folder, study, checkpoints, pause, plan.space.hyperparameters)
    return Job(
        settings=settings,
        inputs=inputs,
        record=record,
        search=running,
        folder=folder,
        recorder=recorder,
        notes=checkpoints.notes,
        start=start,
        open=stack,
    )
