"""The parts of benchmarks/real_speed.py that measure nothing: plans, ideals, goals."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxrnn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))
from speed import rival, sets, tables  # noqa: E402


def uneven(count: int, per_step: bool) -> Any:
    rng = np.random.default_rng(count)
    lengths = rng.integers(2, 12, count)
    inputs = rng.normal(size=(count, 12, 3)).astype(np.float32)
    targets = rng.integers(0, 2, (count, 12) if per_step else count)
    return inputs, targets, lengths


@pytest.mark.parametrize("per_step", [False, True])
def test_the_ideal_has_the_mean_length(per_step: bool) -> None:
    data: Any = jaxrnn.from_splits(*(uneven(count, per_step) for count in (60, 20, 20)))
    even: Any = sets.of_one_length(data)
    time = round(float(data.train.lengths.mean()))
    assert not even.spec.lengths_differ and data.spec.lengths_differ
    for part in ("train", "validation", "test"):
        split = getattr(even, part)
        assert len(split) == len(getattr(data, part))
        assert split.inputs.shape[1] == time and (split.lengths == time).all()
        assert split.targets.shape[1:] == ((time,) if per_step else ())
        assert np.isfinite(split.inputs).all()


def test_the_rival_reads_every_sequence_once_beside_similar_ones() -> None:
    lengths = np.random.default_rng(0).integers(1, 90, 600)
    rows = [*rival.plan(lengths, 32, np.random.default_rng(1), stateful=False)]
    assert len(rows) == 18 and len(np.unique(rows)) == 18 * 32
    assert np.mean([np.ptp(lengths[batch]) for batch in rows]) < 12
    text = [*rival.plan(np.full(11, 5), 3, np.random.default_rng(1), stateful=True)]
    assert [batch.tolist() for batch in text] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def row(ours: float, both: float, ideal: float, units: int, padded: float) -> dict[str, Any]:
    return {
        "data": "some", "cell": "lstm", "units": units, "lengths": [5, 9], "population": 4,
        "compile_seconds": 1.0, "padded_share": padded, "torch": [both / 2],
        "ours": [ours / 2, ours, ours * 2], "torch_2": [both], "ideal": [ideal] if ideal else [],
    }  # fmt: skip


def test_goals_by_hand() -> None:
    rows = [row(8.0, 2.0, 9.0, 32, 0.05), row(3.0, 2.0, 0.0, 64, 0.0), row(2.6, 2.0, 3.9, 128, 0.2)]
    assert [met for _, met in tables.goals(rows)] == [True, True, False, False, False]
    assert tables.geometric_mean([4.0, 1.5, 1.3]) == pytest.approx(7.8 ** (1 / 3))
    assert tables.summary(rows[0])["ratio"] == 4.0 and tables.summary(rows[1])["ideal"] == 1.0
    lines = tables.table(rows).splitlines()
    assert len(lines) == 2 + 3 + 1 + 5 and lines[2].count("|") == lines[0].count("|")
