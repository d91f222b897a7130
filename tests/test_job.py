"""From a command line to a search that is ready to run: nothing trains here."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import search
from jaxrnn.data.split import Split
from jaxrnn.training.buckets import epoch_order
from jaxrnn.tuner.command_line import parse
from jaxrnn.tuner.job import Job, prepare
from jaxrnn.tuner.report import score_winner

SPACE = """
hidden_size = { low = 8, high = 16 }
learning_rate = { low = 0.001, high = 0.1, log = true }
"""
Begin = Callable[..., Job]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Begin]:
    """Makes searches ready in a folder of their own, and lets go of them at the end."""
    (tmp_path / "space.toml").write_text(SPACE)
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:

        def ready(*arguments: str) -> Job:
            job = prepare(parse([*arguments]), "")
            stack.enter_context(job.open)
            stack.callback(job.recorder.study.close)
            return job

        yield ready


def proposed(job: Job, count: int) -> list[dict[str, Any]]:
    return [proposal.configuration for proposal in job.plan.sampler.ask(count, [])]


@pytest.mark.parametrize(("metric", "mode"), [("loss", "min"), ("accuracy", "max")])
def test_the_metric_says_which_scores_are_better(begin: Begin, metric: str, mode: str) -> None:
    plan = begin("--metric", metric, "--space", "space.toml", "--trials", "3").plan
    assert (plan.metric, plan.mode) == (metric, mode)


def test_a_command_line_reaches_what_it_is_about(begin: Begin) -> None:
    few = ("--space", "space.toml", "--trials", "3", "--microbatch", "16", "--lanes", "2")
    job = begin(*few, "--seed", "7", "--checkpoint-minutes", "2", "--precision", "high")
    assert job.recorder.seconds == 120
    assert job.plan.seed == job.search.replicates.seed == 7
    (trainer,), train = job.trainers, job.data.train
    assert (trainer.microbatch, trainer.lanes) == (16, 2)
    assert trainer.compiler.precision == "high"
    feed: Any = trainer.training_data
    assert isinstance(train, Split)
    np.testing.assert_array_equal(feed.order(2), epoch_order(train.lengths, 16, 7, 2, (9,)))
    with pytest.raises(ValueError, match=r"`memory_limit` is 0\.001 GiB"):
        begin(*few, "--memory-limit", "1e-3")


def test_a_run_goes_on_as_it_began(begin: Begin, tmp_path: Path) -> None:
    """On other devices as many train at once; and starting points are read but once."""
    few = ("--space", "space.toml", "--sampler", "tpe", "--trials", "90", "--out", "out")
    starts = tmp_path / "starts.json"
    starts.write_text('[{"hidden_size": 11}, {"hidden_size": 12}]')
    first = begin(*few, "--enqueue", str(starts))
    saved = json.loads(Path("out/settings.json").read_text())["settings"]
    assert first.plan.max_concurrent == saved["max_concurrent"] < 90
    was = proposed(first, 5)
    assert [configuration["hidden_size"] for configuration in was[:2]] == [11, 12]
    first.recorder.study.close()
    first.open.close()
    starts.write_text('[{"hidden_size": 13}]')
    again = begin("--resume", "out")
    assert again.plan.max_concurrent == first.plan.max_concurrent
    assert proposed(again, 5) == was


class Scored:
    """A trainer whose members have known scores on both parts."""

    def __init__(self, validation: list[float], test: list[float]) -> None:
        self._scores = {"validation": validation, "test": test}

    def to_device(self, members: list[int]) -> list[int]:
        return members

    def evaluate(self, population: list[int], split: str = "validation") -> dict[str, Any]:
        scores = np.array([self._scores[split][member] for member in population])
        return {"loss": 1 - scores, "accuracy": scores}

    def predictor(self, population: list[int], index: int) -> tuple["Scored", int]:
        return self, population[index]


@pytest.mark.parametrize(("metric", "mode"), [("loss", "min"), ("accuracy", "max")])
def test_the_model_is_the_best_in_validation(metric: str, mode: str) -> None:
    """Not on the test part, or its score would flatter."""
    folds = [Scored([0.5, 0.8], [0.9, 0.1]), Scored([0.6, 0.7], [0.2, 0.4])]
    job: Any = SimpleNamespace(
        task=SimpleNamespace(metrics={"loss": "min", "accuracy": "max"}),
        plan=SimpleNamespace(metric=metric, mode=mode),
        search=SimpleNamespace(
            replicates=SimpleNamespace(snapshots=lambda: {4: [0, 1, 0, 1]}, repeats=2)
        ),
        trainers=folds,
    )
    winner = score_winner(job, search.Trial(4, 0, {}, search.Proposal({})))
    assert winner.model == (folds[0], 1)
    assert winner.test["accuracy"] == pytest.approx(np.mean([0.9, 0.1, 0.2, 0.4]))
    assert winner.deviation["accuracy"] == pytest.approx(np.std([0.9, 0.1, 0.2, 0.4], ddof=1))
