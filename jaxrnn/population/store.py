"""Snapshots on disk: arrays by Orbax, stacked by architecture, and the rest as JSON."""

import errno
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as orbax

from jaxrnn.network.architecture import Architecture, OptionalCode, Sizes
from jaxrnn.network.packing import Packed
from jaxrnn.population.planner import CohortPlanner
from jaxrnn.population.snapshot import Snapshot, pack_hyperparameters
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.member import Member, MemberState

ARRAYS, TABLE = "arrays", "snapshots.json"


def save(snapshots: Sequence[Snapshot], folder: Path) -> None:
    """Write snapshots into `folder`; everything lies there when it returns.

    Raises:
        OSError: It can't be written.
    """
    cohorts: dict[Architecture, list[Snapshot]] = {}
    for one in snapshots:
        cohorts.setdefault(one.architecture, []).append(one)
    numbers = {architecture: number for number, architecture in enumerate(cohorts)}
    folder.mkdir(parents=True, exist_ok=True)
    if cohorts:
        arrays = {f"cohort_{numbers[one]}": _stacked(own) for one, own in cohorts.items()}
        with _orbax() as checkpointer:
            _write(checkpointer, folder.absolute() / ARRAYS, arrays)
    rows = [
        {
            "configuration": one.configuration,
            "seed": one.seed,
            "max_epochs": one.max_epochs,
            "epochs": one.epochs,
            "cohort": numbers[one.architecture],
        }
        for one in snapshots
    ]
    table = {"architectures": [_plain(one) for one in cohorts], "snapshots": rows}
    (folder / TABLE).write_text(json.dumps(table))


def restore(
    folder: Path, spec: TaskSpec, plans: CohortPlanner, member: Callable[[Architecture], Member]
) -> list[Snapshot]:
    """The snapshots that `save` wrote, in order.

    Args:
        folder: Where they lie.
        spec: What the data asks.
        plans: Check their configurations.
        member: The run of an architecture.

    Raises:
        ValueError: They are not there, or damaged, or of another problem.
    """
    try:
        table = json.loads((folder / TABLE).read_text())
        architectures = [_architecture(one, spec) for one in table["architectures"]]
        arrays = _arrays(folder) if architectures else {}
        cohorts = [
            _members(member(one), arrays[f"cohort_{number}"])
            for number, one in enumerate(architectures)
        ]
        snapshots = [
            _snapshot(row, architectures[row["cohort"]], next(cohorts[row["cohort"]]), plans)
            for row in table["snapshots"]
        ]
        if any(True for own in cohorts for _ in own):
            raise ValueError("there are more arrays than snapshots")
        return snapshots
    except Exception as error:  # Orbax and what it stands on raise many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"`folder` is '{folder}', but holds no snapshots for this trainer ({reason})."
        ) from error


def _write(checkpointer: orbax.Checkpointer, path: Path, arrays: dict[str, Any]) -> None:
    try:
        checkpointer.save(path, args=orbax.args.PyTreeSave(arrays))
    except ValueError as error:  # what Orbax makes of a full disk
        raise OSError(errno.EIO, str(error).splitlines()[0], str(path)) from error


def _stacked(own: Sequence[Snapshot]) -> dict[str, np.ndarray]:
    """Arrays by name, each `(members, ...)`; reports are filled up to the longest."""
    leaves = zip(*(jax.tree.leaves(one.state) for one in own), strict=True)
    longest = max(one.epochs for one in own)
    reports = [np.pad(one.metrics, [(0, longest - one.epochs), (0, 0)]) for one in own]
    states = {f"state_{number}": np.stack(leaf) for number, leaf in enumerate(leaves)}
    # Orbax refuses arrays without elements, and before the first epoch there is no report.
    return states | ({"reports": np.stack(reports)} if longest else {})


def _members(
    member: Member, arrays: dict[str, np.ndarray]
) -> Iterator[tuple[MemberState, np.ndarray]]:
    """State and filled up reports of one member after another; states fit the architecture."""
    sizes, names = member.step.update.packing.sizes, member.step.architecture.optimizers
    empty = member.start(Packed(*(np.zeros(size, np.float32) for size in sizes)), names[0])
    shapes, structure = jax.tree.flatten(empty)
    leaves = [arrays[f"state_{number}"] for number in range(len(shapes))]
    for one, leaf in zip(shapes, leaves, strict=True):
        if (one.shape, one.dtype) != (leaf.shape[1:], leaf.dtype):
            raise ValueError(f"an array is of {leaf.dtype} and shape {leaf.shape[1:]}")
    members = len(leaves[0])
    reports = arrays.get("reports", np.zeros((members, 0, len(empty.metrics)), np.float32))
    for k in range(members):
        yield jax.tree.unflatten(structure, [leaf[k].copy() for leaf in leaves]), reports[k]


def _snapshot(
    row: dict[str, Any],
    architecture: Architecture,
    past: tuple[MemberState, np.ndarray],
    plans: CohortPlanner,
) -> Snapshot:
    entries, (state, reports) = row["configuration"], past
    if plans.complete([entries], row["max_epochs"]) != [entries]:
        raise ValueError(f"the configuration {entries} is incomplete")
    setting = pack_hyperparameters(entries, row["seed"], architecture)
    own = reports[: row["epochs"]].copy()
    if len(own) != row["epochs"]:
        raise ValueError(f"reports end after {len(own)} epochs")
    return Snapshot(entries, row["max_epochs"], architecture, setting, state, own)


def _plain(architecture: Architecture) -> dict[str, Any]:
    """An architecture as JSON holds it."""
    spec = architecture.spec._asdict()
    return {**vars(architecture), "spec": {**spec, "excluded": sorted(spec["excluded"])}}


def _architecture(plain: dict[str, Any], spec: TaskSpec) -> Architecture:
    """The inverse of `_plain`."""

    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    fields = {name: tuples(value) for name, value in plain.items()}
    asked = {name: tuples(value) for name, value in plain["spec"].items()}
    if TaskSpec(**{**asked, "excluded": frozenset(asked["excluded"])}) != spec:
        raise ValueError("their data asks something else")
    sizes, uses = Sizes(*fields["sizes"]), OptionalCode(*fields["uses"])
    return Architecture(**{**fields, "spec": spec, "sizes": sizes, "uses": uses})


def _arrays(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    with _orbax() as checkpointer:
        return checkpointer.restore(folder.absolute() / ARRAYS, args=orbax.args.PyTreeRestore())


@contextmanager
def _orbax() -> Iterator[orbax.Checkpointer]:
    """A checkpointer that is done when it returns, and says nothing on the terminal."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as checkpointer:
            yield checkpointer
    finally:
        logger.setLevel(level)
