"""Snapshots on disk: arrays in NumPy's archive, stacked by architecture, and the rest as JSON."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxrnn.network.architecture import Architecture, OptionalCode, Sizes
from jaxrnn.network.packing import Packed
from jaxrnn.population.planner import CohortPlanner
from jaxrnn.population.snapshot import Snapshot, pack_hyperparameters
from jaxrnn.tasks.spec import TaskSpec
from jaxrnn.training.member import Member, MemberState

ARRAYS, TABLE = "arrays.npz", "snapshots.json"
METRICS = "reports"
"""Name of the metrics among the arrays of a cohort; what older runs saved has it, too."""


def save(snapshots: Sequence[Snapshot], folder: Path) -> None:
    """Write snapshots into `folder`, where all of them are when it returns.

    Raises:
        OSError: It can't be written.
    """
    cohorts: dict[Architecture, list[Snapshot]] = {}
    for snapshot in snapshots:
        cohorts.setdefault(snapshot.architecture, []).append(snapshot)
    numbers = {architecture: number for number, architecture in enumerate(cohorts)}
    rows = [
        {
            "configuration": snapshot.configuration,
            "seed": snapshot.seed,
            "max_epochs": snapshot.max_epochs,
            "epochs": snapshot.epochs,
            "cohort": numbers[snapshot.architecture],
        }
        for snapshot in snapshots
    ]
    arrays: dict[str, Any] = {}
    for architecture, members in cohorts.items():
        arrays |= _stacked(numbers[architecture], members)
    folder.mkdir(parents=True, exist_ok=True)
    if arrays:
        np.savez(folder / ARRAYS, **arrays)
    table = {"architectures": [_plain(architecture) for architecture in cohorts], "snapshots": rows}
    (folder / TABLE).write_text(json.dumps(table))


def restore(
    folder: Path, spec: TaskSpec, planner: CohortPlanner, member: Callable[[Architecture], Member]
) -> list[Snapshot]:
    """Read the snapshots that `save` wrote, in order.

    Args:
        folder: Folder of the snapshots.
        spec: Specification of the data's task.
        planner: Planner that checks their configurations.
        member: Function that returns the training run of an architecture.

    Raises:
        ValueError: They are not there, or damaged, or of another task.
    """
    try:
        table = json.loads((folder / TABLE).read_text())
        architectures = [_architecture(row, spec) for row in table["architectures"]]
        arrays = _arrays(folder / ARRAYS) if architectures else {}
        cohorts = [
            _members(member(architecture), number, arrays)
            for number, architecture in enumerate(architectures)
        ]
        snapshots = [
            _snapshot(row, architectures[row["cohort"]], next(cohorts[row["cohort"]]), planner)
            for row in table["snapshots"]
        ]
        if any(True for members in cohorts for _ in members):
            raise ValueError("there are more arrays than snapshots")
        return snapshots
    except Exception as error:  # damaged files raise many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"`folder` is '{folder}', but holds no snapshots for this trainer ({reason})."
        ) from error


def _stacked(cohort: int, members: Sequence[Snapshot]) -> dict[str, np.ndarray]:
    """Return arrays by name, each `(members, ...)`; metrics are padded to the longest."""
    leaves = zip(*(jax.tree.leaves(member.state) for member in members), strict=True)
    longest = max(member.epochs for member in members)
    metrics = [np.pad(m.metrics, [(0, longest - m.epochs), (0, 0)]) for m in members]
    states = {_name(cohort, leaf): np.stack(arrays) for leaf, arrays in enumerate(leaves)}
    return states | {_name(cohort, METRICS): np.stack(metrics)}


def _members(
    member: Member, cohort: int, arrays: Mapping[str, np.ndarray]
) -> Iterator[tuple[MemberState, np.ndarray]]:
    """Yield state and padded metrics of every member; states fit the architecture."""
    sizes, names = member.step.update.packing.sizes, member.step.architecture.optimizers
    empty = member.start(Packed(*(np.zeros(size, np.float32) for size in sizes)), names[0])
    shapes, structure = jax.tree.flatten(empty)
    leaves = [arrays[_name(cohort, leaf)] for leaf in range(len(shapes))]
    metrics = arrays[_name(cohort, METRICS)]
    for shape, leaf in zip(shapes, leaves, strict=True):
        if (shape.shape, shape.dtype) != (leaf.shape[1:], leaf.dtype):
            raise ValueError(f"an array is of {leaf.dtype} and shape {leaf.shape[1:]}")
    for k in range(len(metrics)):
        yield jax.tree.unflatten(structure, [leaf[k].copy() for leaf in leaves]), metrics[k]


def _name(cohort: int, leaf: int | str) -> str:
    return f"cohort_{cohort}/{leaf}"


def _snapshot(
    row: dict[str, Any],
    architecture: Architecture,
    arrays: tuple[MemberState, np.ndarray],
    planner: CohortPlanner,
) -> Snapshot:
    configuration, (state, metrics) = row["configuration"], arrays
    if planner.complete([configuration], row["max_epochs"]) != [configuration]:
        raise ValueError(f"the configuration {configuration} is incomplete")
    packed = pack_hyperparameters(configuration, row["seed"], architecture)
    metrics = metrics[: row["epochs"]].copy()
    if len(metrics) != row["epochs"]:
        raise ValueError(f"reports end after {len(metrics)} epochs")
    return Snapshot(configuration, row["max_epochs"], architecture, packed, state, metrics)


def _plain(architecture: Architecture) -> dict[str, Any]:
    """Return an architecture as JSON holds it."""
    spec = architecture.spec._asdict()
    return {**vars(architecture), "spec": {**spec, "excluded": sorted(spec["excluded"])}}


def _architecture(plain: dict[str, Any], spec: TaskSpec) -> Architecture:
    """Return the architecture that `_plain` wrote.

    Raises:
        ValueError: It is of data with another task.
    """

    def tuples(value: Any) -> Any:
        return tuple(map(tuples, value)) if isinstance(value, list) else value

    fields = {name: tuples(value) for name, value in plain.items()}
    saved = {name: tuples(value) for name, value in plain["spec"].items()}
    if TaskSpec(**{**saved, "excluded": frozenset(saved["excluded"])}) != spec:
        raise ValueError("their data asks something else")
    sizes, uses = Sizes(*fields["sizes"]), OptionalCode(*fields["uses"])
    return Architecture(**{**fields, "spec": spec, "sizes": sizes, "uses": uses})


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
