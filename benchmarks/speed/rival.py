"""One trial after another in PyTorch: batches are padded to their own longest sequence.

It runs as a process of its own, that reads a request in JSON from each line and answers with one.
Nothing of this project is imported, so that it can run in an environment that has PyTorch alone.
"""

import json
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

EMBEDDING, POOL, EVALUATION = 32, 16, 256
"""Units of an embedding; batches that are sorted by length among each other; rows of evaluation."""


def torch() -> Any:
    """The package, which this process alone needs."""
    return import_module("torch")


def plan(
    lengths: np.ndarray, batch: int, rng: np.random.Generator, stateful: bool
) -> Iterator[np.ndarray]:
    """Rows of every batch: of a text as many stretches, else pools sorted by length."""
    steps = len(lengths) // batch
    if stateful:
        yield from np.arange(steps * batch).reshape(batch, steps).T
        return
    order, pool = rng.permutation(len(lengths))[: steps * batch], POOL * batch
    pools = (order[begin : begin + pool] for begin in range(0, len(order), pool))
    alike = np.concatenate([part[np.argsort(lengths[part], kind="stable")] for part in pools])
    yield from rng.permutation(alike.reshape(steps, batch))


class Trial:
    """A network with its optimizer and its data."""

    def __init__(self, data: dict[str, Any], cell: str, units: int) -> None:
        """Draw weights, and turn arrays to tensors.

        Args:
            data: Arrays and sizes, as `speed.sets.arrays` makes them.
            cell: `lstm` or `gru`.
            units: Hidden units.
        """
        nn, self.data = torch().nn, data
        vocabulary, inputs = int(data["vocabulary"]), int(data["inputs"])
        self.embedding = nn.Embedding(vocabulary, EMBEDDING) if vocabulary else None
        kind = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.recurrent = kind(EMBEDDING if vocabulary else inputs, units, batch_first=True)
        self.head = nn.Linear(units, int(data["outputs"]))
        parts = [self.embedding, self.recurrent, self.head]
        self.parameters = [p for part in parts if part is not None for p in part.parameters()]
        self.optimizer = torch().optim.AdamW(self.parameters, lr=1e-3, fused=True)
        self.tensors = {
            name: torch().from_numpy(values)
            for name, values in data.items()
            if name.endswith(("inputs", "targets")) and values.ndim
        }
        self.rng = np.random.default_rng(0)

    def loss(self, part: str, rows: np.ndarray, state: Any) -> tuple[Any, Any]:
        """Sum of the losses of some rows, padded to the longest of them, and the state after."""
        lengths = self.data[f"{part}_lengths"][rows]
        longest, by_step = int(lengths.max()), str(self.data["kind"]) == "steps"
        index = torch().from_numpy(rows)
        x = self.tensors[f"{part}_inputs"][index, :longest]
        y = self.tensors[f"{part}_targets"][index]
        y = y[:, :longest] if by_step else y
        x = self.embedding(x) if self.embedding is not None else x
        outputs, state = self.recurrent(x, state)
        if not by_step:
            last = torch().from_numpy(lengths.astype(np.int64) - 1)
            return self.loss_of(self.head(outputs[torch().arange(len(rows)), last]), y), state
        true = torch().arange(longest)[None] < torch().from_numpy(lengths)[:, None]
        return self.loss_of(self.head(outputs[true]), y[true]), state

    def loss_of(self, outputs: Any, targets: Any) -> Any:
        """Sum of the losses of outputs `(rows, outputs)`."""
        functional = torch().nn.functional
        match str(self.data["loss"]):
            case "classes":
                return functional.cross_entropy(outputs, targets.long(), reduction="sum")
            case "labels":
                return functional.binary_cross_entropy_with_logits(
                    outputs, targets.float(), reduction="sum"
                )
        return ((outputs - targets.reshape(outputs.shape)) ** 2).mean(1).sum()

    def epoch(self) -> None:
        """Train on every batch, then read the validation part."""
        stateful, state = bool(self.data["stateful"]), None
        batch = int(self.data["batch"])
        for rows in plan(self.data["train_lengths"], batch, self.rng, stateful):
            loss, after = self.loss("train", rows, state)
            if stateful:
                state = (
                    tuple(s.detach() for s in after) if isinstance(after, tuple) else after.detach()
                )
            self.optimizer.zero_grad()
            (loss / len(rows)).backward()
            torch().nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
        self.evaluate()

    def evaluate(self) -> float:
        """Mean loss of the validation part, short sequences first."""
        lengths = self.data["validation_lengths"]
        order, total = np.argsort(lengths, kind="stable"), 0.0
        with torch().no_grad():
            for begin in range(0, len(order), EVALUATION):
                loss, _ = self.loss("validation", order[begin : begin + EVALUATION], None)
                total += float(loss)
        return total / len(order)


def rate(trial: Trial, seconds: float) -> float:
    """Epochs per second, over at least one epoch and so many seconds."""
    begin, epochs = time.perf_counter(), 0
    while epochs == 0 or time.perf_counter() - begin < seconds:
        trial.epoch()
        epochs += 1
    return epochs / (time.perf_counter() - begin)


def main() -> None:
    """Answer requests until the input ends."""
    torch().set_num_threads(1)
    trials: dict[tuple[str, str, int], Trial] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        key = asked["file"], asked["cell"], asked["units"]
        if key not in trials:
            with np.load(asked["file"]) as file:
                trials = {key: Trial({name: file[name] for name in file.files}, *key[1:])}
            rate(trials[key], 0.0)  # the first epoch warms up
        print(json.dumps({"rate": rate(trials[key], asked["seconds"])}), flush=True)


if __name__ == "__main__":
    main()
