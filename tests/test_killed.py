"""A search that is killed again and again ends as if it had never been stopped."""

import random
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from support.marks import slow

TESTS = Path(__file__).parent
PROGRAM = "support.killable_search"
FEW, MANY = 2, 7
"""Kills of a search, in the fast test and in the slow ones."""


def attempt(folder: Path, *names: str, seconds: float | None = None) -> bool:
    """Whether it came to its end before it was killed."""
    command = [sys.executable, "-W", "error", "-m", PROGRAM, str(folder), *names]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=TESTS)
    except subprocess.TimeoutExpired:  # which kills it
        return False
    assert done.returncode == 0, done.stderr
    return True


def study_of(folder: Path) -> list[tuple[object, ...]]:
    storage = JournalStorage(JournalFileBackend(str(folder / "study.log")))
    (summary,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=summary.study_name, storage=storage).trials
    return [(t.number, t.state, t.values, t.params, t.intermediate_values) for t in trials]


def assert_same(torn: Path, whole: Path) -> None:
    for name in ("trials.csv", "history.csv", "end.json"):
        assert (torn / name).read_bytes() == (whole / name).read_bytes(), name
    assert study_of(torn) == study_of(whole)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("sampler", "scheduler", "most"),
    [
        ("tpe", "asha", FEW),
        *slow(("tpe", "asha", MANY), ("random", "hyperband", MANY), ("cmaes", "pbt", MANY)),
    ],
)
def test_killed_at_any_moment(tmp_path: Path, sampler: str, scheduler: str, most: int) -> None:
    whole, moments = tmp_path / "whole", random.Random(scheduler)
    begin = time.monotonic()
    assert attempt(whole, sampler, scheduler)
    seconds, kills, run = time.monotonic() - begin, 0, 0
    torn = tmp_path / "torn-0"
    while kills < most:
        if attempt(torn, sampler, scheduler, seconds=moments.uniform(0.3, 1.0) * seconds):
            assert_same(torn, whole)
            run, seconds = run + 1, 0.9 * seconds  # the machine is quicker now than it was
            torn = tmp_path / f"torn-{run}"
        else:
            kills += 1
    assert attempt(torn, sampler, scheduler)
    assert_same(torn, whole)
