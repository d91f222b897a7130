"""A stream trains as the same data in memory does; every batch is read once."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support.single_member import assert_close
from support.streams import MICROBATCH, SEED, Batch, in_memory, streamed

import jaxrnn
from jaxrnn.data.dataset import Data
from jaxrnn.population import input_pipeline
from jaxrnn.population.input_pipeline import Streaming

EPOCHS = 5


LSTM = {"hidden_size": 10}
GRU = {"cell": "gru", "hidden_size": 7}
MEMBERS: list[dict[str, Any]] = [
    {**LSTM, "optimizer": "sgd", "learning_rate": 1e30, "clip_norm": float("inf")},
    {**LSTM, "batch_size": 24, "schedule": "cosine", "warmup_epochs": 1.5, "dropout": 0.3},
    {**LSTM, "patience": 1, "min_delta": 0.2, "learning_rate": 0.03, "hidden_size": 6},
    {**LSTM, "schedule": "plateau", "plateau_patience": 1, "plateau_min_delta": 0.1},
    {**LSTM, "dropout": 0.3, "input_noise": 0.1},
    {**LSTM, "batch_growth_epochs": 1, "batch_growth": 1.5, "optimizer": "lion"},
    {**LSTM, "epochs": 2, "tbptt_length": 3},
    {**GRU, "batch_size": 16, "schedule": "exponential"},
    {**GRU, "hidden_size": 5, "recurrent_dropout": 0.2},
]


def outcome(data: Data, members: list[dict[str, Any]], lanes: int) -> dict[str, Any]:
    """Everything that there is to see: in each epoch, at the end, and after a selection."""
    trainer = jaxrnn.Trainer(data, microbatch=MICROBATCH, lanes=lanes, devices=2, seed=SEED)
    population = trainer.start(members, range(len(members)), EPOCHS)
    population = trainer.train(population, EPOCHS - 1)
    seen = {"first": trainer.history(population)}
    chosen = [*range(0, len(members), 2)]
    population = trainer.train(trainer.select(population, chosen), EPOCHS)
    seen |= {"history": trainer.history(population)}
    seen |= {part: trainer.evaluate(population, part) for part in ("validation", "test")}
    parameters = [trainer.predictor(population, k).parameters for k in range(len(chosen))]
    return {**seen, "parameters": dict(enumerate(parameters))}


def check_same(one: Any, other: Any) -> None:
    """But for last bits: segments and whole epochs are two programs, fused differently by XLA."""
    assert_close(one, other, rtol=2e-6, atol=1e-6)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("members", "lanes", "microbatches", "steps"),
    [  # microbatches of a batch, steps of a segment: 5 steps an epoch, or 4
        (4, 3, 1, 2),
        pytest.param(9, 3, 1, 2, marks=pytest.mark.slow),
        pytest.param(9, 1, 1, 2, marks=pytest.mark.slow),
        pytest.param(9, 1, 2, 2, marks=pytest.mark.slow),
        pytest.param(5, 3, 1, 64, marks=pytest.mark.slow),
        pytest.param(5, 3, 1, 1, marks=pytest.mark.slow),
        pytest.param(5, 1, 5, 1, marks=pytest.mark.slow),
    ],
)
def test_a_stream_trains_as_memory_does(
    members: int, lanes: int, microbatches: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces end within batches; one member diverges, some stop, some wait for others."""
    monkeypatch.setattr(input_pipeline, "MAX_STEPS", steps)
    data = in_memory(40 if microbatches != 2 else 38)  # of 38, 6 are left out
    ours = outcome(streamed(data, microbatches), MEMBERS[:members], lanes)
    theirs = outcome(data, MEMBERS[:members], lanes)
    check_same(ours, theirs)
    curves = theirs["first"]["train_loss"]
    assert np.isnan(curves[:, 0]).any() and np.isnan(curves[:, 2]).any()
    assert (
        np.isnan(curves[2:, 6:7]).all()
        and np.isfinite(curves[:, [k for k in (1, 3, 4, 5, 7) if k < members]]).all()
    )
    rates = theirs["first"]["learning_rate"]
    assert len(np.unique(rates[:, 1])) > 2 and len(np.unique(rates[:, 3])) > 1


# Reading


