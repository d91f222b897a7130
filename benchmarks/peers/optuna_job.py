"""The default job by Optuna and PyTorch: random search, successive halving, trial after trial.

    python -m peers.optuna_job FOLDER SEED TRIALS EPOCHS THREADS DEVICE

FOLDER holds what `peers.digits` wrote. Prints what was found as JSON.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from peers.torch_runner import Trial, tensors, torch

BEGIN = time.perf_counter()
REDUCTION_FACTOR = 3


def suggest(trial: optuna.Trial, name: str, entry: Any) -> Any:
    """A value for an entry of the space, as `space.json` holds it."""
    if isinstance(entry, list):
        return trial.suggest_categorical(name, entry)
    kind = trial.suggest_int if isinstance(entry["low"], int) else trial.suggest_float
    return kind(name, entry["low"], entry["high"], log=entry.get("log", False))


class Objective:
    """Trains a trial, asking after every epoch whether it may go on.

    Attributes:
        trained: Trial-epochs so far.
    """

    def __init__(self, folder: Path, epochs: int, device: str) -> None:
        """Put the data on the device."""
        arrays = np.load(folder / "data.npz")
        parts = ("train", "validation")
        self._parts = [
            tensors(arrays[f"{part}_inputs"], arrays[f"{part}_labels"], device) for part in parts
        ]
        self._space = json.loads((folder / "space.json").read_text())
        self._epochs, self._device, self.trained = epochs, device, 0

    def __call__(self, trial: optuna.Trial) -> float:
        """The validation loss after the last epoch."""
        torch().manual_seed(trial.number)
        configuration = {name: suggest(trial, name, entry) for name, entry in self._space.items()}
        training, loss = Trial(configuration, self._device), float("inf")
        train, validation = self._parts
        for epoch in range(1, self._epochs + 1):
            training.train_epoch(*train)
            self.trained += 1
            loss, accuracy = training.evaluate(*validation)
            trial.set_user_attr("accuracy", accuracy)
            trial.report(loss, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return loss


def main() -> None:
    """Search, and print the best."""
    folder, device = Path(sys.argv[1]), sys.argv[6]
    seed, trials, epochs, threads = map(int, sys.argv[2:6])
    torch().set_num_threads(threads)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.SuccessiveHalvingPruner(
        min_resource=1, reduction_factor=REDUCTION_FACTOR
    )
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed), pruner=pruner)
    objective = Objective(folder, epochs, device)
    study.optimize(objective, n_trials=trials)
    found = {
        "inner_seconds": time.perf_counter() - BEGIN,
        "trial_epochs": objective.trained,
        "loss": study.best_value,
        "accuracy": study.best_trial.user_attrs["accuracy"],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
