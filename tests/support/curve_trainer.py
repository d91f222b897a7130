"""A trainer whose scores are known: `curve(configuration, epochs, seed)` and nothing else."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import search
from search.trial import Proposal, TrialView

Curve = Callable[[dict[str, Any], int, int], float]


@dataclass(frozen=True)
class Runner:
    """A member: what it is, how far it is, and whose steps it has gone, epoch by epoch."""

    configuration: dict[str, Any]
    seed: int
    max_epochs: int
    path: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        return len(self.path)


class Curves:
    """Keeps the protocol of trainers; `trained` logs who was trained together, and how far."""

    def __init__(self, curve: Curve, changeable: Sequence[str] = ()) -> None:
        self.curve = curve
        self.part: int | None = None  # members that train first; all by default
        self.trained: list[list[int]] = []
        self.moves_to_device = self.moves_to_host = 0
        self.expected: list[dict[str, Any]] = []
        self._changeable = changeable

    def plan_for(
        self,
        configurations: Sequence[dict[str, Any]],
        max_epochs: int,
        max_concurrent: int = 0,
        synchronous: bool = True,
    ) -> None:
        self.expected, self.max_epochs = list(configurations), max_epochs
        self.max_concurrent, self.synchronous = max_concurrent, synchronous

    def init(
        self, configurations: Sequence[dict[str, Any]], seeds: Sequence[int], max_epochs: int
    ) -> list[Runner]:
        pairs = zip(configurations, seeds, strict=True)
        return [Runner(dict(configuration), seed, max_epochs) for configuration, seed in pairs]

    def to_device(self, snapshots: Sequence[Runner]) -> list[Runner]:
        assert snapshots
        self.moves_to_device += 1
        return list(snapshots)

    def to_host(
        self, population: list[Runner], positions: Sequence[int] | None = None
    ) -> list[Runner]:
        self.moves_to_host += 1
        return [population[k] for k in (range(len(population)) if positions is None else positions)]

    def next_part(self, population: list[Runner], positions: Sequence[int]) -> Sequence[int]:
        return positions[: self.part]

    def train(
        self, population: list[Runner], epochs: Sequence[int], on_progress: Callable[[float], None]
    ) -> list[Runner]:
        self.trained.append(list(epochs))
        for _ in range(2):
            on_progress(sum(epochs) / 2 - sum(member.epochs for member in population) / 2)
        return [
            replace(
                member,
                path=member.path + (json.dumps(member.configuration),) * (goal - member.epochs),
            )
            for member, goal in zip(population, epochs, strict=True)
        ]

    def evaluate(
        self, population: list[Runner], *, positions: Sequence[int] | None = None
    ) -> dict[str, np.ndarray]:
        chosen = range(len(population)) if positions is None else positions
        scores = np.full(len(population), np.nan)
        for k in chosen:
            member = population[k]
            scores[k] = self.curve(member.configuration, member.epochs, member.seed)
        return {"loss": scores, "score": -scores}

    def history(self, population: list[Runner]) -> dict[str, np.ndarray]:
        """The training loss is half the validation loss; members and epochs stay apart."""
        table = np.full((max(member.epochs for member in population), len(population)), np.nan)
        for k, member in enumerate(population):
            for epoch in range(1, member.epochs + 1):
                table[epoch - 1, k] = self.curve(member.configuration, epoch, member.seed) / 2
        return {"training_loss": table}

    def can_change(self, name: str) -> bool:
        return name in self._changeable

    def fork(self, snapshot: Runner, configuration: dict[str, Any], seed: int) -> Runner:
        fixed = {name for name in configuration if not self.can_change(name)}
        assert all(configuration[name] == snapshot.configuration[name] for name in fixed)
        return replace(snapshot, configuration=dict(configuration), seed=seed)

    def save(self, snapshots: Sequence[Runner], folder: Path) -> None:
        folder.mkdir(parents=True)
        text = json.dumps([asdict(member) for member in snapshots])
        (folder / "runners.json").write_text(text)

    def restore(self, folder: Path) -> list[Runner]:
        rows = json.loads((folder / "runners.json").read_text())
        return [Runner(**{**row, "path": tuple(row["path"])}) for row in rows]


class Listed:
    """Proposes given configurations, one after the other."""

    learns = False

    def __init__(self, configurations: Sequence[dict[str, Any]]) -> None:
        self.size = len(configurations)
        self.configurations = configurations

    def ask(self, count: int, trials: Sequence[TrialView]) -> list[Proposal]:
        ahead = self.configurations[len(trials) : len(trials) + count]
        return [Proposal(dict(configuration)) for configuration in ahead]


def named(scores: dict[str, Any]) -> Curve:
    """Curves by the name in a configuration: a score, or a function of the epochs."""

    def curve(configuration: dict[str, Any], epochs: int, seed: int) -> float:
        score: Any = scores[configuration["name"]]
        value: Any = score(epochs) if callable(score) else score
        return value

    return curve


def race(
    scores: dict[str, Any], scheduler: Any, keep_released: bool = False, **more: Any
) -> search.Search:
    """A search among named curves that has not begun."""
    names = [{"name": name} for name in scores]
    space = search.Space(name=list(scores))
    plan = search.Plan(space, Listed(names), scheduler, **more)
    replicates = search.Replicates([Curves(named(scores))], keep_released=keep_released)
    return search.Search(plan, replicates)
