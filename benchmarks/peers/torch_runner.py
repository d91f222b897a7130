"""One trial in plain PyTorch: the same network, optimizer and clipping, as fast as it gets."""

from importlib import import_module
from typing import Any

import numpy as np
from peers.cases import BATCH, CLASSES, FEATURES, Case, configurations, noise

DIFFERENT = 256
"""Configurations before they repeat."""


def torch() -> Any:
    """The package, which only this benchmark needs."""
    return import_module("torch")


def network(configuration: dict[str, Any]) -> Any:
    """LSTM or GRU, dropout, linear head on the last output."""
    nn = torch().nn
    units = configuration["hidden_size"]

    class Network(nn.Module):
        """From `(batch, time, features)` to logits `(batch, classes)`."""

        def __init__(self) -> None:
            super().__init__()
            kind = {"lstm": nn.LSTM, "gru": nn.GRU}[configuration["cell"]]
            self.recurrent = kind(FEATURES, units, batch_first=True)
            self.dropout = nn.Dropout(configuration["dropout"])
            self.head = nn.Linear(units, CLASSES)

        def forward(self, inputs: Any) -> Any:
            return self.head(self.dropout(self.recurrent(inputs)[0][:, -1]))

    return Network()


class Trial:
    """A network with its optimizer.

    Attributes:
        network: As `network` makes it.
    """

    def __init__(self, configuration: dict[str, Any], device: str) -> None:
        """First weights.

        Args:
            configuration: In the words of `jaxrnn`.
            device: `cpu` or `cuda`.
        """
        self.network = network(configuration).to(device)
        self._parameters = list(self.network.parameters())
        self._clip = configuration["clip_norm"]
        self._optimizer = torch().optim.AdamW(
            self._parameters,
            lr=configuration["learning_rate"],
            weight_decay=configuration["weight_decay"],
            fused=True,  # a tenth faster than the default where it was tried
        )

    def train_epoch(self, inputs: Any, labels: Any) -> None:
        """One pass in random order, a step per whole batch, as `jaxrnn` makes them."""
        library, loss_of = torch(), torch().nn.functional.cross_entropy
        clip = library.nn.utils.clip_grad_norm_
        self.network.train()
        order = library.randperm(len(inputs), device=inputs.device)
        order = order[: len(inputs) // BATCH * BATCH]
        for rows in order.split(BATCH):
            loss = loss_of(self.network(inputs[rows]), labels[rows])
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            clip(self._parameters, self._clip)
            self._optimizer.step()

    def evaluate(self, inputs: Any, labels: Any) -> tuple[float, float]:
        """Mean loss and accuracy."""
        self.network.eval()
        with torch().inference_mode():
            logits = self.network(inputs)
            loss = torch().nn.functional.cross_entropy(logits, labels)
            return float(loss), float((logits.argmax(1) == labels).float().mean())


def tensors(inputs: np.ndarray, labels: np.ndarray, device: str) -> tuple[Any, Any]:
    """Inputs and labels where the network is."""
    library = torch()
    x = library.as_tensor(inputs.astype(np.float32), device=device)
    return x, library.as_tensor(labels.astype(np.int64), device=device)


class TrialRunner:
    """Trains one trial after the other, as Optuna hands them out.

    Attributes:
        members: 1, for nothing trains together.
        epochs: Of each trial.
    """

    members = 1

    def __init__(self, case: Case, device: str) -> None:
        """Put the data on the device, and train a trial for the first time."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.epochs, self._device = case.epochs, device
        self._configurations = configurations(case, DIFFERENT)
        inputs, labels = noise(case.length)
        scale = inputs.std((0, 1))
        self._data = tensors((inputs - inputs.mean((0, 1))) / scale, labels, device)
        self._study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
        self.train(self.start())

    def start(self) -> tuple[Any, Trial]:
        """What Optuna asks for, and its first weights."""
        asked = self._study.ask()
        return asked, Trial(self._configurations[asked.number % DIFFERENT], self._device)

    def train(self, started: tuple[Any, Trial]) -> None:
        """Train to the last epoch, and tell Optuna."""
        asked, trial = started
        for _ in range(self.epochs):
            trial.train_epoch(*self._data)
        if self._device == "cuda":
            torch().cuda.synchronize()
        self._study.tell(asked, 0.0)


def about() -> dict[str, Any]:
    """Whether this PyTorch can use a GPU of NVIDIA."""
    return {"cuda": bool(torch().cuda.is_available())}