class Source:
    """Batches that tell when they are read."""

    def __init__(self, data: Data, fails: int | None = None) -> None:
        self.train: Any = data.train
        self.read: list[tuple[int, int]] = []
        self.events = [threading.Event() for _ in range(len(self.train) // MICROBATCH)]
        self.fails = fails

    def __call__(self, epoch: int) -> Iterator[Batch]:
        for number, event in enumerate(self.events):
            if epoch == 1 and number == self.fails:
                raise OSError("the disk is gone")
            self.read.append((epoch, number))
            event.set()
            rows = slice(number * MICROBATCH, (number + 1) * MICROBATCH)
            yield self.train.inputs[rows], self.train.targets[rows], self.train.lengths[rows]


Started = Callable[..., tuple[jaxrnn.Trainer, jaxrnn.Population, Source]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    monkeypatch.setattr(input_pipeline, "MAX_STEPS", 2)

    def start(members: int, fails: int | None = None) -> Any:
        data = in_memory(even=True)
        source = Source(data, fails)
        trainer = jaxrnn.Trainer(streamed(data, 1, source), lanes=1, devices=1)
        population = trainer.start([GRU] * members, range(members), 3)
        source.read.clear()
        return trainer, population, source

    return start


def test_every_batch_is_read_once_an_epoch(started: Started) -> None:
    """However many members there are, in however many waves, and however it goes on."""
    trainer, population, source = started(5)
    increments: list[float] = []
    population = trainer.train(population, 2, increments.append)
    assert source.read == [(epoch, number) for epoch in (0, 1) for number in range(5)]
    assert len(increments) >= 2 and sum(increments) == pytest.approx(2 * len(population))
    source.read.clear()
    trainer.train(trainer.select(population, [3, 1]), 3)
    assert source.read == [(2, number) for number in range(5)]


def test_a_failing_source_reaches_the_caller(started: Started) -> None:
    """In its own words, and nothing is half-trained: the population is spent."""
    trainer, population, _ = started(1, fails=3)
    with pytest.raises(OSError, match="the disk is gone"):
        trainer.train(population, 2)


def segments_of(source: Source, data: Data) -> Streaming:
    stream: Any = streamed(data, 1, source).train
    return Streaming(stream, MICROBATCH, False, lambda values: values)


def test_the_next_segment_is_fetched_in_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One ahead, never two: nobody asks for it, and it comes."""
    monkeypatch.setattr(input_pipeline, "MAX_STEPS", 2)
    data = in_memory(even=True)
    source = Source(data)
    ahead = segments_of(source, data).epochs(0)
    next(ahead)
    assert source.events[3].wait(60)
    assert not source.events[4].is_set()
    next(ahead)
    assert source.events[4].wait(60)
    assert len(list(ahead)) == 1


def test_segments_tell_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_pipeline, "MAX_STEPS", 2)
    data = in_memory()
    train: Any = data.train
    found = [*segments_of(Source(data), data).epochs(7)]
    assert segments_of(Source(data), data).segments == len(found) == 3
    places = [[*map(int, (*segment.steps, segment.epoch))] for _, segment in found]
    assert places == [[2, 0, 5, 7], [2, 2, 5, 7], [1, 4, 5, 7]]
    for number, (samples, segment) in enumerate(found):
        assert segment.order.shape == (1, 2, MICROBATCH) and len(samples.lengths) == 2 * MICROBATCH
        rows = segment.order[0, : segment.steps.count].ravel()
        wanted = range(number * 16, number * 16 + len(rows))
        check_same(samples.targets[rows], train.targets[wanted])


@pytest.mark.parametrize("microbatch", [3, 5, 16, 0, -8])
def test_a_microbatch_must_divide_the_batches(microbatch: int) -> None:
    with pytest.raises(ValueError, match=rf"`microbatch` is {microbatch}, but must divide .* 8\."):
        jaxrnn.Trainer(streamed(in_memory(), 1), microbatch=microbatch)


def test_smaller_microbatches_of_a_batch() -> None:
    """By default a batch is one step; it may be several."""
    data = streamed(in_memory(), 1)
    assert jaxrnn.Trainer(data).microbatch == 8
    given = input_pipeline.training_data(data, 2, 0, lambda values: values)
    assert isinstance(given, Streaming) and (given.steps, given.segments) == (20, 1)
