"""The eight data sets, as both contestants read them."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from real_data import CASES

import jaxrnn
from jaxrnn.data.load import load_data
from jaxrnn.data.split import Split
from jaxrnn.tasks.spec import TaskSpec


@dataclass(frozen=True)
class RealSet:
    """A data set: how it is loaded, and how much of it is used.

    Attributes:
        file: File in the folder of the set, or among the converted ones.
        options: Options of `jaxrnn.data.load.load_data`.
        samples: Most training samples that an epoch has.
    """

    file: str
    options: dict[str, Any]
    samples: int = 10**9


FORECAST = {
    "time": "date",
    "look_back": 96,
    "horizon": 24,
    "split": (8640, 2880, 2880),
    "reach_back": True,
}
SETS = {
    "gun_point": RealSet("GunPoint_TRAIN.ts", {}),
    "italy_power_demand": RealSet("ItalyPowerDemand_TRAIN.ts", {}),
    "japanese_vowels": RealSet("JapaneseVowels_TRAIN.ts", {}),
    "pendigits": RealSet("pendigits.npz", {}, 2000),
    "jsb_chorales": RealSet("jsb_chorales.npz", {}),
    "trec": RealSet("trec.csv", {"target": "label"}, 2000),
    "etth1": RealSet("ETTh1.csv", FORECAST, 1000),
    "tinyshakespeare": RealSet("input.txt", {"split": (0.88, 0.02, 0.1)}, 1024),
}


def load(name: str, folder: Path) -> jaxrnn.Data:
    """Load a set; of a large one the first sequences, as many for validation as for training."""
    chosen, case, source = SETS[name], CASES[name], folder / name
    with tempfile.TemporaryDirectory() as work:
        if case.convert:
            case.convert(source, Path(work))
            source = Path(work)
        data = load_data(source / chosen.file, **chosen.options)
    parts = ("train", "validation", "test")
    return replace(data, **{part: first(getattr(data, part), chosen.samples) for part in parts})


def first(split: Any, samples: int) -> Split:
    """The first samples of a split."""
    return Split(*(values[:samples] for values in (split.inputs, split.targets, split.lengths)))


def of_one_length(data: Any) -> jaxrnn.Data:
    """As many sequences of the mean length each: what this data would cost without padding."""
    time = max(1, round(float(data.train.lengths.mean())))
    parts = ("train", "validation", "test")
    per_step = data.task.per_step
    return replace(data, **{part: cut(getattr(data, part), time, per_step) for part in parts})


def cut(split: Split, time: int, per_step: bool) -> Split:
    """As many sequences of `time` steps each, from those that are long enough."""
    rows = np.resize(np.flatnonzero(split.lengths >= time), len(split))
    targets = split.targets[rows, :time] if per_step else split.targets[rows]
    return Split(split.inputs[rows, :time], targets, np.full(len(split), time, np.int32))


def arrays(data: jaxrnn.Data, microbatch: int) -> dict[str, Any]:
    """Everything that the rival needs, for `numpy.savez`."""
    spec: TaskSpec = data.spec
    kind = "steps" if data.task.per_step else "last"
    loss = {"next_step": "labels", "forecasting": "squares"}.get(data.task.name, "classes")
    sizes = {"vocabulary": spec.vocabulary, "inputs": spec.inputs, "outputs": spec.outputs}
    found: dict[str, Any] = {"kind": kind, "loss": loss, "stateful": spec.stateful, **sizes}
    for part in ("train", "validation"):
        split = getattr(data, part)
        for name in ("inputs", "targets", "lengths"):
            found[f"{part}_{name}"] = getattr(split, name)
    return found | {"batch": microbatch}
