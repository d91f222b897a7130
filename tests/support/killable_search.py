"""A search on disk with known curves, to be run as a program and killed at any moment.

In tests/: python -m support.killable_search FOLDER SAMPLER SCHEDULER
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from support.curve_trainer import Curves, Runner

import search
from search.records.checkpoint import Checkpoints
from search.records.lock import locked
from search.records.optuna_study import Study
from search.records.recorder import Recorder, resume
from search.records.run_folder import RunFolder

SPACE = search.Space(
    rate=dict(low=1e-4, high=1.0, log=True), width=dict(low=1, high=64), kind=["a", "b"]
)
TRIALS = 40


def curve(configuration: dict[str, Any], epochs: int, seed: int) -> float:
    distance = abs(np.log10(configuration["rate"]) + 2) + abs(configuration["width"] - 40) / 20
    noise = np.random.default_rng((seed, epochs)).normal() / 10
    return float(distance + (configuration["kind"] == "a") + 1 / epochs + noise)


class Slow(Curves):
    """Takes a little while for every epoch, so that there is time for a kill."""

    def train(
        self, population: list[Runner], epochs: Sequence[int], on_progress: Callable[[float], None]
    ) -> list[Runner]:
        time.sleep(0.01)
        return super().train(population, epochs, on_progress)


def main(path: Path, sampler: str, scheduler: str) -> None:
    folder = RunFolder.open(path) if path.exists() else RunFolder(path)
    if not (path / "settings.json").exists():
        folder.write_settings({})
    with locked(path):
        replicates = search.Replicates([Slow(curve, changeable=["rate"])], repeats=2)
        plan = search.Plan(
            SPACE,
            search.make_sampler(sampler, SPACE, 0, batch=8),
            search.make_scheduler(scheduler, TRIALS, 1, 9, 3),
            max_concurrent=TRIALS if scheduler == "pbt" else 8,
        )
        checkpoints = Checkpoints(path / "checkpoints")
        running = search.Search(plan, replicates, resume(replicates, checkpoints))
        study = Study(None, path, plan.metric, plan.mode, SPACE)
        recorder = Recorder(running, folder, study, checkpoints, 0.05)
        best = running.run(on_epoch=recorder)
        assert best is not None
        recorder.write_views()
        study.close()
        snapshots = replicates.snapshots()
        end = {str(id): [member.path for member in snapshots[id]] for id in snapshots}
        (path / "end.json").write_text(json.dumps({"best": best.id, "members": end}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
