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
    table = {"architectures": [_plain(one) for one in cohorts], "snapshots": rows}
    (folder / TABLE).write_text(json.dumps(table))


def restore(
    folder: Path, spec: TaskSpec, plans: CohortPlanner, member: Callable[[Architecture], Member]
) -> list[Snapshot]:
    """Read the snapshots that `save` wrote, in order.

    Args:
        folder: Folder of the snapshots.
        spec: TaskSpec that the data poses.
        plans: Plans that check their configurations.
        member: Function that gives the run of an architecture.

    Raises:
        ValueError: They are not there, or damaged, or of another problem.
    """
    try:
        table = json.loads((folder / TABLE).read_text())
        architectures = [_architecture(one, spec) for one in table["architectures"]]
        arrays = _arrays(folder / ARRAYS) if architectures else {}
        cohorts = [
            _members(member(one), number, arrays) for number, one in enumerate(architectures)
        ]
        snapshots = [
            _snapshot(row, architectures[row["cohort"]], next(cohorts[row["cohort"]]), plans)
            for row in table["snapshots"]
        ]
        if any(True for own in cohorts for _ in own):
            raise ValueError("there are more arrays than snapshots")
        return snapshots
    except Exception as error:  # damaged files raise many kinds
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"`folder` is '{folder}', but holds no snapshots for this trainer ({reason})."
        ) from error


def _stacked(cohort: int, members: Sequence[Snapshot]) -> dict[str, np.ndarray]:
    """Return arrays by name, each `(members, ...)`; reports are filled up to the longest."""
    leaves = zip(*(jax.tree.leaves(one.state) for one in members), strict=True)
    longest = max(one.epochs for one in members)
    reports = [np.pad(one.metrics, [(0, longest - one.epochs), (0, 0)]) for one in members]
    states = {_name(cohort, leaf): np.stack(arrays) for leaf, arrays in enumerate(leaves)}
    return states | {_name(cohort, "reports"): np.stack(reports)}


def _members(
    member: Member, cohort: int, arrays: Mapping[str, np.ndarray]
) -> Iterator[tuple[MemberState, np.ndarray]]:
    """Yield state and filled up reports of every member; states fit the architecture."""
    sizes, names = member.step.update.packing.sizes, member.step.architecture.optimizers
    empty = member.start(Packed(*(np.zeros(size, np.float32) for size in sizes)), names[0])
    shapes, structure = jax.tree.flatten(empty)
    leaves = [arrays[_name(cohort, leaf)] for leaf in range(len(shapes))]
    reports = arrays[_name(cohort, "reports")]
    for one, leaf in zip(shapes, leaves, strict=True):
        if (one.shape, one.dtype) != (leaf.shape[1:], leaf.dtype):
            raise ValueError(f"an array is of {leaf.dtype} and shape {leaf.shape[1:]}")
    for k in range(len(reports)):
        yield jax.tree.unflatten(structure, [leaf[k].copy() for leaf in leaves]), reports[k]


def _name(cohort: int, leaf: int | str) -> str:
    return f"cohort_{cohort}/{leaf}"


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


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
