"""The main job on every format that a user may come with, tiny."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

import jaxrnn
from jaxrnn.tuner import command_line

RNG = np.random.default_rng(0)
Write = Callable[[Path], list[str]]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def waves(count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Rising and falling ones."""
    labels = np.arange(count) % 2
    slopes = np.where(labels == 1, 1.0, -1.0)[:, None]
    return slopes * np.linspace(-1, 1, 8) + 0.3 * RNG.normal(size=(count, 8)), labels


def npz(folder: Path) -> list[str]:
    inputs, labels = waves()
    np.savez(folder / "waves.npz", X=inputs[..., None], y=labels)
    return ["--data", "waves.npz", "--metric", "roc_auc"]


def npy(folder: Path) -> list[str]:
    inputs, _ = waves()
    np.save(folder / "waves_X.npy", inputs[..., None])
    np.save(folder / "waves_y.npy", inputs.sum(1))
    return ["--data", "waves_X.npy", "--metric", "r2"]


def wide_csv(folder: Path) -> list[str]:
    inputs, labels = waves()
    frame = pd.DataFrame(inputs).assign(kind=labels, who=np.arange(60) // 4)
    frame.to_csv(folder / "waves.csv", index=False)
    return ["--data", "waves.csv", "--target", "kind", "--group", "who", "--metric", "f1_macro"]


def long_parquet(folder: Path) -> list[str]:
    inputs, labels = waves()
    long = {"id": np.repeat(np.arange(60), 8), "step": np.tile(np.arange(8), 60)}
    frame = pd.DataFrame({**long, "x": inputs.ravel(), "kind": np.repeat(labels, 8)})
    frame[frame["step"] < 5 + frame["id"] % 4].to_parquet(folder / "waves.parquet")
    columns = ["--target", "kind", "--group", "id", "--time", "step"]
    return ["--data", "waves.parquet", *columns]


def texts(folder: Path) -> list[str]:
    words = np.array(["good", "bad", "book", "film", "a", "the"])
    lines = [" ".join(RNG.choice(words, 3 + k % 5)) for k in range(60)]
    stars = ["up" if "good" in line else "down" for line in lines]
    pd.DataFrame({"text": lines, "stars": stars}).to_csv(folder / "reviews.csv", index=False)
    return ["--data", "reviews.csv", "--target", "stars"]


def series(folder: Path) -> list[str]:
    hours = pd.date_range("2020-01-01", periods=120, freq="h")
    frame = pd.DataFrame({"hour": hours, "load": np.sin(np.arange(120) / 4), "heat": 1.0})
    frame.to_csv(folder / "load.csv", index=False)
    rows = ["--time", "hour", "--look-back", "8", "--horizon", "3", "--split", "60/30/30"]
    return ["--data", "load.csv", *rows, "--reach-back", "--metric", "mae"]


def ts(folder: Path) -> list[str]:
    for part in ("TRAIN", "TEST"):
        inputs, labels = waves()
        lines = [
            ",".join(f"{value:.3f}" for value in row[: 5 + k % 4]) + f":{label}"
            for k, (row, label) in enumerate(zip(inputs, labels, strict=True))
        ]
        head = "@problemName waves\n@classLabel true 0 1\n@data\n"
        (folder / f"Waves_{part}.ts").write_text(head + "\n".join(lines) + "\n")
    return ["--data", "Waves_TRAIN.ts"]


def arff(folder: Path) -> list[str]:
    inputs, labels = waves()
    head = [f"@attribute x{k} numeric" for k in range(8)]
    rows = [",".join([*map(str, row), str(y)]) for row, y in zip(inputs, labels, strict=True)]
    lines = ["@relation waves", *head, "@attribute kind {0,1}", "@data", *rows]
    (folder / "waves.arff").write_text("\n".join(lines) + "\n")
    return ["--data", "waves.arff"]


def txt(folder: Path) -> list[str]:
    (folder / "novel.txt").write_text("the cat sat on the mat, and so did I. " * 60)
    return ["--data", "novel.txt", "--block", "12"]


def rolls() -> dict[str, list[np.ndarray]]:
    counts = {"train": 20, "valid": 6, "test": 6}
    return {
        part: [(RNG.random((6 + k % 5, 88)) < 0.05).astype(np.uint8) for k in range(count)]
        for part, count in counts.items()
    }


def mat(folder: Path) -> list[str]:
    cells = {}
    for part, pieces in rolls().items():
        cells[f"{part}data"] = np.empty(len(pieces), object)
        cells[f"{part}data"][:] = pieces
    savemat(folder / "chorales.mat", cells)
    return ["--data", "chorales.mat", "--metric", "frame_accuracy"]


def midi(folder: Path) -> list[str]:
    notes = {
        part: [[(np.flatnonzero(frame) + 21).tolist() for frame in piece] for piece in pieces]
        for part, pieces in rolls().items()
    }
    (folder / "chorales.json").write_text(json.dumps(notes))
    return ["--data", "chorales.json"]


def name(data: str) -> Write:
    return lambda folder: ["--data", data]


CASES: dict[str, tuple[Write, str, set[str]]] = {
    "csv of texts": (texts, "classification", {"confusion_matrix", "classes", "roc"}),
    "csv of a series": (series, "forecasting", {"targets", "horizon"}),
    "txt": (txt, "language", {"tokens"}),
    "mat": (mat, "next_step", {"classes"}),
    "npz": (npz, "classification", {"confusion_matrix", "classes", "roc"}),
    "npy": (npy, "regression", {"targets"}),
    "csv of sequences": (wide_csv, "classification", {"confusion_matrix", "classes", "roc"}),
    "parquet": (long_parquet, "classification", {"confusion_matrix", "classes", "roc"}),
    "ts": (ts, "classification", {"confusion_matrix", "classes", "roc"}),
    "arff": (arff, "classification", {"confusion_matrix", "classes", "roc"}),
    "json": (midi, "next_step", {"classes"}),
    "adding": (name("adding"), "regression", {"targets"}),
    "copy": (name("copy"), "labelling", {"classes"}),
    "temporal-order": (name("temporal-order"), "classification", {"confusion_matrix"}),
}
QUICK = ["csv of a series"]
TINY = ["--trials", "3", "--max-epochs", "3", "--devices", "1", "--out", "run"]


@pytest.mark.parametrize(
    "case", [pytest.param(one, marks=[] if one in QUICK else pytest.mark.slow) for one in CASES]
)
def test_every_format_goes_from_a_file_to_a_winner(
    case: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write, task, tables = CASES[case]
    arguments = write(tmp_path)
    assert command_line.main([*arguments, *TINY]) == 0, capsys.readouterr().err
    run = tmp_path / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "complete" and summary["data"]["task"] == task
    metric = arguments[arguments.index("--metric") + 1] if "--metric" in arguments else "loss"
    assert summary["metric"] == metric
    assert all(np.isfinite(value) for value in summary["test"].values())
    for title in tables:
        assert table(run / f"{title}.csv"), title
    (best,) = (row for row in table(run / "trials.csv") if row["state"] == "complete")
    scores = {row["id"]: row[f"{metric}_at_1"] for row in table(run / "trials.csv")}
    minimal = jaxrnn.load(run / "best").task.metrics[metric] == "min"
    chosen = (min if minimal else max)(scores.values(), key=float)
    assert scores[best["id"]] == chosen  # the rung was ranked in the metric's own direction
    said = capsys.readouterr().out
    assert f"test {metric} {summary['test'][metric]:.4f}" in said
