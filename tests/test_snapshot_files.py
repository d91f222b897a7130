"""Snapshots on disk: what is refused, and that nothing is printed."""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jaxrnn
from jaxrnn.population.checkpoint import ARRAYS, TABLE

LSTM: dict[str, Any] = {"cell": "lstm", "hidden_size": 8}
GRU: dict[str, Any] = {"cell": "gru", "hidden_size": 7}


@pytest.fixture(scope="module")
def trainer(data: jaxrnn.Data) -> jaxrnn.Trainer:
    return jaxrnn.Trainer(data, devices=1)


@pytest.fixture
def saved(trainer: jaxrnn.Trainer, tmp_path: Path) -> Path:
    trainer.save(trainer.init([LSTM, GRU, LSTM], [1, 2, 3], 9), tmp_path / "snapshots")
    return tmp_path / "snapshots"


def test_no_snapshots_are_some(trainer: jaxrnn.Trainer, tmp_path: Path) -> None:
    trainer.save([], tmp_path)
    assert trainer.restore(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [TABLE]


def test_all_lies_there_and_nothing_else(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == sorted([ARRAYS, TABLE])
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]
    assert not [path for path in saved.rglob("*") if "tmp" in path.name]
    assert len([path for path in saved.rglob("*") if path.is_file()]) < 20


def test_architectures_come_from_the_folder(data: jaxrnn.Data, tmp_path: Path) -> None:
    """Those that were expected then, whatever is expected now."""
    first, second = (jaxrnn.Trainer(data, devices=1) for _ in range(2))
    first.plan_for([{**LSTM, "hidden_size": 60, "dropout": 0.1, "optimizer": "sgd"}, LSTM], 9)
    first.save(
        first.init([LSTM, {**LSTM, "dropout": 0.2, "optimizer": "sgd"}], [1, 2], 9), tmp_path
    )
    restored = second.restore(tmp_path)
    assert restored[1].architecture.sizes.layers == (64,)
    expected = [group.architecture for group in first.plan([LSTM], 9)]
    assert [restored[0].architecture] == expected


def test_nothing_is_printed(
    trainer: jaxrnn.Trainer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    level = logging.getLogger("absl").level
    trainer.save(trainer.init([LSTM], [1], 9), tmp_path)
    trainer.restore(tmp_path)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("absl").level == level


@pytest.mark.slow
def test_another_process_prints_nothing_either(tmp_path: Path) -> None:
    """With default settings for warnings, and a caller who logs."""
    code = (
        "import jaxrnn, logging\n"
        "trainer = jaxrnn.Trainer(jaxrnn.digits(), devices=1)\n"
        "logging.basicConfig()\n"
        "logging.getLogger('absl').setLevel(logging.INFO)\n"
        f"trainer.save(trainer.init([{LSTM}], [1], 9), {str(tmp_path)!r})\n"
        f"print(trainer.restore({str(tmp_path)!r})[0].seed)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("1\n", "", 0)


def rewritten(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Damage to the table."""

    def damage(folder: Path) -> None:
        table = json.loads((folder / TABLE).read_text())
        change(table)
        (folder / TABLE).write_text(json.dumps(table))

    return damage


def largest_file(folder: Path) -> Path:
    return max(folder.iterdir(), key=lambda path: path.stat().st_size)


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "no folder": shutil.rmtree,
    "no table": lambda folder: (folder / TABLE).unlink(),
    "no arrays": lambda folder: (folder / ARRAYS).unlink(),
    "half a table": lambda folder: (folder / TABLE).write_text((folder / TABLE).read_text()[:99]),
    "half an array": lambda folder: largest_file(folder).write_bytes(b"0" * 100),
    "another table": lambda folder: (folder / TABLE).write_text("[]"),
    "a row too many": rewritten(lambda table: table["snapshots"].append(table["snapshots"][0])),
    "a row missing": rewritten(lambda table: table["snapshots"].pop()),
    "other epochs": rewritten(lambda table: table["snapshots"][0].update(epochs=1)),
    "too many epochs": rewritten(lambda table: table["snapshots"][0].update(max_epochs=0)),
    "no cohort": rewritten(lambda table: table["snapshots"][0].update(cohort=2)),
    "less configuration": rewritten(lambda table: table["snapshots"][0]["configuration"].popitem()),
    "unknown entry": rewritten(lambda table: table["snapshots"][0]["configuration"].update(x=1)),
    "another width": rewritten(
        lambda table: table["architectures"][0]["sizes"].__setitem__(2, [32])
    ),
    "other uses": rewritten(lambda table: table["architectures"][0]["uses"].__setitem__(0, True)),
    "other data": rewritten(lambda table: table["architectures"][0]["spec"].update(outputs=4)),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_does_not_fit_is_refused(trainer: jaxrnn.Trainer, saved: Path, kind: str) -> None:
    DAMAGE[kind](saved)
    with pytest.raises(ValueError) as error:
        trainer.restore(saved)
    message = str(error.value)
    assert message.startswith(f"`folder` is '{saved}', but holds no snapshots for this trainer (")
    assert "\n" not in message


def test_another_trainer_refuses(saved: Path) -> None:
    """Of other data, or with steps that its batches can't be made of."""
    with pytest.raises(ValueError, match="their data asks something else"):
        jaxrnn.Trainer(jaxrnn.digits(), devices=1).restore(saved)
    rng = np.random.default_rng(0)
    part = rng.normal(size=(30, 6, 3)), np.arange(30) % 3
    alike = jaxrnn.from_splits(part, part, part)
    with pytest.raises(ValueError, match="must be a multiple of the microbatch"):
        jaxrnn.Trainer(alike, devices=1, microbatch=3).restore(saved)
