"""Do populations learn as well as PyTorch? The same trials on the same data, one by one.

    python benchmarks/agreement.py            needs the extra [bench]; about 15 minutes on two cores
    python benchmarks/agreement.py --table    no measuring: the table in docs/speed.md

Random configurations of the default space train on the digits, by PyTorch and by populations: first
each by its own defaults, then with first weights and biases alike. Prints the median over trials of
the validation loss, in units of PyTorch's, and writes `benchmarks/results/agreement.json` with the
loss of every trial at every rung of the default job.
"""

import json
import sys
from importlib.metadata import version
from typing import Any

import numpy as np
from pages import RESULTS, ROOT, replace_between, write_results

import jaxrnn
import search

PAGE = ROOT / "docs" / "speed.md"
SPLITS, TRIALS, EPOCHS = 4, 40, (1, 3, 9, 27)
KINDS = ("by default", "alike")


def like_pytorch(configuration: dict[str, Any]) -> dict[str, Any]:
    """With kernels uniform within 1 / sqrt(units), as `nn.LSTM`, `nn.GRU` and the head draw them.

    Ours are uniform within 0.05.
    """
    scale = 20.0 / configuration["hidden_size"] ** 0.5
    kinds = {"kernel_init": "uniform", "recurrent_init": "uniform"}
    scales = {"kernel_scale": scale, "recurrent_scale": scale}
    return {**configuration, **kinds, **scales, "forget_bias": 0.0}


def ours(data: jaxrnn.Data, configurations: list[dict[str, Any]], seed: int) -> list[list[float]]:
    """Validation losses of a population, by rung and trial."""
    trainer, losses = jaxrnn.Trainer(data, seed=seed), []
    population = trainer.start(configurations, range(TRIALS), EPOCHS[-1])
    for epochs in EPOCHS:
        population = trainer.train(population, epochs)
        losses.append(trainer.evaluate(population)["loss"].tolist())
    return losses


def like_ours(network: Any, cell: str) -> None:
    """One bias a gate, which starts at 0: PyTorch's two move twice as far in a step of Adam.

    The second one of a GRU's candidate is scaled by the reset gate, and stays.
    """
    units, second = network.recurrent.hidden_size, network.recurrent.bias_hh_l0
    for bias in (network.recurrent.bias_ih_l0, second, network.head.bias):
        bias.data.zero_()
    moves = second.data.clone()
    if cell == "gru":
        moves[2 * units :] = 1.0
    second.register_hook(lambda gradient: gradient * moves)


def theirs(
    data: jaxrnn.Data, configurations: list[dict[str, Any]], alike: bool
) -> list[list[float]]:
    """The same by PyTorch, trial after trial."""
    from peers.torch_runner import Trial, tensors, torch

    assert isinstance(data.train, jaxrnn.Split)
    parts = data.train, data.validation
    train, validation = (tensors(part.inputs, part.targets, "cpu") for part in parts)
    torch().set_num_threads(1)
    losses = np.empty((len(EPOCHS), TRIALS))
    for number, configuration in enumerate(configurations):
        torch().manual_seed(number)
        trial = Trial(configuration, "cpu")
        if alike:
            like_ours(trial.network, configuration["cell"])
        for epoch in range(1, EPOCHS[-1] + 1):
            trial.train_epoch(*train)
            if epoch in EPOCHS:
                losses[EPOCHS.index(epoch), number] = trial.evaluate(*validation)[0]
    return losses.tolist()


def measure(split: int) -> dict[str, Any]:
    """All losses on one split of the digits."""
    data, space = jaxrnn.digits(seed=split), search.Space(**jaxrnn.DEFAULT_SPACE)
    proposals = search.make_sampler("random", space, split).ask(TRIALS, [])
    configurations = [proposal.configuration for proposal in proposals]
    changed = [like_pytorch(configuration) for configuration in configurations]
    return {
        "split": split,
        "configurations": configurations,
        "PyTorch": [theirs(data, configurations, alike) for alike in (False, True)],
        "ours": [ours(data, members, split) for members in (configurations, changed)],
    }


def table(results: dict[str, Any]) -> list[str]:
    """Markdown: a row for each split, a column for each comparison and rung."""
    heads = [f"{kind}, epoch {epochs}" for kind in KINDS for epochs in EPOCHS]
    lines = [f"| split | {' | '.join(heads)} |", "|---" + "|---:" * len(heads) + "|"]
    rows = []
    for run in results["runs"]:
        ratios = np.array(run["ours"]) / np.array(run["PyTorch"])  # comparison, rung, trial
        rows.append(np.median(ratios, axis=2).reshape(-1))
        lines.append(f"| {run['split']} | {' | '.join(f'{ratio:.2f}' for ratio in rows[-1])} |")
    means = np.exp(np.log(rows).mean(axis=0))
    return [*lines, f"| geometric mean | {' | '.join(f'{mean:.2f}' for mean in means)} |"]


def page() -> str:
    """docs/speed.md with the table of the result file."""
    results = json.loads((RESULTS / "agreement.json").read_text())
    return replace_between(PAGE.read_text(encoding="utf-8"), "agreement", "\n".join(table(results)))


def main() -> None:
    """Measure, print and write."""
    runs = []
    for split in range(SPLITS):
        runs.append(measure(split))
        print(table({"runs": runs})[-1], flush=True)
    packages = ("jaxrnn", "jax", "jaxlib", "optax", "torch")
    results = {
        "command": "python benchmarks/agreement.py",
        "versions": {name: version(name) for name in packages},
        "trials": TRIALS,
        "epochs": EPOCHS,
        "runs": runs,
    }
    print(f"written to {write_results('agreement', results, indent=None)}")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8") if sys.argv[1:] == ["--table"] else main()
